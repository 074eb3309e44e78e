"""The first screen of the page: the run, one sentence on its outcome, and four numbers."""

import re

from metarewarding.evaluation import registry
from metarewarding.reporting.metrics import chains, value_at
from metarewarding.reporting.paper import half, noise, ours, scores_by_model

# (benchmark, metric, name, unit) of the main outcome: the first one that was measured
OUTCOMES = [(name, *known.outcome) for name, known in registry.every().items() if known.outcome]
# the most important settings, listed first where they differ from the paper's
DECISIVE = [
    r"model\.", r"prompts\.(source|per_iteration)", r"eft\.(train_examples|annotator)",
    r"sampling\.(responses|judgments)\.n$", r"sampling\.\w+\.max_tokens", r"methods\..*train_on",
    r"methods\..*\.(learning_rate|batch_size|stop_epoch|rho)$", r"sft\.(learning_rate|stop_epoch)", r"engine\.",
]  # fmt: skip
FIRST_SETTINGS = 12


def last_model(metrics: dict) -> dict:
    """Return the row of the last model of the method that the config names first."""
    name = next(iter(chains(metrics).values()))[-1]
    return next(row for row in metrics["models"] if row["model"] == name)


def model_name(model: dict) -> str:
    """Return the name of a config's ``model``."""
    name = model.get("repo") or model.get("file") or model.get("path")
    return str(name).rstrip("/").rsplit("/", 1)[-1] if name else "a tiny random model"


def machine(metrics: dict) -> str | None:
    """Return the hardware of the last model's training, in words."""
    manifest = last_model(metrics)["manifest"] or {}
    host = manifest.get("host") or {}
    if gpus := host.get("gpus"):
        return f"{len(gpus)} × {gpus[0]}"
    return f"{host['cpu']}, {host['cores']} cores" if host.get("cpu") and host.get("cores") else host.get("cpu")


