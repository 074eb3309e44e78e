# The report: summaries of iterations, the page, the plan and the manifest of the run, and the export.


report: "../report/introduction.rst"


rule summarise_iteration:
    """A summary of one iteration for the report: distributions, and a few prompts as examples."""
    input:
        unpack(iteration_rows),
    output:
        summary="<results>/{method}/m{iteration}/summary.json",
        examples="<results>/{method}/m{iteration}/examples.json",
    log:
        "<results>/logs/summarise_iteration/{method}/m{iteration}.log",
    localrule: True
    conda:
        environment("sample")
    params:
        rho=of_iteration("rho"),
        seed=SEED,
        code=fingerprint("report/summarise_iteration.py"),
    script:
        "../../scripts/report/summarise_iteration.py"


rule write_report:
    """The page, its tables and figures, the scoreboard for the terminal, and all numbers."""
    input:
        **report_files(),
        plan="<results>/report/plan.json",
        paper="workflow/report/paper.csv",
        rules="workflow/report/rules.csv",
        template="workflow/report/page.html.jinja",
        look=page_parts(),
    output:
        page=report(
            "<results>/report/index.html",
            caption="../report/page.rst",
            category="1. The page",
            labels={"page": "All figures and tables, compared with the paper"},
        ),
        tables=report(
            directory("<results>/report/tables"),
            patterns=["{table}.csv"],
            caption="../report/tables.rst",
            category="2. Tables",
            labels=lambda wildcards, output: {"table": title_of(output.metrics, wildcards.table)},
        ),
        figures=report(
            directory("<results>/report/figures"),
            patterns=["{figure}.svg"],
            caption="../report/figures.rst",
            category="3. Figures",
            labels=lambda wildcards, output: {"figure": title_of(output.metrics, wildcards.figure)},
        ),
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
        seed=SEED,
        configfiles=untracked(CONFIGFILES),
        same_benchmark=SAME_BENCHMARK,
        max_score=SETTINGS["sampling"]["judgments"]["max_score"],
        progress=None,
        differs=differences(SETTINGS, BASE / "config/paper.yaml"),
        code=fingerprint("report/write_report.py", *registry.names()),
    script:
        "../../scripts/report/write_report.py"


rule write_iteration_report:
    """The page after an iteration, while the next ones run."""
    input:
        unpack(lambda wildcards: report_files(models_until(wildcards))),
        paper="workflow/report/paper.csv",
        rules="workflow/report/rules.csv",
        template="workflow/report/page.html.jinja",
        look=page_parts(),
    output:
        page="<results>/report/iterations/{method}/m{iteration}.html",
    log:
        "<results>/logs/write_iteration_report/{method}/m{iteration}.log",
    localrule: True
    conda:
        environment("report")
    params:
        root=lambda wildcards, output: str(Path(output.page).parents[3]),
        models=models_until,
        parents=PARENTS,
        per_iteration=SETTINGS["prompts"]["per_iteration"],
        model=SETTINGS["model"],
        seed=SEED,
        configfiles=untracked(CONFIGFILES),
        same_benchmark=SAME_BENCHMARK,
        max_score=SETTINGS["sampling"]["judgments"]["max_score"],
        progress=progress,
        plan=PLAN,
        differs=differences(SETTINGS, BASE / "config/paper.yaml"),
        code=fingerprint("report/write_report.py", *registry.names()),
    script:
        "../../scripts/report/write_report.py"


rule write_plan:
    """The plan of the run, compared with what was measured."""
    input:
        [f"<results>/{file}" for row in PLAN["rows"] for file in row["files"]],
    output:
        "<results>/report/plan.json",
    log:
        "<results>/logs/write_plan.log",
    localrule: True
    conda:
        environment("report")
    params:
        root=lambda wildcards, output: str(Path(output[0]).parent.parent),
        plan=PLAN,
        code=fingerprint("report/write_plan.py"),
    script:
        "../../scripts/report/write_plan.py"


rule write_manifest:
    """The manifest of the run: config, commit, packages, and the hashes of its data and weights."""
    input:
        models=expand("<results>/{model}/manifest.json", model=REPORTED),
        eft=["<results>/data/eft/train.jsonl", "<results>/data/eft/eval.jsonl"],
        prompts=expand(
            "<results>/data/prompts/{iteration}.jsonl",
            iteration=sorted({lineage.depth(SETTINGS, model) for model in TRAINED}),
        ),
        templates=list(dict.fromkeys(TEMPLATES["judge"] + TEMPLATES["meta_judge"] * bool(META_JUDGES))),
        plan="<results>/report/plan.json",
    output:
        "<results>/report/manifest.json",
    log:
        "<results>/logs/write_manifest.log",
    localrule: True
    conda:
        environment("report")
    params:
        models=REPORTED,
        code=fingerprint("report/write_manifest.py"),
    script:
        "../../scripts/report/write_manifest.py"


rule export:
    """A run in the usual formats: pairs, benchmark answers, curves, manifest, model cards. Nothing is uploaded."""
    input:
        **export_files(),
        manifest="<results>/report/manifest.json",
    output:
        directory("<results>/export"),
    log:
        "<results>/logs/export.log",
    localrule: True
    conda:
        environment("report")
    params:
        root=lambda wildcards, output: str(Path(output[0]).parent),
        benchmarks=ANSWERED,
        code=fingerprint("report/export.py", *ANSWERED),
    script:
        "../../scripts/report/export.py"
