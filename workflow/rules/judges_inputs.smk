# What the rules of judges.smk take: settings, files, params; no rules.

BENCHMARK_FILES = SETTINGS["benchmarks"]["files"]
WHOLE_ALPACA_EVAL = (SETTINGS["benchmarks"]["alpaca_eval"]["subset"] or 805) >= 805
CATEGORIES = SETTINGS["benchmarks"]["alpaca_eval"]["categories"]
CALIBRATIONS = config_files.calibrations(SETTINGS)
CALIBRATED = sorted({row["benchmark"] for row in CALIBRATIONS})
ANY_MODEL = OWN_MODEL + r"|published/[A-Za-z0-9._-]+"  # or a model whose answers others published


def published(benchmark, model, what):
    """The file with the published ``what`` (answers or verdicts) of a model."""
    rows = [row[what] for row in CALIBRATIONS if (row["benchmark"], row["model"]) == (benchmark, model)]
    if not rows:
        raise WorkflowError(f"config: benchmarks.calibration.{benchmark}: there is no published model '{model}'.")
    return rows[0]


def published_verdicts(wildcards):
    if not CALIBRATIONS:
        raise WorkflowError(
            "config: benchmarks.calibration: name a folder of published answers under alpaca_eval or arena_hard."
        )
    return [row["verdicts"] for row in CALIBRATIONS]


def judge_weights(benchmark):
    """The input that a judge needs which is served here: its weights."""
    name = SETTINGS["benchmarks"][benchmark]["judge"]
    weights = (SETTINGS["benchmarks"]["judges"].get(name) or {}).get("weights")
    if weights is None:
        return {}
    return {"judge_weights": engine_weights(weights) if weights in ("seed", "m0") else weights}


def judge_params(benchmark):
    """A benchmark's judge, with its name, and by themselves those of its settings that decide its verdicts.

    The first is None where the config names no judge that is there. A judge that is served here needs the engine.
    """
    name = SETTINGS["benchmarks"][benchmark]["judge"]
    settings = SETTINGS["benchmarks"]["judges"].get(name)
    if settings is None:
        return {"judge": None, "engine": None}
    judge = {"name": name} | {key: value for key, value in settings.items() if key != "weights"}
    patience = ("api_key_env", "concurrency", "timeout_s", "max_cost")
    params = {"judge": untracked(judge), "judge_identity": {key: judge[key] for key in judge if key not in patience}}
    return params | (engine_params() if settings["weights"] else {"engine": None})


def judge_named(benchmark):
    """The name of a benchmark's judge, and of its model."""
    name = SETTINGS["benchmarks"][benchmark]["judge"]
    return {"name": name, "model": SETTINGS["benchmarks"]["judges"].get(name, {}).get("model")}


def asked_over_api(benchmark):
    """Whether a benchmark's judge is a server elsewhere: such jobs run where Snakemake runs, which has internet access."""
    return not judge_weights(benchmark)


def judge_threads(benchmark):
    """Those of an engine for a judge that is served here."""
    return 1 if asked_over_api(benchmark) else NEEDS["engine"]["threads"]


def judge_needs(benchmark):
    """Those of an engine for a judge that is served here, with as many GPUs as its model is split over."""
    if asked_over_api(benchmark):
        return {}
    split = SETTINGS["benchmarks"]["judges"][SETTINGS["benchmarks"][benchmark]["judge"]]["tensor_parallel"]
    return needs("engine") | ({"gpu": split, "nodes": 1} if split > NEEDS["engine"]["gpu"] else {})


def categories_of(wildcards):
    """The categories of AlpacaEval's instructions, from a judge or a file; published answers are scored without."""
    if CATEGORIES is None or wildcards.model.startswith("published/"):
        return {}
    return {"categories": benchmark_file("alpaca_eval_categories.json") if CATEGORIES == "judge" else CATEGORIES}
