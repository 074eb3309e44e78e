# The page at the end of every run.


rule plot_benchmarks:
    """Figures 3, 4 and 5, as far as their benchmarks are run."""
    input:
        **{
            benchmark: expand(f"<results>/{{model}}/benchmarks/{benchmark}/score.json", model=REPORTED)
            for benchmark in ("alpaca_eval", "judge_vs_gpt4")
            if benchmark in JUDGED
        },
        paper="workflow/report/paper.csv",
    output:
        FIGURES,
    log:
        "<results>/logs/plot_benchmarks.log",
    localrule: True
    conda:
        environment("report")
    params:
        models=REPORTED,
        code=fingerprint("plot_benchmarks.py"),
    script:
        "../../scripts/plot_benchmarks.py"


rule write_report:
    """One page, one table for the terminal, and the numbers behind both."""
    input:
        sampling=sampling_stats,
        eft="<results>/data/eft/stats.json",
        manifests=expand("<results>/{model}/manifest.json", model=REPORTED),
        training=expand("<results>/{model}/training.json", model=REPORTED[1:]),
        pairs=expand("<results>/{model}/pairs/stats.json", model=TRAINED),
        elo=expand("<results>/{model}/elo.stats.json", model=JUDGE_TRAINED),
        bias=expand("<results>/{model}/benchmarks/meta_judge/score.json", model=META_JUDGES),
        agreement=expand("<results>/{model}/benchmarks/judge_agreement/score.json", model=REPORTED),
        arena=expand("<results>/{model}/benchmarks/arena_laptop/score.json", model=REPORTED * ARENA_RUNS),
        judged=expand("<results>/{model}/benchmarks/{benchmark}/score.json", model=REPORTED, benchmark=JUDGED),
        paper="workflow/report/paper.csv",
        template="workflow/report/page.html.jinja",
    output:
        page="<results>/report/index.html",
        scoreboard="<results>/report/scoreboard.txt",
        metrics="<results>/report/metrics.json",
    log:
        "<results>/logs/write_report.log",
    localrule: True
    conda:
        environment("report")
    params:
        root=lambda wildcards, output: str(Path(output.page).parent.parent),
        models=REPORTED,
        parents=PARENTS,
        per_iteration=SETTINGS["prompts"]["per_iteration"],
        model=SETTINGS["model"],
        code=fingerprint("write_report.py"),
    script:
        "../../scripts/write_report.py"
