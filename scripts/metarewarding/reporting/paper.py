"""Compare the paper's values with this run's: value, difference, interval, and whether the difference is noise.

Our 95 % interval is the benchmark's own where it has one, else Wilson's of a share of that many pairs;
the paper's is the printed one, else Wilson's of as many pairs or questions as its tables imply, else as wide
as ours. A difference is within noise when it is no larger than both half widths together (root of their squares).
"""

import csv
from math import sqrt
from pathlib import Path

from metarewarding.evaluation import registry
from metarewarding.intervals import Z, share_interval
from metarewarding.reporting.metrics import judge_name, value_at

# measures of every run: titles and labels, whether scores are in [0, 1], and the paper's number of pairs
TITLES = {"Table 5": "Meta-judge bias", "Table 7": "Judge against people"}
LABELS = {
    "meta_judge": {
        "higher_score_wins": "Higher score wins",
        "lower_score_wins": "Lower score wins",
        "position_bias_same_score": "Position bias, same score",
        "position_bias_different_score": "Position bias, different scores",
        "position_bias": "Position bias, all",
    },
    "judge_agreement": {
        "agreement": "Agreement",
        "agreement_without_ties": "Agreement without ties",
        "spearman": "Spearman",
    },
}
PAPER_N = {"judge_agreement": {"": 640}}
AS_LONG = 0.10  # the share by which mean lengths may differ and count as alike (the paper: 3 %)
CLAIMS = [
    ("The judge agrees more with people by M2", "judge_agreement", "agreement", "meta-rewarding/m2", "m0"),
    ("and less again by M4", "judge_agreement", "agreement", "meta-rewarding/m4", "meta-rewarding/m2"),
    ("The meta-judge comes to prefer the higher score", "meta_judge", "higher_score_wins", "meta-rewarding/m1", "m0"),
]


def titles() -> dict[str, str]:
    """Return {place: title} of the paper's tables, in the paper's order."""
    by_place = TITLES | {place: title for of in registry.every().values() for place, title in of.paper_tables.items()}
    return dict(sorted(by_place.items()))


def label(benchmark: str, metric: str) -> str:
    return (LABELS.get(benchmark) or registry.get(benchmark).labels)[metric]


def is_share(benchmark: str) -> bool:
    """Return whether a benchmark's scores are in [0, 1] where the paper's are in percent."""
    return benchmark in LABELS or registry.get(benchmark).is_share


def targets(path: str | Path) -> list[dict]:
    """Return the paper's values: rows of {place, benchmark, metric, unit, model, value, ci_low, ci_high, source, n}.

    ``n``: the number of pairs or questions behind a percentage, as the paper's tables imply; None where unknown.
    """
    with open(path, encoding="utf-8", newline="") as file:
        rows = [
            row | {key: float(row[key]) if row[key] else None for key in ("value", "ci_low", "ci_high")}
            for row in csv.DictReader(file)
        ]
    printed = {(row["benchmark"], row["model"], row["metric"]): row["value"] for row in rows}
    return [row | {"n": implied_n(row, printed)} for row in rows]


def implied_n(row: dict, printed: dict) -> int | None:
    """Return ``n`` of a row of ``targets``; ``printed``: {(benchmark, model, metric): value} of all of them."""
    column, _, metric = row["metric"].rpartition(".")
    benchmark = row["benchmark"]
    n = (PAPER_N.get(benchmark, {}) if benchmark in LABELS else registry.get(benchmark).paper_n).get(column)
    if row["unit"] != "%" or n is None or metric != "agreement_without_ties":
        return n if row["unit"] == "%" else None
    # ties count as half in the agreement a, and not at all in w: a n = w (n - ties) + ties / 2
    agreement = printed[row["benchmark"], row["model"], row["metric"].removesuffix("_without_ties")]
    return round(n - n * (row["value"] - agreement) / (row["value"] - 50))


