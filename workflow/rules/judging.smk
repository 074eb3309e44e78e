# Did the judge improve? Benchmarks of rows with a known best response; regressions; the effect of K, N and rho.


rule prepare_preferences:
    """The rows of a preference benchmark in one form, read from its pinned files."""
    input:
        unpack(preference_sources),
    output:
        "<results>/data/benchmarks/{preference}.jsonl",
    log:
        "<results>/logs/prepare_preferences/{preference}.log",
    localrule: True
    # one of them is published as parquet, which needs a package that `sample` does not have
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
    """The effect of K, N and rho, and the consistency of the meta-judge, without new sampling."""
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
        **{key: of_child(key) for key in ("rho", "allow_truncated_chosen", "elo_l2")},
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
    """A model's scores on tasks of lm-evaluation-harness, which the preference pairs do not train."""
    input:
        **node_checks("engine"),
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
