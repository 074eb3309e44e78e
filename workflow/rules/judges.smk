# Benchmarks that a judge behind an API, or one that is served here, gives its verdicts on.


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
        code=fingerprint("benchmarks/fetch_benchmark.py"),
    script:
        "../../scripts/benchmarks/fetch_benchmark.py"


rule judge_alpaca_eval:
    """A judge's verdicts on a model's answers against the reference's, by the alpaca_eval package."""
    input:
        **judge_weights("alpaca_eval"),
        answers="<results>/{model}/benchmarks/alpaca_eval/answers.jsonl",
        reference=benchmark_file("alpaca_eval_reference"),
    output:
        annotations="<results>/{model}/benchmarks/alpaca_eval/annotations.json",
        stats="<results>/{model}/benchmarks/alpaca_eval/annotations.stats.json",
    log:
        "<results>/logs/judge_alpaca_eval/{model}.log",
    wildcard_constraints:
        model=ANY_MODEL,
    localrule: asked_over_api("alpaca_eval")
    conda:
        environment("evaluate")
    threads: judge_threads("alpaca_eval")
    resources:
        **judge_needs("alpaca_eval"),
    params:
        **judge_params("alpaca_eval"),
        # not an output: Snakemake would delete what was paid for before a rerun
        store=lambda wildcards, output: str(Path(output.annotations).with_name("paid.jsonl")),
        generator="{model}",
        annotator=SETTINGS["benchmarks"]["alpaca_eval"]["annotator"],
        subset=SETTINGS["benchmarks"]["alpaca_eval"]["subset"],
        max_missing=SETTINGS["benchmarks"]["alpaca_eval"]["max_missing"],
        code=fingerprint("benchmarks/judge_alpaca_eval.py"),
    script:
        "../../scripts/benchmarks/judge_alpaca_eval.py"


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
    localrule: asked_over_api("alpaca_eval")
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


rule score_alpaca_eval:
    """Win rate and length-controlled win rate."""
    input:
        unpack(categories_of),
        # the length-controlled rate of all 805 answers needs it
        **({"gamed": benchmark_file("alpaca_eval_gamed")} if WHOLE_ALPACA_EVAL else {}),
        annotations="<results>/{model}/benchmarks/alpaca_eval/annotations.json",
        stats="<results>/{model}/benchmarks/alpaca_eval/annotations.stats.json",
        reference=benchmark_file("alpaca_eval_reference"),
    output:
        "<results>/{model}/benchmarks/alpaca_eval/score.json",
    log:
        "<results>/logs/score_alpaca_eval/{model}.log",
    wildcard_constraints:
        model=ANY_MODEL,
    localrule: True
    conda:
        environment("evaluate")
    params:
        code=fingerprint("benchmarks/score_alpaca_eval.py"),
    script:
        "../../scripts/benchmarks/score_alpaca_eval.py"


rule judge_arena_hard:
    """A judge's verdicts on two games a question against the baseline."""
    input:
        **judge_weights("arena_hard"),
        answers="<results>/{model}/benchmarks/arena_hard/answers.jsonl",
        questions=benchmark_file("arena_hard_questions"),
        baseline=benchmark_file("arena_hard_baseline"),
        judge_prompt=benchmark_file("arena_hard_judge_prompt"),
        judge_template=benchmark_file("arena_hard_judge_template"),
    output:
        verdicts="<results>/{model}/benchmarks/arena_hard/verdicts.jsonl",
        stats="<results>/{model}/benchmarks/arena_hard/verdicts.stats.json",
    log:
        "<results>/logs/judge_arena_hard/{model}.log",
    wildcard_constraints:
        model=ANY_MODEL,
    localrule: asked_over_api("arena_hard")
    conda:
        environment("evaluate")
    threads: judge_threads("arena_hard")
    resources:
        **judge_needs("arena_hard"),
    params:
        **judge_params("arena_hard"),
        store=lambda wildcards, output: str(Path(output.verdicts).with_name("paid.jsonl")),
        subset=SETTINGS["benchmarks"]["arena_hard"]["subset"],
        max_tokens=SETTINGS["benchmarks"]["arena_hard"]["judge_max_tokens"],
        code=fingerprint("benchmarks/judge_arena_hard.py"),
    script:
        "../../scripts/benchmarks/judge_arena_hard.py"