def duration(seconds: float) -> str:
    """Return seconds in words: 12 s, 42 min, 5.3 h, 3.1 days."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 2 * 3600:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 48 * 3600 else f"{seconds / 86400:.1f} days"


def facts(metrics: dict, run: dict) -> list[tuple[str, str]]:
    """Return [(name, value)] of the header; ``run``: {configfiles, root, model, per_iteration, seed, date}."""
    git = (last_model(metrics)["manifest"] or {}).get("git") or {}
    commit = f"{git['commit'][:12]}{' with uncommitted changes' if git.get('dirty') else ''}" if git else None
    wall = max((job["end"] for job in metrics["jobs"]), default=0)
    together = sum(stage["seconds"] for stage in metrics["stages"].values())
    time = f"{duration(wall)} from the first job to the last" if wall else f"{duration(together)} of jobs"
    rounds = len(chains(metrics)[next(iter(chains(metrics)))]) - 2
    size = f"{rounds} iteration{'s' * (rounds != 1)} of {run['per_iteration']:,} prompts"
    return [
        (name, str(value))
        for name, value in (
            ("Config", " + ".join(run["configfiles"])),
            ("Results", run["root"]),
            ("Methods", ", ".join(chains(metrics))),
            ("Model", model_name(run["model"])),
            ("Size", size),
            ("Hardware", machine(metrics)),
            ("Date", run["date"]),
            ("Time", time),
            ("Seed", run["seed"]),
            ("Commit", commit),
        )
        if value not in (None, "")
    ]


def verdict(metrics: dict, progress: str | None = None) -> str:
    """Return whether the run is complete, and whether its last model is better than the seed."""
    state = f"In progress, {progress}." if progress else "Completed."
    row = last_model(metrics)
    return f"{state} {change(metrics, row) or 'No benchmark compares ' + row['model'] + ' with the seed.'}"


def change(metrics: dict, row: dict) -> str | None:
    """Return how the model of ``row`` differs from the seed, by the first outcome that was measured."""
    scores = scores_by_model(metrics)
    for benchmark, metric, name, unit in OUTCOMES:
        now, then = (ours(scores.get(model, {}).get(benchmark), benchmark, metric) for model in (row["model"], "seed"))
        if now is None or then is None:
            continue
        gain, widths = now[0] - then[0], [half(*value[1:]) for value in (now, then)]
        text = f"{name} {now[0]:.1f}{unit}, seed {then[0]:.1f}{unit}"
        if None in widths:
            return f"{row['model']} against the seed: {text} (no interval is known)."
        width = noise(*widths)
        return f"{in_words(gain - width, gain + width)}: {text}; difference {gain:+.1f}, 95 % CI ± {width:.1f}."
    if arena := row["arena"]:
        text = f"win rate {arena['win_rate']:.1f} %, 95 % CI {arena['ci_low']:.1f} to {arena['ci_high']:.1f}"
        return f"{in_words(arena['ci_low'] - 50, arena['ci_high'] - 50)}: {text} (50 % is a draw)."
    return None


def in_words(low: float, high: float) -> str:
    """Return in words a difference from the seed with the 95 % interval from ``low`` to ``high``."""
    if low > 0:
        return "Better than the seed"
    return "Worse than the seed" if high < 0 else "No measurable change from the seed"


def tiles(metrics: dict, printed: list[dict]) -> list[dict]:
    """Return at most four {value, what, compared}: the outcomes of the last model against the paper and the seed."""
    row, scores, result = last_model(metrics), scores_by_model(metrics), []
    model = row["model"]
    paper = {(of["benchmark"], of["metric"]): of["value"] for of in printed if of["model"] == model}
    measured = [*OUTCOMES, ("judge_agreement", "agreement", "Judge's agreement with people", " %")]
    for benchmark, metric, name, unit in measured:
        now, then = (ours(scores.get(of, {}).get(benchmark), benchmark, metric) for of in (model, "seed"))
        if now is None:
            continue
        compared_with = [f"paper {paper[benchmark, metric]:.1f}"] if (benchmark, metric) in paper else []
        compared_with += [f"seed {then[0]:.1f}"] if then else []
        width = half(*now[1:])
        value = f"{now[0]:.1f}" + (f" ± {width:.1f}" if width is not None else "")
        result.append({"value": value + unit, "what": f"{name}, {model}", "compared": ", ".join(compared_with)})
    if arena := row["arena"]:
        compared_with = f"95 % CI {arena['ci_low']:.1f} to {arena['ci_high']:.1f}, a draw is 50"
        result.insert(0, {"value": f"{arena['win_rate']:.1f} %", "what": f"Win rate against the seed, {model}"})
        result[0]["compared"] = compared_with
    kinds = ("actor", "judge")
    trained = [value_at(of["training"], f"{kind}.trained_on") or 0 for of in metrics["models"] for kind in kinds]
    last = {"value": f"{sum(trained):,}", "what": "Preference pairs trained on, all iterations"}
    seconds = sum(stage["seconds"] for stage in metrics["stages"].values())
    gpu_hours = sum(stage["gpu_hours"] or 0 for stage in metrics["stages"].values())
    cost = {"value": f"{gpu_hours:,.1f} h" if gpu_hours else duration(seconds), "compared": ""}
    cost["what"] = "GPU hours of all jobs" if gpu_hours else "Time of all jobs, no GPU"
    dollars = sum(stage["cost_usd"] or 0 for stage in metrics["stages"].values())
    cost["compared"] = f"and {dollars:,.2f} US dollars for judges" if dollars else ""
    return [*result, last | {"compared": ""}, cost][:4] if len(result) < 4 else result[:4]


def settings_in_order(differs: list[list[str]]) -> tuple[list[list[str]], list[tuple[str, list[list[str]]]]]:
    """Return (the settings to read first, the rest by group) of ``differs``, rows of (key, paper, this run).

    A setting that differs in the same way in several iterations of a method is one row.
    """
    rows: dict[tuple, list[str]] = {}
    for key, paper, run in differs:
        before, number, after = re.fullmatch(r"(?:(.*\.iterations)\[(\d+)\])?(.*)", key, re.DOTALL).groups()
        rows.setdefault((before, after, paper, run), []).append(number)
    merged = [
        [f"{before}[{', '.join(numbers)}]{after}" if before else after, paper, run]
        for (before, after, paper, run), numbers in rows.items()
    ]

    def rank(row: list[str]) -> int:
        return next((i for i, form in enumerate(DECISIVE) if re.match(form, row[0])), len(DECISIVE))

    ordered = sorted(merged, key=rank)  # stable
    first = [row for row in ordered if rank(row) < len(DECISIVE)][:FIRST_SETTINGS]
    groups: dict[str, list[list[str]]] = {}
    for row in merged:
        if row not in first:
            groups.setdefault(row[0].split(".")[0], []).append(row)
    return first, list(groups.items())
