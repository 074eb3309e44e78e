# What every model is measured on.


rule evaluate_model:
    """All that a model is asked for its evaluation: the benchmarks' questions, and the held-out replies to judge."""
    input:
        **{name: questions_of(name) for name in ANSWERED},
        # of table 3: the seed's responses, which every model judges
        **({"prompts": HELD_OUT_PROMPTS, "responses": HELD_OUT_RESPONSES} if TABLE_3 else {}),
        replies="<results>/data/eft/eval.jsonl",
        weights="<results>/{model}/weights",
        template=TEMPLATES["judge"],
    output:
        **evaluation_files(".jsonl", ""),
        **evaluation_files(".stats.json", "_stats"),
    log:
        "<results>/logs/evaluate_model/{model}.log",
    benchmark:
        "<results>/logs/evaluate_model/{model}.tsv"
    conda:
        environment("sample")
    threads: NEEDS["engine"]["threads"]
    resources:
        **needs("engine"),
    params:
        **engine_params(),
        # of all benchmarks together, and in the same place whatever `run` names
        store=lambda wildcards, output: str(Path(output.judgments).parents[1] / "completions.jsonl"),
        benchmarks={name: answer_settings(name) for name in ANSWERED},
        judgments=SAMPLING["judgments"],
        judgments_of_replies=AGREEMENT["judgments"],
        system_prompt=SAMPLING["system_prompt"],
        seed=SEED,
        code=fingerprint("benchmarks/evaluate_model.py"),
    script:
        "../../scripts/benchmarks/evaluate_model.py"


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
        store=completion_store,
        judgments=SAMPLING["judgments"] | {"n": ARENA["judgments"]},
        seed=SEED,
        code=fingerprint("benchmarks/judge_answers.py"),
    script:
        "../../scripts/benchmarks/judge_answers.py"


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
        code=fingerprint("benchmarks/score_arena.py"),
    script:
        "../../scripts/benchmarks/score_arena.py"


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
        code=fingerprint("benchmarks/judge_agreement.py"),
    script:
        "../../scripts/benchmarks/judge_agreement.py"


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
        code=fingerprint("benchmarks/measure_meta_judge.py"),
    script:
        "../../scripts/benchmarks/measure_meta_judge.py"