rule score_arena_hard:
    """Bradley-Terry against the one baseline, with a bootstrap interval."""
    input:
        answers="<results>/{model}/benchmarks/arena_hard/answers.jsonl",
        verdicts="<results>/{model}/benchmarks/arena_hard/verdicts.jsonl",
        stats="<results>/{model}/benchmarks/arena_hard/verdicts.stats.json",
    output:
        "<results>/{model}/benchmarks/arena_hard/score.json",
    log:
        "<results>/logs/score_arena_hard/{model}.log",
    wildcard_constraints:
        model=ANY_MODEL,
    localrule: True
    conda:
        environment("evaluate")
    params:
        rounds=SETTINGS["benchmarks"]["arena_hard"]["bootstrap_rounds"],
        tokenizer=SETTINGS["benchmarks"]["arena_hard"]["tokenizer"],
        seed=SEED,
        code=fingerprint("benchmarks/score_arena_hard.py"),
    script:
        "../../scripts/benchmarks/score_arena_hard.py"


rule judge_mt_bench:
    """A judge's ratings of both turns, with reference answers for math, coding and reasoning."""
    input:
        **judge_weights("mt_bench"),
        answers="<results>/{model}/benchmarks/mt_bench/answers.jsonl",
        questions=benchmark_file("mt_bench_questions"),
        references=benchmark_file("mt_bench_references"),
        judge_prompts=benchmark_file("mt_bench_judge_prompts"),
    output:
        verdicts="<results>/{model}/benchmarks/mt_bench/verdicts.jsonl",
        stats="<results>/{model}/benchmarks/mt_bench/verdicts.stats.json",
    log:
        "<results>/logs/judge_mt_bench/{model}.log",
    localrule: asked_over_api("mt_bench")
    conda:
        environment("evaluate")
    threads: judge_threads("mt_bench")
    resources:
        **judge_needs("mt_bench"),
    params:
        **judge_params("mt_bench"),
        store=lambda wildcards, output: str(Path(output.verdicts).with_name("paid.jsonl")),
        subset=SETTINGS["benchmarks"]["mt_bench"]["subset"],
        max_tokens=SETTINGS["benchmarks"]["mt_bench"]["judge_max_tokens"],
        code=fingerprint("benchmarks/judge_mt_bench.py"),
    script:
        "../../scripts/benchmarks/judge_mt_bench.py"


rule score_mt_bench:
    """The mean rating of each turn and of both."""
    input:
        answers="<results>/{model}/benchmarks/mt_bench/answers.jsonl",
        verdicts="<results>/{model}/benchmarks/mt_bench/verdicts.jsonl",
        stats="<results>/{model}/benchmarks/mt_bench/verdicts.stats.json",
    output:
        "<results>/{model}/benchmarks/mt_bench/score.json",
    log:
        "<results>/logs/score_mt_bench/{model}.log",
    localrule: True
    conda:
        environment("evaluate")
    params:
        code=fingerprint("benchmarks/score_mt_bench.py"),
    script:
        "../../scripts/benchmarks/score_mt_bench.py"


rule answer_held_out:
    """The seed's responses to the prompts of table 3, sampled as in the loop."""
    input:
        **checked("engine"),
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
        system_prompt=SAMPLING["system_prompt"],
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
    localrule: asked_over_api("judge_vs_gpt4")
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
    localrule: asked_over_api("judge_vs_gpt4")
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


rule score_judge_vs_gpt4:
    """How often a model's scores agree with the preferences of another judge, by both protocols."""
    input:
        judgments=HELD_OUT_JUDGMENTS,
        gpt4_chosen="<results>/seed/benchmarks/judge_vs_gpt4/gpt4_chosen.jsonl",
        self_chosen="<results>/{model}/benchmarks/judge_vs_gpt4/self_chosen.jsonl",
        gpt4_stats="<results>/seed/benchmarks/judge_vs_gpt4/gpt4_chosen.stats.json",
        self_stats="<results>/{model}/benchmarks/judge_vs_gpt4/self_chosen.stats.json",
    output:
        "<results>/{model}/benchmarks/judge_vs_gpt4/score.json",
    log:
        "<results>/logs/score_judge_vs_gpt4/{model}.log",
    localrule: True
    conda:
        environment("evaluate")
    params:
        judge=judge_named("judge_vs_gpt4"),
        code=fingerprint("benchmarks/score_judge_vs_gpt4.py"),
    script:
        "../../scripts/benchmarks/score_judge_vs_gpt4.py"


rule import_answers:
    """Answers that others published, to be judged anew."""
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
        code=fingerprint("benchmarks/import_answers.py"),
    script:
        "../../scripts/benchmarks/import_answers.py"


rule calibrate_judge:
    """How a substitute judge's scores of published answers differ from the published scores."""
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
        code=fingerprint("benchmarks/calibrate_judge.py"),
    script:
        "../../scripts/benchmarks/calibrate_judge.py"
