# What every model is measured on.


# Two engine starts a model, although one would do: so a setting of one benchmark reruns nothing of the other.
rule answer_arena:
    """A model's answers to the arena's prompts."""
    input:
        prompts=ARENA["prompts"],
        weights="<results>/{model}/weights",
    output:
        answers="<results>/{model}/benchmarks/arena_laptop/answers.jsonl",
        stats="<results>/{model}/benchmarks/arena_laptop/answers.stats.json",
    log:
        "<results>/logs/answer_arena/{model}.log",
    conda:
        environment("sample")
    threads: NEEDS["engine"]["threads"]
    resources:
        **needs("engine"),
    params:
        **{key: value for key, value in SAMPLING["responses"].items() if key != "n"},
        **engine_params(),
        system_prompt=SAMPLING["system_prompt"],
        seed=SEED,
        code=fingerprint("answer_arena.py"),
    script:
        "../../scripts/answer_arena.py"


rule judge_rankings:
    """A model's judgments of people's ranked replies to the held-out prompts."""
    input:
        replies="<results>/data/eft/eval.jsonl",
        weights="<results>/{model}/weights",
        template=TEMPLATES["judge"],
    output:
        judgments="<results>/{model}/benchmarks/judge_agreement/judgments.jsonl",
        stats="<results>/{model}/benchmarks/judge_agreement/judgments.stats.json",
    log:
        "<results>/logs/judge_rankings/{model}.log",
    conda:
        environment("sample")
    threads: NEEDS["engine"]["threads"]
    resources:
        **needs("engine"),
    params:
        **SAMPLING["judgments"] | {"n": AGREEMENT["judgments"]},
        **engine_params(),
        seed=SEED,
        code=fingerprint("judge_rankings.py"),
    script:
        "../../scripts/judge_rankings.py"


rule judge_answers:
    """M0 judges a model's answers to the arena."""
    input:
        prompts=ARENA["prompts"],
        answers="<results>/{model}/benchmarks/arena_laptop/answers.jsonl",
        weights="<results>/m0/weights",
        template=TEMPLATES["judge"],
    output:
        verdicts="<results>/{model}/benchmarks/arena_laptop/verdicts.jsonl",
        stats="<results>/{model}/benchmarks/arena_laptop/verdicts.stats.json",
    log:
        "<results>/logs/judge_answers/{model}.log",
    conda:
        environment("sample")
    threads: NEEDS["engine"]["threads"]
    resources:
        **needs("engine"),
    params:
        **engine_params(),
        judgments=SAMPLING["judgments"] | {"n": ARENA["judgments"]},
        seed=SEED,
        code=fingerprint("judge_answers.py"),
    script:
        "../../scripts/judge_answers.py"


rule score_arena:
    """A model's win rate against the seed's answers, by M0's mean scores."""
    input:
        answers="<results>/{model}/benchmarks/arena_laptop/answers.jsonl",
        verdicts="<results>/{model}/benchmarks/arena_laptop/verdicts.jsonl",
        baseline="<results>/seed/benchmarks/arena_laptop/verdicts.jsonl",
    output:
        "<results>/{model}/benchmarks/arena_laptop/score.json",
    log:
        "<results>/logs/score_arena/{model}.log",
    localrule: True
    conda:
        environment("sample")
    params:
        rounds=ARENA["bootstrap_rounds"],
        seed=SEED,
        code=fingerprint("score_arena.py"),
    script:
        "../../scripts/score_arena.py"


rule judge_agreement:
    """How a model's mean scores agree with people's rankings of the held-out replies."""
    input:
        replies="<results>/data/eft/eval.jsonl",
        judgments="<results>/{model}/benchmarks/judge_agreement/judgments.jsonl",
    output:
        "<results>/{model}/benchmarks/judge_agreement/score.json",
    log:
        "<results>/logs/judge_agreement/{model}.log",
    localrule: True
    conda:
        environment("sample")
    params:
        code=fingerprint("judge_agreement.py"),
    script:
        "../../scripts/judge_agreement.py"


rule measure_meta_judge:
    """How a model's verdicts as meta-judge lean: to higher scores, to a place, to length."""
    input:
        judgments=expand("<results>/{{model}}/judgments/{shard}.jsonl", shard=SHARDS),
        meta_judgments=expand("<results>/{{model}}/meta_judgments/{shard}.jsonl", shard=SHARDS),
    output:
        "<results>/{model}/benchmarks/meta_judge/score.json",
    log:
        "<results>/logs/measure_meta_judge/{model}.log",
    localrule: True
    conda:
        environment("sample")
    params:
        code=fingerprint("measure_meta_judge.py"),
    script:
        "../../scripts/measure_meta_judge.py"
