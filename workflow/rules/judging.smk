# Did the judge improve? Benchmarks of rows whose best response is known.


rule prepare_preferences:
    """The rows of a preference benchmark in one form, read from its pinned files."""
    input:
        unpack(preference_sources),
    output:
        "<results>/data/benchmarks/{preference}.jsonl",
    log:
        "<results>/logs/prepare_preferences/{preference}.log",
    localrule: True
    # the published rows of one are parquet, which needs a package that `sample` lacks
    conda:
        lambda wildcards: (
            environment("sample") if not registry.get(wildcards.preference).sources else environment("evaluate")
        )
    params:
        subset=lambda wildcards: SETTINGS["benchmarks"][wildcards.preference]["subset"],
        code=lambda wildcards: fingerprint("benchmarks/prepare_preferences.py", wildcards.preference),
    script:
        "../../scripts/benchmarks/prepare_preferences.py"


rule measure_sensitivity:
    """What K, N and rho buy, and how far the meta-judge repeats itself, from what was sampled anyway."""
    input:
        unpack(sampled_of),
    output:
        "<results>/{model}/sensitivity.json",
    log:
        "<results>/logs/measure_sensitivity/{model}.log",
    localrule: True
    conda:
        environment("sample")
    params:
        **{key: SETTINGS["pairs"][key] for key in ("allow_truncated_chosen", "elo_l2")},
        rho=rho_of_child,
        draws=SENSITIVITY_DRAWS,
        seed=SEED,
        code=fingerprint("benchmarks/measure_sensitivity.py"),
    script:
        "../../scripts/benchmarks/measure_sensitivity.py"


rule prepare_regressions:
    """The data of the tasks of lm-evaluation-harness, fetched where there is internet access."""
    output:
        "<results>/data/benchmarks/lm_eval.json",
    log:
        "<results>/logs/prepare_regressions.log",
    localrule: True
    conda:
        environment("regressions")
    params:
        tasks=LM_EVAL["tasks"],
        folder=LM_EVAL["folder"],
        code=fingerprint("benchmarks/prepare_regressions.py"),
    script:
        "../../scripts/benchmarks/prepare_regressions.py"


rule measure_regressions:
    """What a model loses or gains on tasks that no preference pair is about, by lm-evaluation-harness."""
    input:
        data="<results>/data/benchmarks/lm_eval.json",
        weights=weights_to_sample,
    output:
        "<results>/{model}/benchmarks/lm_eval/score.json",
    log:
        "<results>/logs/measure_regressions/{model}.log",
    benchmark:
        "<results>/logs/measure_regressions/{model}.tsv"
    conda:
        environment("regressions")
    threads: NEEDS["engine"]["threads"]
    resources:
        **needs("engine"),
    params:
        **engine_params(),
        **{key: LM_EVAL[key] for key in ("tasks", "folder", "limit", "num_fewshot", "chat_template")},
        seed=SEED,
        code=fingerprint("benchmarks/measure_regressions.py"),
    script:
        "../../scripts/benchmarks/measure_regressions.py"
