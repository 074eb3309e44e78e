"""Figures of the judges: agreement, parse rates, meta-judge bias."""

import altair as alt

from metarewarding.reporting.alerts import MAX_POSITION_BIAS, MIN_PARSE_RATE
from metarewarding.reporting.figures.charts import (
    COLOURS,
    SHAPES,
    SOURCES,
    WIDTH,
    by_iteration,
    figure,
    label,
    legend,
    methods_scale,
    plot,
    series_as_text,
    toggle,
)
from metarewarding.reporting.figures.outcome import judge_of, of_benchmark


def judges(metrics, paper, chain):
    for id, metric, title, axis in (
        ("agreement", "agreement", "Judge against people", "Pairs ordered as people do, %"),
        ("spearman", "spearman", "Rank correlation with people", "Spearman correlation, −1 to 1"),
    ):
        values = of_benchmark(metrics, paper, "Table 7", "judge_agreement", metric)
        known = " A mean of correlations: its interval is not known." if metric == "spearman" else ""
        caption = f"Table 7 by iteration: held-out Open Assistant replies, judge's ties as half.{known}"
        yield by_iteration(id, "judge", title, caption, values[0], chain, values[1], axis)
    for place in ("gpt4_chosen", "self_chosen"):
        metric = f"{place}.agreement"
        if any("judge_vs_gpt4" in row["judged"] for row in metrics["models"]):
            values = of_benchmark(metrics, paper, "Table 3", "judge_vs_gpt4", metric)
            title = f"Judge against GPT-4: pairs that {'GPT-4' if place == 'gpt4_chosen' else 'the model'} chose"
            caption = f"Table 3 by iteration, ties as half. {judge_of(metrics, 'judge_vs_gpt4')}"
            yield by_iteration(place, "judge", title, caption, values[0], chain, values[1], "Agreement, %")


def parse_rates(metrics, chain):
    kinds = {"judgments": "judgments in training", "meta_judgments": "meta-judgments in training"}
    place = {model: label(i) for models in chain.values() for i, model in enumerate(models)}
    rows = [
        {
            "model": row["model"],
            "iteration": place[row["model"]],
            "kind": "held-out judgments",
            "value": 100 * row["agreement"]["parse_rate"],
        }
        for row in metrics["models"]
        if row["agreement"]["parse_rate"] is not None
    ]
    rows += [
        {"model": row["parent"], "iteration": place[row["parent"]], "kind": kind, "value": 100 * rate}
        for row in metrics["models"]
        for what, kind in kinds.items()
        if (rate := ((row["pairs"] or {}).get(what) or {}).get("parse_rate")) is not None
    ]
    rows = list({(row["model"], row["kind"]): row for row in rows}.values())
    names = [name for name in ("held-out judgments", *kinds.values()) if any(row["kind"] == name for row in rows)]
    models = list(place)
    chosen, opacity = toggle("kind", "kinds")
    points = (
        plot(rows, width=WIDTH - 80, height=alt.Step(20))
        .mark_point(size=70, filled=False, strokeWidth=2)
        .encode(
            x=alt.X("value:Q", title="Readable verdicts, %", scale=alt.Scale(domain=[0, 100])),
            y=alt.Y("model:N", title="Model", sort=models, axis=alt.Axis(grid=True, labelLimit=130)),
            color=alt.Color("kind:N", title="Texts", scale=methods_scale(names, COLOURS), legend=legend(columns=1)),
            shape=alt.Shape("kind:N", title="Texts", scale=methods_scale(names, SHAPES), legend=legend(columns=1)),
            opacity=opacity,
            tooltip=["model:N", "kind:N", alt.Tooltip("value:Q", title="Readable, %", format=".1f")],
        )
        .add_params(chosen)
    )
    rule = (
        plot([{"bound": 100 * MIN_PARSE_RATE}], width=WIDTH - 80, height=alt.Step(20))
        .mark_rule(color="#666", strokeDash=[2, 3])
        .encode(x="bound:Q")
    )
    caption = (
        f"Share of the texts with a readable verdict. The line marks {100 * MIN_PARSE_RATE:.0f} %, under which "
        "there is a warning. The seed has not been trained on the form."
    )
    return figure(
        "parse_rates",
        "judge",
        "Parse rates",
        caption,
        rows,
        alt.layer(rule, points),
        series_as_text(rows, "kind", "model", "value", " %"),
    )


BIASES = {
    "higher_score_wins": "higher score wins",
    "higher_score_wins_all_verdicts": "higher score wins, all verdicts",
    "position_bias": "verdict flips with the order",
    "first_wins": "first place wins",
    "longer_wins": "longer judgment wins",
}


def meta_judge_bias(metrics, paper, chain):
    rows = [
        {
            "model": row["model"],
            "kind": name,
            "source": SOURCES[0],
            "value": 100 * row["bias"][key],
            "pairs": row["bias"]["pairs"],
        }
        for row in metrics["models"]
        if row["bias"]
        for key, name in BIASES.items()
        if row["bias"][key] is not None
    ]
    if not rows:
        return None
    measured = {row["model"] for row in rows}
    rows += [
        {"model": row["model"], "kind": BIASES[row["metric"]], "source": SOURCES[1], "value": row["value"]}
        for row in paper
        if row["place"] == "Table 5" and row["metric"] in BIASES and row["model"] in measured
    ]
    names = [name for name in BIASES.values() if any(row["kind"] == name for row in rows)]
    models = list(dict.fromkeys(row["model"] for row in rows))
    chosen, opacity = toggle("kind", "kinds")
    base = plot(rows).encode(
        x=alt.X("model:N", title="Meta-judge", sort=models, axis=alt.Axis(labelAngle=0, labelLimit=130)),
        xOffset=alt.XOffset("kind:N", sort=names),
        opacity=opacity,
        tooltip=["model:N", "kind:N", "source:N", alt.Tooltip("value:Q", title="Share, %", format=".1f"), "pairs:Q"],
    )
    y = alt.Y("value:Q", title="Share, %", scale=alt.Scale(domain=[0, 100]))
    colour = alt.Color("kind:N", title="Share of", scale=methods_scale(names, COLOURS), legend=legend())
    shape = alt.Shape("kind:N", title="Share of", scale=methods_scale(names, SHAPES), legend=legend())
    fill = alt.condition("datum.source == 'paper'", alt.value("white"), colour)
    rule = plot([{"bound": 100 * MAX_POSITION_BIAS}]).mark_rule(color="#666", strokeDash=[2, 3]).encode(y="bound:Q")
    even = plot([{"bound": 50}]).mark_rule(color="#888").encode(y="bound:Q")
    chart = alt.layer(
        even,
        rule,
        base.mark_point(size=80, strokeWidth=2).encode(y=y, color=colour, shape=shape, fill=fill).add_params(chosen),
    )
    hollow = " Hollow marks: the paper." if any(row["source"] == SOURCES[1] for row in rows) else ""
    caption = (
        f'Table 5 by meta-judge.{hollow} "Higher score wins" counts the pairs with two equal verdicts, as the paper '
        "must do; the next mark counts all verdicts. 50 % means no bias. For verdicts that flip with the order, "
        "0 % means no bias, and more than 70 % (dashed line) gives a warning."
    )
    return figure(
        "meta_judge_bias",
        "judge",
        "Meta-judge bias",
        caption,
        rows,
        chart,
        series_as_text(
            [row | {"series": f"{row['kind']} ({row['source']})"} for row in rows], "series", "model", "value", " %"
        ),
    )
