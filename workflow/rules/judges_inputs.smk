# What the rules of judges.smk take: settings, files, params; no rules.

BENCHMARK_FILES = SETTINGS["benchmarks"]["files"]
WHOLE_ALPACA_EVAL = (SETTINGS["benchmarks"]["alpaca_eval"]["subset"] or 805) >= 805
CALIBRATIONS = config_files.calibrations(SETTINGS)
CALIBRATED = sorted({row["benchmark"] for row in CALIBRATIONS})
# whether they run or not, as published answers may be judged
BENCHMARKS_WITH_JUDGE = [name for name, known in registry.every().items() if known.kind == JUDGED_ANSWERS]
HELD_OUT_PROMPTS = "<results>/data/eft/comparison_prompts.jsonl"
HELD_OUT_RESPONSES = "<results>/seed/benchmarks/judge_vs_gpt4/responses.jsonl"
HELD_OUT_JUDGMENTS = "<results>/{model}/benchmarks/judge_vs_gpt4/judgments.jsonl"


def published(benchmark, model, what):
    """Return the file with the published ``what`` (answers or verdicts) of a model."""
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
    """Return the inputs of a judge that is served here: its weights, and the check of the node."""
    name = SETTINGS["benchmarks"][benchmark]["judge"]
    weights = (SETTINGS["benchmarks"]["judges"].get(name) or {}).get("weights")
    if weights is None:
        return {}
    of_judge = engine_weights(weights) if weights in ("seed", "m0") else weights
    return {"judge_weights": of_judge} | node_checks("engine")


def judge_params(benchmark):
    """Return a benchmark's judge, and separately the settings of it that its verdicts depend on.

    The judge is None where the config defines no judge of that name. A judge that is served here needs the engine.
    """
    name = SETTINGS["benchmarks"][benchmark]["judge"]
    settings = SETTINGS["benchmarks"]["judges"].get(name)
    if settings is None:
        return {"judge": None, "engine": None}
    judge = {"name": name} | {key: value for key, value in settings.items() if key != "weights"}
    patience = ("api_key_env", "concurrency", "timeout_s", "max_cost")
    params = {"judge": untracked(judge), "judge_identity": {key: judge[key] for key in judge if key not in patience}}
    return params | (engine_params() if settings["weights"] else {"engine": None})


def uses_api(benchmark):
    """Return whether a benchmark's judge is a server elsewhere; such jobs run on the machine that runs Snakemake."""
    return not judge_weights(benchmark)


def judge_threads(benchmark):
    """Return an engine's threads for a judge that is served here, else 1."""
    return 1 if uses_api(benchmark) else NEEDS["engine"]["threads"]


def judge_needs(benchmark):
    """Return an engine's resources for a judge that is served here, with the GPUs that its model is split over.

    Where engines have no GPU, it has none either.
    """
    if uses_api(benchmark):
        return {}
    split = SETTINGS["benchmarks"]["judges"][SETTINGS["benchmarks"][benchmark]["judge"]]["tensor_parallel"]
    return needs("engine") | ({"gpu": split} if split > NEEDS["engine"]["gpu"] > 0 else {})


def judge_reads(benchmark):
    """Return {name: file} of a judge's inputs in addition to a model's answers."""
    files = {name: benchmark_file(source) for name, source in registry.get(benchmark).judge_reads.items()}
    return files | {"questions": questions_of(benchmark)} | judge_weights(benchmark)


def verdicts_of(benchmark, ending=""):
    """Return the file of a judge's verdicts on a model's answers; with ``ending``, another file in the same folder."""
    name = registry.get(benchmark).verdict_file
    return f"<results>/{{model}}/benchmarks/{benchmark}/{name.rsplit('.', 1)[0] + ending if ending else name}"
