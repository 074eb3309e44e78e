"""Figures of judge scores and of the Elo scores of judgments (figure 5)."""

import altair as alt

from metarewarding.reporting.figures.charts import (
    SMALL,
    WIDTH,
    facet,
    figure,
    layout,
    method_of,
    model_dash,
    models_scale,
    plot,
    stroke_legend,
    toggle,
)


def distribution(id, group, title, caption, counts: dict[str, dict], axis="Score given"):
    """Return a figure of the shares of each score, a line for each model and a panel for each method.

    ``counts``: {model: {score: count}}.
    """
    rows = []
    for model, number in counts.items():
        total = sum(number.values())
        mean = sum(float(score) * count for score, count in number.items()) / total
        rows += [
            {
                "model": model,
                "method": method_of(model),
                "score": float(score),
                "share": 100 * count / total,
                "judgments": count,
                "mean": mean,
            }
            for score, count in sorted(number.items(), key=lambda item: float(item[0]))
        ]
    if not rows:
        return None
    chosen, opacity = toggle("model", "models")
    models, methods = list(counts), list(dict.fromkeys(row["method"] for row in rows))
    columns, panel = layout(len(methods))
    size = panel if len(methods) > 1 else {}
    chart = (
        plot(rows, **size)
        .mark_line(point={"size": 30}, strokeWidth=1.8)
        .encode(
            x=alt.X(
                "score:Q", title=axis, scale=alt.Scale(zero=False, nice=True), axis=alt.Axis(tickCount=6, grid=False)
            ),
            y=alt.Y("share:Q", title="Judgments, %"),
            color=alt.Color("model:N", title="Judge", scale=models_scale(models), legend=stroke_legend(), sort=models),
            strokeDash=model_dash(models, "Judge"),
            opacity=opacity,
            tooltip=[
                "model:N",
                "score:Q",
                alt.Tooltip("share:Q", title="Share, %", format=".1f"),
                "judgments:Q",
                alt.Tooltip("mean:Q", format=".2f"),
            ],
        )
        .add_params(chosen)
    )
    if len(methods) > 1:
        chart = chart.facet(facet("method", methods), columns=columns)
    means = {row["model"]: row["mean"] for row in rows}
    description = (
        f"{title}. Mean score by judge: " + ", ".join(f"{model} {mean:.2f}" for model, mean in means.items()) + "."
    )
    return figure(id, group, title, caption, rows, chart, description)


def judge_scores(metrics, paper):
    counts = {
        row["model"]: judge_counts
        for row in metrics["models"]
        if (judge_counts := row["judged"].get("judge_vs_gpt4", {}).get("scores"))
    }
    printed = ", ".join(f"{row['model']} {row['value']}" for row in paper if row["place"] == "Figure 5")
    caption = (
        "Figure 5 of the paper: each model's judgments of the seed's responses to prompts that EFT does not train "
        f"on. The paper's means, read from its figure: {printed}."
    )
    return distribution("figure_5", "judge", "Scores of the same responses", caption, counts)


def scores_given(metrics):
    counts = {
        f"{row['parent']} → {row['model']}": row["summary"]["scores_given"]
        for row in metrics["models"]
        if row["summary"] and row["summary"]["scores_given"]  # none where a reward model scored
    }
    # two methods that start from one model share its judgments
    seen: dict[str, dict] = {}
    for names, count in counts.items():
        seen.setdefault(names.split(" → ")[0], count)
    caption = (
        "Each judge's readable judgments of its own responses to the training prompts. Pairs are made from these "
        "scores; where nearly all are equal, few pairs can be made."
    )
    return distribution("scores_given", "judge", "Scores given in training", caption, seen)


def elo(metrics):
    rows, ranges = [], {}
    for row in metrics["models"]:
        spread = (row["summary"] or {}).get("elo")
        if not spread:
            continue
        total = sum(spread["counts"])
        ranges[row["model"]] = spread["range"]
        rows += [
            {"model": row["model"], "from": low, "to": high, "share": 100 * count / total}
            for count, low, high in zip(spread["counts"], spread["edges"], spread["edges"][1:], strict=False)
        ]
    if not rows:
        return None
    models = list(ranges)
    chart = (
        plot(rows, width=WIDTH, height=SMALL[1])
        .mark_bar(stroke="white", strokeWidth=0.5)
        .encode(
            x=alt.X("from:Q", title="Elo score of a judgment, natural-log units", bin="binned"),
            x2="to:Q",
            y=alt.Y("share:Q", title="Judgments, %"),
            color=alt.Color("model:N", scale=models_scale(models), legend=None),
            tooltip=[
                "model:N",
                alt.Tooltip("from:Q", format=".2f"),
                alt.Tooltip("to:Q", format=".2f"),
                alt.Tooltip("share:Q", title="Share, %", format=".1f"),
            ],
        )
        .facet(row=alt.Row("model:N", title="Pairs for", sort=models, header=alt.Header(orient="top")))
    )
    description = "; ".join(
        f"{model}: median {range_of['p50']:.2f} from best to worst judgment of a response"
        for model, range_of in ranges.items()
    )
    caption = (
        f"Elo scores of the judgments of one response, from the meta-judge's verdicts. {description}. Bars far from 0 "
        "are judgments that won or lost every battle; the L2 prior keeps their scores finite."
    )
    return figure("elo", "judge", "Elo spread", caption, rows, chart, f"Histograms of Elo scores. {description}.")
