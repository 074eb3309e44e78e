# Benchmarks with a judge, behind an API or served here.


rule fetch_benchmark:
    """One file of a benchmark, at its pinned revision, checked; or a local copy."""
    input:
        lambda wildcards: BENCHMARK_FILES.get(wildcards.source, []),
    output:
        "<results>/data/benchmarks/{source}",
    log:
        "<results>/logs/fetch_benchmark/{source}.log",
    localrule: True
    conda:
        environment("evaluate")
    params:
        name="{source}",
        key="benchmarks.files.{source}",
        path=lambda wildcards: BENCHMARK_FILES.get(wildcards.source),
        revision=lambda wildcards: revision_of(wildcards.source),
        source=lambda wildcards: registry.sources().get(wildcards.source),
        code=fingerprint("benchmarks/fetch_benchmark.py"),
    script:
        "../../scripts/benchmarks/fetch_benchmark.py"


# One rule for each benchmark, as each may have another judge. `localrule` applies to all jobs of a rule: a judge behind
# an API is asked from the machine that runs Snakemake, and a judge that is served here needs a GPU.
for name in BENCHMARKS_WITH_JUDGE:

    rule:
        name:
            f"judge_{name}"
        input:
            **judge_reads(name),
            answers=f"<results>/{{model}}/benchmarks/{name}/answers.jsonl",
        output:
            verdicts=verdicts_of(name),
            stats=verdicts_of(name, ".stats.json"),
        log:
            f"<results>/logs/judge_{name}/{{model}}.log",
        wildcard_constraints:
            model=ANY_MODEL,
        localrule: uses_api(name)
        conda:
            environment("evaluate")
        threads: judge_threads(name)
        resources:
            **judge_needs(name),
        params:
            **judge_params(name),
            # not an output: Snakemake would delete what was paid for before a rerun
            store=lambda wildcards, output: str(Path(output.verdicts).with_name("paid.jsonl")),
            benchmark=name,
            subset=SETTINGS["benchmarks"][name].get("subset"),
            settings=settings_of(name, registry.get(name).judge_keys),
            code=fingerprint("benchmarks/judge_benchmark.py", name),
        script:
            "../../scripts/benchmarks/judge_benchmark.py"


# These have their own rules. Labels of figure 4 and the fixed pairs of judge_vs_gpt4 are judged once for all models;
# its other protocol compares pairs of the seed's responses instead of a model's answers.


rule label_alpaca_eval:
    """A judge sorts the instructions into the categories of figure 4, once for all models."""
    input:
        **judge_weights("alpaca_eval"),
        reference=benchmark_file("alpaca_eval_reference"),
        template=SETTINGS["benchmarks"]["alpaca_eval"]["category_template"],
    output:
        categories="<results>/data/benchmarks/alpaca_eval_categories.json",
        stats="<results>/data/benchmarks/alpaca_eval_categories.stats.json",
    log:
        "<results>/logs/label_alpaca_eval.log",
    localrule: uses_api("alpaca_eval")
    conda:
        environment("evaluate")
    threads: judge_threads("alpaca_eval")
    resources:
        **judge_needs("alpaca_eval"),
    params:
        **judge_params("alpaca_eval"),
        store=lambda wildcards, output: str(Path(output.categories).with_name("alpaca_eval_categories.paid.jsonl")),
        subset=SETTINGS["benchmarks"]["alpaca_eval"]["subset"],
        max_missing=SETTINGS["benchmarks"]["alpaca_eval"]["max_missing"],
        code=fingerprint("benchmarks/label_alpaca_eval.py"),
    script:
        "../../scripts/benchmarks/label_alpaca_eval.py"


rule answer_held_out:
    """The seed's responses to the prompts of table 3, sampled as in the loop."""
    input:
        **node_checks("engine"),
        checked=CHECKED,
        prompts=HELD_OUT_PROMPTS,
        weights="<results>/seed/weights",
    output:
        responses=HELD_OUT_RESPONSES,
        stats="<results>/seed/benchmarks/judge_vs_gpt4/responses.stats.json",
    log:
        "<results>/logs/answer_held_out.log",
    conda:
        environment("sample")
    threads: NEEDS["engine"]["threads"]
    resources:
        **needs("engine"),
    params:
        **engine_params(),
        store=completion_store,
        responses=SAMPLING["responses"],
        system_prompt=system_prompt,
        seed=SEED,
        code=fingerprint("benchmarks/answer_held_out.py"),
    script:
        "../../scripts/benchmarks/answer_held_out.py"


