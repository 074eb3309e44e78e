"""Compare two or more finished runs: settings that differ, scores with their differences, and curves."""

from metarewarding.evaluation import registry
from metarewarding.reporting.figures.charts import by_iteration
from metarewarding.reporting.metrics import chains, judge_name, value_at
from metarewarding.reporting.paper import half, noise, ours, scores_by_model


def _outcomes():
    """Yield the row of MEASURES of each benchmark that has an outcome."""
    for benchmark, known in registry.every().items():
        if known.outcome:
            metric, name, unit = known.outcome
            yield name + ("," + unit if unit else ""), benchmark, metric, unit.strip() or name


# (title, benchmark, metric, axis); "arena" is the win rate of a run against its own seed
MEASURES = [
    *_outcomes(),
    ("Win rate against the run's own seed, by its own M0, %", "arena", "win_rate", "Win rate, %"),
    ("Judge's agreement with people, %", "judge_agreement", "agreement", "Agreement, %"),
    ("Mean characters of an answer", "arena", "mean_length", "Characters"),
]


def labels(roots: list[str]) -> list[str]:
    """Return a short name for each root: its last folder, or the whole path where two are the same."""
    short = [root.rstrip("/").rsplit("/", 1)[-1] for root in roots]
    return short if len(set(short)) == len(short) else roots


def value(metrics: dict, model: str, benchmark: str, metric: str) -> tuple | None:
    """Return (value, 95 % from, to) of one model; None where it was not measured."""
    if benchmark == "arena":
        row = next((row for row in metrics["models"] if row["model"] == model), None)
        if not row or value_at(row["arena"], metric) is None:
            return None
        limits = (row["arena"]["ci_low"], row["arena"]["ci_high"]) if metric == "win_rate" else (None, None)
        return row["arena"][metric], *limits
    return ours(scores_by_model(metrics).get(model, {}).get(benchmark), benchmark, metric)


def judges(runs: dict[str, dict], benchmark: str, metric: str) -> dict[str, str]:
    """Return {label: the judge, or judges, of the run's scores on ``benchmark``}, where the runs' judges differ.

    A run's answers in the arena are scored by its own M0, so there the judges always differ; no judge gives a length.
    """
    if benchmark == "arena":
        return {} if metric == "mean_length" else dict.fromkeys(runs, "its M0")
    names = {}
    for name, metrics in runs.items():
        scores = [of[benchmark] for of in scores_by_model(metrics).values() if of.get(benchmark)]
        names[name] = ", ".join(sorted({judge_name(score) for score in scores if score.get("judge")}))
    return names if len({name for name in names.values() if name}) > 1 else {}


def scoreboard(runs: dict[str, dict]) -> list[dict]:
    """Return [{title, heads, rows}], a table for each measure that a run has; ``runs``: {label: metrics}.

    The differences are from the first run; ``±`` is the half width of their 95 % interval, from both runs' own. Where
    the runs have different judges, the heads name them and there are no differences.
    """
    first, tables = next(iter(runs)), []
    models = list(dict.fromkeys(row["model"] for metrics in runs.values() for row in metrics["models"]))
    for title, benchmark, metric, _ in MEASURES:
        rows, judged_by = [], judges(runs, benchmark, metric)
        others = [] if judged_by else [label for label in runs if label != first]
        for model in models:
            values = {label: value(metrics, model, benchmark, metric) for label, metrics in runs.items()}
            if not any(values.values()):
                continue
            cells = [interval(of) for of in values.values()]
            cells += [difference(values[first], values[label]) for label in others]
            rows.append([model, *cells])
        if rows:
            heads = ["Model", *(named(label, judged_by) for label in runs), *(f"{label} − {first}" for label in others)]
            tables.append({"title": title, "heads": heads, "rows": rows})
    return tables


def named(label: str, judged_by: dict[str, str]) -> str:
    return f"{label} (judge: {judged_by[label]})" if judged_by.get(label) else label


def interval(score: tuple | None) -> str:
    if score is None:
        return "–"
    return f"{score[0]:.1f}" + (f" ({score[1]:.1f} to {score[2]:.1f})" if score[1] is not None else "")


def difference(first: tuple | None, other: tuple | None) -> str:
    if first is None or other is None:
        return "–"
    gain, widths = other[0] - first[0] + 0.0, [half(*of[1:]) for of in (first, other)]
    if None in widths:
        return f"{gain:+.1f}"
    allowed = noise(*widths)
    return f"{gain:+.1f} ± {allowed:.1f}" + (" †" if abs(gain) > allowed else "")


def settings(configs: dict[str, dict]) -> list[list[str]]:
    """Return [key, value in each run] of the settings that differ, "—" where a run does not have the key."""
    flat = {label: dict(leaves(config)) for label, config in configs.items()}
    keys = dict.fromkeys(key for of in flat.values() for key in of)
    rows = [[key, *(str(of.get(key, "—")) for of in flat.values())] for key in keys]
    return [row for row in rows if len(set(row[1:])) > 1]


def leaves(value, path: str = ""):
    """Yield (dotted key, value) of all values in nested dicts and lists."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    if not items:
        yield path, value
    for key, inner in items:
        name = f"[{key}]" if isinstance(value, list) else f".{key}"
        yield from leaves(inner, (path + name).lstrip("."))


def figures(runs: dict[str, dict]) -> list[dict]:
    """Return a figure for each measure, a line for each run and method."""
    drawn = []
    for title, benchmark, metric, axis in MEASURES:
        judged_by = judges(runs, benchmark, metric)
        chain = {
            f"{named(label, judged_by)}: {method}": [f"{label}|{model}" for model in models]
            for label, metrics in runs.items()
            for method, models in chains(metrics).items()
        }

        def of_model(name, benchmark=benchmark, metric=metric):
            label, _, model = name.partition("|")
            return value(runs[label], model, benchmark, metric)

        caption = f"{title}, by iteration and run."
        if judged_by:  # also here, as the legend cuts long names
            caption += f" Not comparable: {'; '.join(named(label, judged_by) for label in runs)}."
        id = f"compare_{benchmark}_{metric}"
        drawn.append(by_iteration(id, "compare", title, caption, of_model, chain, lambda model: None, axis))
    return [figure for figure in drawn if figure]