def scores_by_model(metrics: dict) -> dict[str, dict[str, dict]]:
    """Return {model: {benchmark: score}}, including the measures that every run has."""
    return {
        row["model"]: row["judged"] | {"judge_agreement": row["agreement"], "meta_judge": row["bias"]}
        for row in metrics["models"]
    }


def ours(score: dict | None, benchmark: str, metric: str) -> tuple[float, float | None, float | None] | None:
    """Return (value, 95 % from, to) in the paper's unit; None where not measured or only on a subset."""
    value = value_at(score, metric)
    if value is None or score.get("complete") is False:  # a subset's score is not comparable
        return None
    if is_share(benchmark) and metric != "spearman":
        return 100 * value, *limits(score, metric, counted(score, metric))
    if f"{metric}_se" in score:
        return value, *bounds(value, score[f"{metric}_se"] and Z * score[f"{metric}_se"])
    figure = registry.get(benchmark).figure if "ci_low" in score else None
    if figure and metric == figure[0]:
        return value, score["ci_low"], score["ci_high"]
    return value, None, None


def limits(score: dict, place: str, count: int | None) -> tuple[float | None, float | None]:
    """Return the 95 % interval, in percent, of the share at ``place``: the score's own, else Wilson's of ``count``.

    A share of a single cluster has no interval of its own, and gets that of one question.
    """
    own = value_at(score, f"{place}_ci")
    if own is None:
        return share_interval(value_at(score, place), count)
    return tuple(own) if None not in own else share_interval(value_at(score, place), 1)


def counted(score: dict, metric: str) -> int | None:
    """Return the number of pairs that a share refers to, where the score states it."""
    if metric.startswith("position_bias"):
        pairs, same = score["pairs"], score["pairs_of_same_score"]
        return {"position_bias": pairs, "position_bias_same_score": same}.get(metric, pairs - same)
    if metric in ("higher_score_wins", "lower_score_wins"):
        return score["agreeing_pairs"]
    place = metric.rpartition(".")[0]
    counts = score[place] if place else score
    if counts.get("pairs") is None:
        return None
    return counts["pairs"] - (counts.get("ties", 0) if metric.endswith("without_ties") else 0)


def bounds(value: float, width: float | None) -> tuple[float | None, float | None]:
    return (None, None) if width is None else (value - width, value + width)


def half(low: float | None, high: float | None) -> float | None:
    return None if low is None else (high - low) / 2


def paper_interval(target: dict) -> tuple[float | None, float | None]:
    """Return the 95 % interval of a value of the paper; (None, None) where its width is unknown."""
    if target["ci_low"] is not None:
        return target["ci_low"], target["ci_high"]
    return share_interval(target["value"] / 100, target["n"])


def beside_the_paper(metrics: dict, paper: list[dict]) -> list[dict]:
    """Return each value of the paper with ours (None where this run has none).

    A row: {place, benchmark, metric, unit, model, source, paper, paper_low, paper_high, ours, ours_low, ours_high,
    difference, noise, judge, judge_model}.

    ``noise``: half width of the differences that chance explains; None where no interval is known.
    """
    scores, rows = scores_by_model(metrics), []
    for target in paper:
        score = scores.get(target["model"], {}).get(target["benchmark"])
        score_of_ours = ours(score, target["benchmark"], target["metric"])
        value, low, high = score_of_ours or (None, None, None)
        paper_low, paper_high = paper_interval(target)
        rows.append(
            {key: target[key] for key in ("place", "benchmark", "metric", "unit", "model", "source")}
            | {"paper": target["value"], "paper_low": paper_low, "paper_high": paper_high}
            | {"ours": value, "ours_low": low, "ours_high": high}
            | {"difference": None if value is None else value - target["value"]}
            | {"noise": noise(half(low, high), half(paper_low, paper_high)), "judge": None, "judge_model": None}
            | ({key: score.get(key) for key in ("judge", "judge_model")} if score_of_ours else {})
        )
    return rows


