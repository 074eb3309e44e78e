# The page at the end of every run.

TRAINED = [model for model in REPORTED if model not in ("seed", "m0")]
SAMPLED = list(dict.fromkeys(config_settings.parent(SETTINGS, *config_settings.split_model(m)) for m in TRAINED))


def trains_judge(model):
    method, iteration = config_settings.split_model(model)
    return "judge" in config_settings.iterations(SETTINGS, method)[iteration - 1]["train_on"]


def sampling_stats(wildcards):
    """The facts of every sampling job behind the reported models."""
    stages = [(model, stage) for model in SAMPLED for stage in ("responses", "judgments")]
    judged = {config_settings.parent(SETTINGS, *config_settings.split_model(m)) for m in TRAINED if trains_judge(m)}
    stages += [(model, "meta_judgments") for model in SAMPLED if model in judged]
    paths = [f"<results>/{model}/{stage}/{shard}.stats.json" for model, stage in stages for shard in SHARDS]
    benchmarked = ["judge_agreement/judgments"] + ["arena_laptop/answers", "arena_laptop/verdicts"] * ARENA_RUNS
    return paths + [f"<results>/{model}/benchmarks/{what}.stats.json" for model in REPORTED for what in benchmarked]


rule write_report:
    """One page, one table for the terminal, and the numbers behind both."""
    input:
        sampling=sampling_stats,
        eft="<results>/data/eft/stats.json",
        manifests=expand("<results>/{model}/manifest.json", model=REPORTED),
        training=expand("<results>/{model}/training.json", model=REPORTED[1:]),
        pairs=expand("<results>/{model}/pairs/stats.json", model=TRAINED),
        elo=expand("<results>/{model}/elo.stats.json", model=filter(trains_judge, TRAINED)),
        agreement=expand("<results>/{model}/benchmarks/judge_agreement/score.json", model=REPORTED),
        arena=expand("<results>/{model}/benchmarks/arena_laptop/score.json", model=REPORTED if ARENA_RUNS else []),
        template="workflow/report/page.html.jinja",
    output:
        page="<results>/report/index.html",
        scoreboard="<results>/report/scoreboard.txt",
        metrics="<results>/report/metrics.json",
    log:
        "<results>/logs/write_report.log",
    conda:
        "../../envs/report.yaml"
    params:
        root=RESULTS,
        models=REPORTED,
        parents={model: config_settings.parent(SETTINGS, *config_settings.split_model(model)) for model in TRAINED},
        per_iteration=SETTINGS["prompts"]["per_iteration"],
        model=SETTINGS["model"],
        code=fingerprint("write_report.py"),
    script:
        "../../scripts/write_report.py"
