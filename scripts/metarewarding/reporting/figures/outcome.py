"""Figures of the outcome: the benchmarks by iteration and by category (figures 3 and 4)."""

import altair as alt

from metarewarding.evaluation import registry
from metarewarding.reporting.figures.charts import (
    SOURCES,
    WIDTH,
    by_iteration,
    figure,
    legend,
    models_scale,
    plot,
    series_as_text,
    toggle,
)
from metarewarding.reporting.metrics import judge_name
from metarewarding.reporting.paper import ours, paper_interval, scores_by_model


def of_benchmark(metrics, paper, place, benchmark, metric):
    """Return (value_of, paper_of) of one benchmark's metric."""
    scores = scores_by_model(metrics)
    printed = {
        row["model"]: (row["value"], *paper_interval(row))
        for row in paper
        if (row["place"], row["metric"]) == (place, metric)
    }
    return (lambda model: ours(scores.get(model, {}).get(benchmark), benchmark, metric)), printed.get


def judge_of(metrics: dict, benchmark: str) -> str:
    judges = {judge_name(row["judged"][benchmark]) for row in metrics["models"] if benchmark in row["judged"]}
    return "Judge: " + ", ".join(sorted(judges)) + "."


def outcomes(metrics, paper, chain):
    if any("alpaca_eval" in row["judged"] for row in metrics["models"]):
        caption = f"Figure 3 of the paper: AlpacaEval 2 by iteration. {judge_of(metrics, 'alpaca_eval')}"
        reference = [(row["model"], row["value"]) for row in paper if row["place"] == "Figure 3"]
        values = of_benchmark(metrics, paper, "Table 1", "alpaca_eval", "lc_win_rate")
        title = "Length-controlled win rate"
        whole = by_iteration(
            "figure_3", "outcome", title, caption, values[0], chain, values[1], f"{title}, %", references=reference
        )
        # a subset has no length control, and is not comparable
        subset = {
            row["model"]: row["judged"]["alpaca_eval"] for row in metrics["models"] if "alpaca_eval" in row["judged"]
        }
        yield whole or by_iteration(
            "figure_3",
            "outcome",
            "Win rate on a subset of AlpacaEval 2",
            "A subset of the questions: it has no length control and is not comparable. "
            f"{judge_of(metrics, 'alpaca_eval')}",
            lambda model: (
                (model in subset and subset[model]["win_rate"] is not None and (subset[model]["win_rate"], None, None))
                or None
            ),
            chain,
            lambda model: None,
            "Win rate, %",
        )
    for benchmark, known in registry.every().items():
        if known.figure and any(benchmark in row["judged"] for row in metrics["models"]):
            metric, axis, place = known.figure
            values = of_benchmark(metrics, paper, place, benchmark, metric)
            caption = f"{place or known.title} by iteration. {judge_of(metrics, benchmark)}"
            yield by_iteration(benchmark, "outcome", known.title, caption, values[0], chain, values[1], axis)
    arena = {row["model"]: row["arena"] for row in metrics["models"]}

    def win_rate(model):
        return arena.get(model) and tuple(arena[model][key] for key in ("win_rate", "ci_low", "ci_high"))

    yield by_iteration(
        "arena",
        "outcome",
        "Win rate against the seed",
        "Answers to the arena's prompts, scored by M0; a tie is half. The dotted line is a draw with the seed.",
        win_rate,
        chain,
        lambda model: None,
        "Win rate, %",
        references=[("", 50)],
    )


def categories(metrics, paper, chain):
    scores = {row["model"]: row["judged"].get("alpaca_eval", {}).get("categories") for row in metrics["models"]}
    rows = [
        {"category": name, "model": model, "source": SOURCES[0], "value": of["win_rate"], "questions": of["n"]}
        for model, score in scores.items()
        if score
        for name, of in score.items()
    ]
    if not rows:
        return None
    # the paper's figure omits small categories
    for target in (row for row in paper if row["place"] == "Figure 4"):
        if scores.get(target["model"]):
            name = target["metric"].removeprefix("categories.").removesuffix(".win_rate")
            rows.append({"category": name, "model": target["model"], "source": SOURCES[1], "value": target["value"]})
    measured = [model for model, score in scores.items() if score]
    # the first and the last model of each method: ten models in a row hide each other
    ends = dict.fromkeys(of[place] for models in chain.values() if (of := [m for m in models if m in measured])
                         for place in (0, -1))  # fmt: skip
    models = [model for model in measured if model in ends]
    sources = [source for source in SOURCES if any(row["source"] == source and row["model"] in ends for row in rows)]
    chosen, opacity = toggle("model", "models")
    base = plot([row for row in rows if row["model"] in ends], width=WIDTH - 70, height=alt.Step(22)).encode(
        y=alt.Y("category:N", title="Category of the question", axis=alt.Axis(grid=False, labelLimit=130))
    )
    spans = base.transform_filter(f"datum.source == '{SOURCES[0]}'").mark_rule(color="#8a94a5", strokeWidth=4)
    points = (
        base.mark_point(size=80, filled=True, stroke="white", strokeWidth=1)
        .encode(
            x=alt.X("value:Q", title="Win rate, % (a tie is half)"),
            color=alt.Color("model:N", title="Model", scale=models_scale(models), legend=legend(columns=1)),
            shape=alt.Shape(
                "source:N",
                title="Source",
                scale=alt.Scale(domain=sources, range=["circle", "cross"][: len(sources)]),
                legend=legend(symbolFillColor="#333", symbolStrokeColor="#333") if len(sources) > 1 else None,
            ),
            opacity=opacity,
            tooltip=[
                "category:N",
                "model:N",
                "source:N",
                alt.Tooltip("value:Q", title="Win rate, %", format=".1f"),
                "questions:Q",
            ],
        )
        .add_params(chosen)
    )
    chart = alt.layer(
        spans.encode(x=alt.X("min(value):Q", title="Win rate, % (a tie is half)"), x2="max(value):Q"), points
    )
    caption = (
        "Figure 4 of the paper: raw win rates by category, of the first and last model of each method. The CSV file "
        "has all models. "
        f"{judge_of(metrics, 'alpaca_eval')}"
    )
    return figure(
        "figure_4",
        "outcome",
        "Win rate by category",
        caption,
        rows,
        chart,
        series_as_text(
            [row | {"series": f"{row['model']} ({row['source']})"} for row in rows], "series", "category", "value", " %"
        ),
    )