def noise(ours: float | None, paper: float | None) -> float | None:
    """Return the largest difference that chance explains, from two 95 % half widths; ours replaces an unknown one."""
    return None if ours is None else sqrt(ours**2 + (ours if paper is None else paper) ** 2)


def verdict(row: dict) -> str:
    """Return in words what a difference means."""
    if row["difference"] is None or row["noise"] is None:
        return ""
    return "within noise" if abs(row["difference"]) <= row["noise"] else "beyond noise"


def tables(rows: list[dict]) -> list[dict]:
    """Return rows of {place, title, metrics: [(metric, label, unit)], models: [(model, {metric: row})], measured,
    judges, benchmark, sentence}, one for each table of the paper."""
    result = []
    for place, title in titles().items():
        of_table = [row for row in rows if row["place"] == place]
        cells: dict[str, dict[str, dict]] = {}
        for row in of_table:
            cells.setdefault(row["model"], {})[row["metric"]] = row
        units = {row["metric"]: row["unit"] for row in of_table}
        measured = [row for row in of_table if row["ours"] is not None]
        judges = sorted({judge_name(row) for row in measured if row["judge"]})
        result.append(
            {
                "place": place,
                "title": title,
                "metrics": [(name, label(of_table[0]["benchmark"], name), unit) for name, unit in units.items()],
            }
            | {"models": list(cells.items()), "measured": len(measured), "judges": judges}
            | {"benchmark": of_table[0]["benchmark"], "sentence": sentence(measured)}
        )
    return result


def sentence(measured: list[dict]) -> str:
    """Return one sentence: how many differences are within noise, and which exceeds it most."""
    with_noise = [row for row in measured if row["noise"] is not None]
    if not with_noise:
        return "No interval is known for these values." if measured else ""
    beyond = [row for row in with_noise if verdict(row) == "beyond noise"]
    text = f"{len(with_noise) - len(beyond)} of {len(with_noise)} differences lie within noise."
    if beyond:
        far = max(beyond, key=lambda row: abs(row["difference"]) / (row["noise"] or 1e-9))
        what, side = label(far["benchmark"], far["metric"]).lower(), "above" if far["difference"] > 0 else "below"
        text += (
            f" Farthest beyond it: {what} of {far['model']}, {abs(far['difference']):.2f} {side} the paper, where "
            f"chance explains {far['noise']:.2f}."
        )
    return text


def claims(metrics: dict, paper: list[dict]) -> list[dict]:
    """Return the paper's main differences compared with ours: {claim, unit, paper, ours, noise, verdict}."""
    scores, result = scores_by_model(metrics), []
    printed = {(row["benchmark"], row["metric"], row["model"]): row for row in paper}
    claimed = [(claim, name, *of) for name, known in registry.every().items() for claim, *of in known.claims]
    for claim, benchmark, metric, model, over in claimed + CLAIMS:
        pair = [ours(scores.get(name, {}).get(benchmark), benchmark, metric) for name in (model, over)]
        if None in pair:
            continue
        theirs = [printed[benchmark, metric, name] for name in (model, over)]
        gain, gain_there = pair[0][0] - pair[1][0], theirs[0]["value"] - theirs[1]["value"]
        widths = [half(low, high) for _, low, high in pair]
        allowed = None if None in widths else noise(*widths)
        if metric == "avg_length":  # "as long" is a claim about closeness, not about a direction
            share = gain / pair[1][0]
            close = "within" if abs(share) <= AS_LONG else "not within"
            verdict = f"{100 * share:+.0f} %: {close} {100 * AS_LONG:.0f} % of the same length"
        elif allowed is not None and abs(gain) <= allowed:
            verdict = "within noise: this run does not decide it"
        elif gain * gain_there > 0:
            verdict = "the same direction as the paper"
        else:
            verdict = "the opposite direction"
        result.append(
            {"claim": claim, "of": f"{model} − {over}", "unit": theirs[0]["unit"], "paper": gain_there, "ours": gain}
            | {"noise": allowed, "verdict": verdict}
        )
    return result
