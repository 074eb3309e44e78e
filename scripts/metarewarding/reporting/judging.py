"""The page's section "Did the judge improve?": judge benchmarks with tables 3, 5 and 7, and the effect of K and N."""

from math import sqrt

from metarewarding.intervals import Z, share_interval
from metarewarding.reporting.metrics import chains, value_at
from metarewarding.reporting.paper import half, noise, ours


def section(metrics: dict) -> dict | None:
    """Return {verdict, heads, rows, advice, consistency, regressions}, or None where no judge was measured.

    ``rows``: a table of texts, a row a model, whose first cell is the model. ``advice``: a sentence a model that was
    sampled. ``consistency`` and ``regressions``: (heads, rows) or None.
    """
    measures = [name for name in measured(metrics) if any(value_of(row, name) for row in metrics["models"])]
    if not measures:
        return None
    heads = ["Model", *(title_of(metrics, name) for name in measures), *TABLE_5]
    rows = []
    for row in metrics["models"]:
        values = [value_of(row, name) for name in measures]
        values += [ours(row["bias"], "meta_judge", share) for share in TABLE_5.values()]
        rows.append([row["model"], *map(interval_text, values)])
    return {
        "verdict": verdict(metrics, measures),
        "heads": heads,
        "rows": rows,
        "advice": [
            {"model": row["model"], "sentence": row["sensitivity"]["sentence"]}
            for row in metrics["models"]
            if row.get("sensitivity")
        ],
        "consistency": consistency(metrics),
        "regressions": regressions(metrics),
    }


# column: the share
TABLE_5 = {
    "Higher score wins, % (table 5)": "higher_score_wins",
    "Position bias, % (table 5)": "position_bias",
}


def measured(metrics: dict) -> list[str]:
    """Return the names of the measures of the judge, as ``value_of`` takes them: tables 7 and 3 first."""
    names = ["table 7", "table 3"]
    for row in metrics["models"]:
        names += [name for name in row.get("preferences", {}) if name not in names]
        names += [
            f"{name}, pairwise"
            for name, score in row.get("preferences", {}).items()
            if score["pairwise"] and f"{name}, pairwise" not in names
        ]
    return names


def value_of(row: dict, name: str) -> tuple[float, float | None, float | None] | None:
    """Return (accuracy in percent, 95 % from, to) of a model's judge; None where it was not measured."""
    if name == "table 7":
        return ours(row["agreement"], "judge_agreement", "agreement")
    if name == "table 3":
        return ours(value_at(row, "judged.judge_vs_gpt4"), "judge_vs_gpt4", "gpt4_chosen.agreement")
    benchmark, _, pairwise = name.partition(", ")
    score = row.get("preferences", {}).get(benchmark)
    if score is None:
        return None
    if pairwise:
        of = score["pairwise"]
        return (of["average"], *share_interval(of["average"] / 100, of["n"])) if of and of["n"] else None
    of = score["pointwise"]
    if of["accuracy"] is None or of["ci_low"] is None:
        return None
    return of["accuracy"], of["ci_low"], of["ci_high"]


def title_of(metrics: dict, name: str) -> str:
    benchmark, _, pairwise = name.partition(", ")
    if name == "table 7":
        return "Agreement with people, % (table 7)"
    if name == "table 3":
        return "Agreement on pairs that GPT-4 chose, % (table 3)"
    titles = [row["preferences"][benchmark]["title"] for row in metrics["models"] if benchmark in row["preferences"]]
    return f"{titles[0]}, pairwise, %" if pairwise else f"{titles[0]}, %"


def verdict(metrics: dict, measures: list[str]) -> str:
    """Return one sentence: the last model of the run's first method against M0."""
    chain = next(iter(chains(metrics).values()))
    by_model = {row["model"]: row for row in metrics["models"]}
    if len(chain) < 3 or "m0" not in chain:
        return "No model was trained beyond M0, so there is no verdict on its judge."
    better, worse, same = [], [], []
    for name in measures:
        before, after = value_of(by_model["m0"], name), value_of(by_model[chain[-1]], name)
        if None in (before, after) or None in (*before, *after):
            continue
        allowed = noise(half(*before[1:]), half(*after[1:]))
        change = after[0] - before[0]
        signed = f"{change:+.1f}".replace("-", "−")
        text = f"{title_of(metrics, name).replace(', %', '')} {signed} ± {allowed:.1f} points"
        (same if abs(change) <= allowed else better if change > 0 else worse).append(text)
    total = len(better) + len(worse) + len(same)
    if not total:
        return f"Nothing was measured on both M0 and {chain[-1]}."
    parts = [f"better on {'; '.join(better)}"] * bool(better) + [f"worse on {'; '.join(worse)}"] * bool(worse)
    if not parts:
        return (
            f"From M0 to {chain[-1]} no change of the judge is beyond noise on any of {total} measures "
            f"({'; '.join(same)})."
        )
    rest = f", and within noise on {len(same)} of {total} measures" if same else ""
    return f"From M0 to {chain[-1]} the judge became {', and '.join(parts)}{rest}."


def consistency(metrics: dict) -> tuple[list[str], list[list[str]]] | None:
    """Return (heads, rows) of how consistent the meta-judge is; None where nothing was repeated."""
    heads = ["Meta-judge", "Same order, another seed, %", "kappa", "Other order, %", "Repeated", "Read both times"]
    rows = []
    for row in metrics["models"]:
        measure = value_at(row, "sensitivity.consistency")
        if measure:
            kappa = measure["retest_kappa"]
            rows.append(
                [
                    row["model"],
                    percent(measure["retest"] and 100 * measure["retest"]),
                    "–" if kappa is None else f"{kappa:.2f}".replace("-", "−"),
                    percent(measure["order"] and 100 * measure["order"]),
                    str(measure["presentations"]),
                    str(measure["both_times"]),
                ]
            )
    return (heads, rows) if rows else None


def regressions(metrics: dict) -> tuple[list[str], list[list[str]]] | None:
    """Return (heads, rows) of lm-evaluation-harness: scores with 95 % intervals and differences to the seed."""
    measured = {row["model"]: row["regressions"]["tasks"] for row in metrics["models"] if row.get("regressions")}
    if not measured:
        return None
    columns = list(dict.fromkeys((task, metric) for of in measured.values() for task in of for metric in of[task]))
    heads = ["Model", *(f"{task}: {metric}" for task, metric in columns)]
    rows = []
    for model, of in measured.items():
        cells = []
        for task, metric in columns:
            ours, seed = (scores.get(task, {}) for scores in (of, measured.get("seed", {})))
            cells.append(with_difference(ours.get(metric), None if model == "seed" else seed.get(metric)))
        rows.append([model, *cells])
    return heads, rows


def with_difference(score: dict | None, seed: dict | None) -> str:
    """Return "value ± half, difference ± half" in the task's own unit."""
    if score is None:
        return "–"
    text = f"{score['value']:.3f}" + ("" if score["stderr"] is None else f" ± {Z * score['stderr']:.3f}")
    if seed is not None:
        text += f"; {score['value'] - seed['value']:+.3f}".replace("-", "−")
        if score["stderr"] is not None and seed["stderr"] is not None:
            text += f" ± {Z * sqrt(score['stderr'] ** 2 + seed['stderr'] ** 2):.3f}"
    return text


def interval_text(value: tuple[float, float | None, float | None] | None) -> str:
    if value is None:
        return "–"
    return f"{value[0]:.1f}" + (f" ({value[1]:.1f}–{value[2]:.1f})" if value[1] is not None else "")


def percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"
