# What every model is measured on.


rule evaluate_model:
    """All samples of a model's evaluation: answers to the benchmarks' questions, and its judgments."""
    input:
        **node_checks("engine"),
        **{name: questions_of(name) for name in ANSWERED},
        **judged_files(),
        **{name: preference_file(name) for name in PREFERRED},
        **({"pairwise_template": TEMPLATES["pairwise"]} if JUDGED_IN_PAIRS else {}),
        checked=CHECKED,
        replies="<results>/data/eft/eval.jsonl",
        weights=weights_to_sample,
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
        # one store for all benchmarks, so that its path does not depend on `run`
        store=lambda wildcards, output: str(Path(output.judgments).parents[1] / "completions.jsonl"),
        benchmarks={name: answer_settings(name) for name in ANSWERED},
        judged=JUDGED_BY_MODEL,
        preferences={name: preference_settings(name) for name in PREFERRED},
        judgments=SAMPLING["judgments"],
        judgments_of_replies=AGREEMENT["judgments"],
        system_prompt=system_prompt,
        seed=SEED,
        code=fingerprint("benchmarks/evaluate_model.py", *ANSWERED, fields=["read_questions"]),
    script:
        "../../scripts/benchmarks/evaluate_model.py"


rule judge_answers:
    """M0 judges a model's answers to the arena."""
    input:
        checked=CHECKED,
        prompts=ARENA["prompts"],
        answers="<results>/{model}/benchmarks/arena_laptop/answers.jsonl",
        weights=engine_weights("m0"),
        template=TEMPLATES["judge"],
    output:
        verdicts="<results>/{model}/benchmarks/arena_laptop/verdicts.jsonl",
        stats="<results>/{model}/benchmarks/arena_laptop/verdicts.stats.json",
    log:
        "<results>/logs/judge_answers/{model}.log",
    benchmark:
        "<results>/logs/judge_answers/{model}.tsv"
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


rule score_benchmark:
    """A model's score on any benchmark."""
    input:
        unpack(score_inputs),
    output:
        "<results>/{model}/benchmarks/{benchmark}/score.json",
    log:
        "<results>/logs/score_benchmark/{benchmark}/{model}.log",
    wildcard_constraints:
        model=ANY_MODEL,
    localrule: True
    # a run without a benchmark judge must not need the environment `evaluate`
    conda:
        lambda wildcards: environment("sample") if wildcards.benchmark in NO_JUDGE else environment("evaluate")
    params:
        settings=score_settings,
        seed=SEED,
        code=lambda wildcards: fingerprint("benchmarks/score_benchmark.py", wildcards.benchmark),
    script:
        "../../scripts/benchmarks/score_benchmark.py"


rule judge_agreement:
    """Agreement of a model's mean scores with people's rankings of the held-out replies."""
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
    """Meta-judge bias of a model's verdicts by score, position and length."""
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
