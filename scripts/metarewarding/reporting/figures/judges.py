"""How the models judge: scores, agreement, parse rates, the meta-judge's bias, the Elo spread (figure 5)."""

import altair as alt

from metarewarding.reporting.alerts import MAX_POSITION_BIAS, MIN_PARSE_RATE
from metarewarding.reporting.figures.charts import (
    BARS,
    COLOURS,
    SHAPES,
    SMALL,
    SOURCES,
    WIDTH,
    by_iteration,
    figure,
    label,
    legend,
    method_of,
    methods_scale,
    model_dash,
    models_scale,
    plot,
    toggle,
    told,
)
from metarewarding.reporting.figures.outcome import judge_of, of_benchmark


def distribution(id, group, title, caption, counts: dict[str, dict], axis="Score given (0 to the rubric's highest)"):
    """Shares of each score, a line a model; {model: {score: count}}."""
    rows = []
    for model, found in counts.items():
        total = sum(found.values())
        mean = sum(float(score) * count for score, count in found.items()) / total
        rows += [
            {
                "model": model,
                "method": method_of(model),
                "score": float(score),
                "share": 100 * count / total,
                "judgments": count,
                "mean": mean,
            }
            for score, count in sorted(found.items(), key=lambda item: float(item[0]))
        ]
    if not rows:
        return None
    chosen, opacity = toggle("model", "models")
    models = list(counts)
    chart = (
        plot(rows)
        .mark_line(point={"size": 45}, strokeWidth=2)
        .encode(
            x=alt.X("score:Q", title=axis, scale=alt.Scale(zero=False, nice=True), axis=alt.Axis(tickCount=6)),
            y=alt.Y("share:Q", title="Share of judgments, %"),
            color=alt.Color("model:N", title="Judge", scale=models_scale(models), legend=legend(), sort=models),
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
    means = {row["model"]: row["mean"] for row in rows}
    description = (
        f"{title}. Mean score by judge: " + ", ".join(f"{model} {mean:.2f}" for model, mean in means.items()) + "."
    )
    return figure(id, group, title, caption, rows, chart, description)


def judge_scores(metrics, paper):
    counts = {
        row["model"]: found
        for row in metrics["models"]
        if (found := row["judged"].get("judge_vs_gpt4", {}).get("scores"))
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
    # a model that two methods start from gave one set of judgments
    seen: dict[str, dict] = {}
    for names, found in counts.items():
        seen.setdefault(names.split(" → ")[0], found)
    caption = (
        "Each judge's readable judgments of its own responses to the training prompts: what pairs are made from. A "
        "single peak leaves little to prefer."
    )
    return distribution("scores_given", "judge", "Scores given in training", caption, seen)


def judges(metrics, paper, chain):
    for id, metric, title, axis in (
        ("agreement", "agreement", "Judge against people", "Pairs ordered as people do, %"),
        ("spearman", "spearman", "Rank correlation with people", "Spearman correlation, −1 to 1"),
    ):
        values = of_benchmark(metrics, paper, "Table 7", "judge_agreement", metric)
        known = " No interval is known for a mean of correlations." if metric == "spearman" else ""
        caption = f"Table 7 by iteration: held-out Open Assistant replies, judge's ties as half. {BARS}{known}"
        yield by_iteration(id, "judge", title, caption, values[0], chain, values[1], axis)
    for place in ("gpt4_chosen", "self_chosen"):
        metric = f"{place}.agreement"
        if any("judge_vs_gpt4" in row["judged"] for row in metrics["models"]):
            values = of_benchmark(metrics, paper, "Table 3", "judge_vs_gpt4", metric)
            title = f"Judge against GPT-4: pairs that {'GPT-4' if place == 'gpt4_chosen' else 'the model'} chose"
            caption = f"Table 3 by iteration, ties as half. {BARS} {judge_of(metrics, 'judge_vs_gpt4')}"
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
    names, models = ["held-out judgments", *kinds.values()], list(place)
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
        f"Share of the texts whose verdict could be read. The line marks {100 * MIN_PARSE_RATE:.0f} %, under which "
        "a warning is given. The seed has not been taught the form."
    )
    return figure(
        "parse_rates",
        "judge",
        "Parse rates",
        caption,
        rows,
        alt.layer(rule, points),
        told(rows, "kind", "model", "value", " %"),
    )


BIASES = {
    "higher_score_wins": "higher score wins",
    "higher_score_wins_all_verdicts": "the same, all verdicts",
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
    names, models = list(BIASES.values()), list(dict.fromkeys(row["model"] for row in rows))
    chosen, opacity = toggle("kind", "kinds")
    base = plot(rows).encode(
        x=alt.X("model:N", title="Meta-judge", sort=models, axis=alt.Axis(labelAngle=0, labelLimit=130)),
        xOffset=alt.XOffset("kind:N", sort=names),
        opacity=opacity,
        tooltip=["model:N", "kind:N", "source:N", alt.Tooltip("value:Q", title="Share, %", format=".1f"), "pairs:Q"],
    )
    y = alt.Y("value:Q", title="Share, %", scale=alt.Scale(domain=[0, 100]))
    colour = alt.Color("kind:N", title="Leaning", scale=methods_scale(names, COLOURS), legend=legend())
    shape = alt.Shape("kind:N", title="Leaning", scale=methods_scale(names, SHAPES), legend=legend())
    fill = alt.condition("datum.source == 'paper'", alt.value("white"), colour)
    rule = plot([{"bound": 100 * MAX_POSITION_BIAS}]).mark_rule(color="#666", strokeDash=[2, 3]).encode(y="bound:Q")
    even = plot([{"bound": 50}]).mark_rule(color="#bbb").encode(y="bound:Q")
    chart = alt.layer(
        even,
        rule,
        base.mark_point(size=80, strokeWidth=2).encode(y=y, color=colour, shape=shape, fill=fill).add_params(chosen),
    )
    caption = (
        'Table 5 by meta-judge; hollow marks are the paper\'s. "Higher score wins" is over the pairs whose two '
        "verdicts agree, as the paper's must be, and beside it over all verdicts. 50 % means no bias for all but the "
        "share of verdicts that flip with the order, where more than 70 % (dashed) gives a warning."
    )
    return figure(
        "meta_judge_bias",
        "judge",
        "Meta-judge bias",
        caption,
        rows,
        chart,
        told(rows, "kind", "model", "value", " %"),
    )


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
    said = "; ".join(
        f"{model}: median {found['p50']:.2f} from best to worst judgment of a response"
        for model, found in ranges.items()
    )
    caption = (
        f"How far the meta-judge's verdicts part the judgments of a response. {said}. Far-off humps are judgments "
        "that won or lost everything, held by the L2 prior."
    )
    return figure("elo", "judge", "Elo spread", caption, rows, chart, f"Histograms of Elo scores. {said}.")