rule compare_fixed_responses:
    """GPT-4 chosen: a judge compares two of the seed's responses to each held-out prompt, in both orders."""
    input:
        **judge_weights("judge_vs_gpt4"),
        prompts=HELD_OUT_PROMPTS,
        responses=HELD_OUT_RESPONSES,
    output:
        verdicts="<results>/seed/benchmarks/judge_vs_gpt4/gpt4_chosen.jsonl",
        stats="<results>/seed/benchmarks/judge_vs_gpt4/gpt4_chosen.stats.json",
    log:
        "<results>/logs/compare_fixed_responses.log",
    localrule: uses_api("judge_vs_gpt4")
    conda:
        environment("evaluate")
    threads: judge_threads("judge_vs_gpt4")
    resources:
        **judge_needs("judge_vs_gpt4"),
    params:
        **judge_params("judge_vs_gpt4"),
        store=lambda wildcards, output: str(Path(output.verdicts).with_name("gpt4_chosen.paid.jsonl")),
        code=fingerprint("benchmarks/compare_responses.py"),
    script:
        "../../scripts/benchmarks/compare_responses.py"


rule compare_best_and_worst:
    """Self chosen: a judge compares the responses that a model scores best and worst, in both orders."""
    input:
        **judge_weights("judge_vs_gpt4"),
        prompts=HELD_OUT_PROMPTS,
        responses=HELD_OUT_RESPONSES,
        judgments=HELD_OUT_JUDGMENTS,
    output:
        verdicts="<results>/{model}/benchmarks/judge_vs_gpt4/self_chosen.jsonl",
        stats="<results>/{model}/benchmarks/judge_vs_gpt4/self_chosen.stats.json",
    log:
        "<results>/logs/compare_best_and_worst/{model}.log",
    localrule: uses_api("judge_vs_gpt4")
    conda:
        environment("evaluate")
    threads: judge_threads("judge_vs_gpt4")
    resources:
        **judge_needs("judge_vs_gpt4"),
    params:
        **judge_params("judge_vs_gpt4"),
        store=lambda wildcards, output: str(Path(output.verdicts).with_name("self_chosen.paid.jsonl")),
        code=fingerprint("benchmarks/compare_responses.py"),
    script:
        "../../scripts/benchmarks/compare_responses.py"


rule import_answers:
    """Answers that others published, in this project's rows, to be judged again."""
    input:
        questions=lambda wildcards: questions_of(wildcards.benchmark),
        published=lambda wildcards: published(wildcards.benchmark, wildcards.name, "answers"),
    output:
        "<results>/published/{name}/benchmarks/{benchmark}/answers.jsonl",
    log:
        "<results>/logs/import_answers/{benchmark}/{name}.log",
    localrule: True
    conda:
        environment("evaluate")
    params:
        benchmark="{benchmark}",
        subset=lambda wildcards: SETTINGS["benchmarks"][wildcards.benchmark]["subset"],
        code=lambda wildcards: fingerprint("benchmarks/import_answers.py", wildcards.benchmark),
    script:
        "../../scripts/benchmarks/import_answers.py"


rule calibrate_judge:
    """Differences between a substitute judge's scores of published answers and the published scores."""
    input:
        **({"gamed": benchmark_file("alpaca_eval_gamed")} if WHOLE_ALPACA_EVAL and "alpaca_eval" in CALIBRATED else {}),
        **{f"{benchmark}_questions": questions_of(benchmark) for benchmark in CALIBRATED},
        scores=[f"<results>/published/{row['model']}/benchmarks/{row['benchmark']}/score.json" for row in CALIBRATIONS],
        published=published_verdicts,
    output:
        shifts="<results>/published/calibration.json",
        table="<results>/published/calibration.txt",
    log:
        "<results>/logs/calibrate_judge.log",
    localrule: True
    conda:
        environment("evaluate")
    params:
        benchmarks=[row["benchmark"] for row in CALIBRATIONS],
        models=[row["model"] for row in CALIBRATIONS],
        subsets={benchmark: SETTINGS["benchmarks"][benchmark]["subset"] for benchmark in CALIBRATED},
        rounds=SETTINGS["benchmarks"]["arena_hard"]["bootstrap_rounds"],
        seed=SEED,
        code=fingerprint("benchmarks/calibrate_judge.py", *CALIBRATED),
    script:
        "../../scripts/benchmarks/calibrate_judge.py"
