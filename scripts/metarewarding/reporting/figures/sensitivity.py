"""Figures of the effect of K, N and rho, and of judge benchmarks by iteration."""

import altair as alt

from metarewarding.reporting.figures.charts import (
    SMALL,
    WIDTH,
    by_iteration,
    figure,
    legend,
    model_dash,
    models_scale,
    plot,
    series_as_text,
    toggle,
)
from metarewarding.reporting.judging import measured, title_of, value_of

PERCENT = {"with_pair", "same_pair", "shorter"}
MEASURES = {
    "with_pair": "Prompts with a pair, %",
    "same_pair": "Same pair as with all, %",
    "true_gap": "True gap (points)",
}


def sensitivity(metrics: dict, chain: dict) -> list[dict | None]:
    """Return the figures of the section "Did the judge improve?"; None for those without values."""
    by_model = {row["model"]: row["sensitivity"] for row in metrics["models"] if row.get("sensitivity")}
    corrected = (
        "True gap: mean score of chosen minus rejected by judgments that were not used for the choice, without "
        "regression to the mean."
    )
    of_all, of_all_but_one = f"All responses. {corrected}", f"All judgments but one. {corrected}"
    of_n = [
        {"model": model, "x": row["n"]} | {key: row[key] for key in MEASURES}
        for model, of in by_model.items()
        for row in of["k_and_n"]
        if row["k"] == of["k"]
    ]
    of_k = [
        {"model": model, "x": row["k"]} | {key: row[key] for key in MEASURES}
        for model, of in by_model.items()
        for row in of["k_and_n"]
        if row["n"] == max(1, of["n"] - 1)
    ]
    of_rho = [
        {"model": model, "x": row["rho"]}
        | {"with_pair": row["with_pair"], "shorter": row["shorter"], "gap": row["gap"]}
        | {"length": row["chosen_length"] and row["chosen_length"] - row["rejected_length"]}
        for model, of in by_model.items()
        for row in of["rhos"]
    ]
    reliabilities = [
        {"model": model, "x": n, "reliability": value}
        for model, of in by_model.items()
        for n, value in enumerate(of["reliability"] or [], start=1)
    ]
    designs = {"half_of_pairs": "half of the pairs", "one_order": "one order", "both_orders": "both orders"}
    elos = [
        {"model": model, "x": name, "reliability": of["elo"][key]}
        for model, of in by_model.items()
        if of["elo"]
        for key, name in designs.items()
    ]
    rho_measures = {
        "with_pair": "Prompts with a pair, %",
        "shorter": "Chosen is the shorter, %",
        "length": "Chosen longer by, chars",
        "gap": "Gap (points)",
    }
    reliability = {"reliability": "Reliability"}
    return [
        *benchmarks(metrics, chain),
        panels("sensitivity_n", "What more judgments (N) give", of_all, of_n, MEASURES, "N"),
        panels("sensitivity_k", "What more responses (K) give", of_all_but_one, of_k, MEASURES, "K"),
        panels(
            "reliability_n",
            "Reliability of a mean score",
            "Share of the variance between a prompt's responses that is not noise, of a mean of n judgments "
            "(Spearman-Brown).",
            reliabilities,
            reliability,
            "n",
        ),
        panels(
            "reliability_elo",
            "Reliability of Elo scores",
            "From half of the pairs of judgments in both orders, all pairs in one order, and all in both; by split "
            "halves.",
            elos,
            reliability,
            "Meta-judgments",
            ordinal=list(designs.values()),
        ),
        panels(
            "sensitivity_rho",
            "What rho changes",
            "The same responses and judgments with another width of the score tiers.",
            of_rho,
            rho_measures,
            "rho",
        ),
    ]


def benchmarks(metrics: dict, chain: dict) -> list[dict | None]:
    """Return a figure of accuracy by iteration for each preference benchmark."""
    by_model = {row["model"]: row for row in metrics["models"]}
    return [
        by_iteration(
            f"preference_{name.replace(', ', '_')}",
            "judging",
            title_of(metrics, name).replace(", %", ""),
            "Responses that share the highest score share the point; a pairwise verdict that cannot be read counts as "
            "wrong. Intervals are clustered by prompt where scores are pointwise.",
            lambda model, name=name: value_of(by_model[model], name),
            chain,
            lambda model: None,
            "Accuracy, %",
        )
        for name in measured(metrics)
        if not name.startswith("table")
    ]


def panels(id, title, caption, rows, measures: dict[str, str], axis: str, ordinal=None) -> dict | None:
    """Return a figure with a panel for each measure, a line for each model over ``x``; None without values."""
    values = [
        {"model": row["model"], axis: row["x"], "measure": name}
        | {"value": row[key] * (100 if key in PERCENT else 1), "series": f"{row['model']}, {name}"}
        for key, name in measures.items()
        for row in rows
        if row[key] is not None
    ]
    if not values:
        return None
    models = list(dict.fromkeys(row["model"] for row in rows))
    chosen, opacity = toggle("model", "models")
    places = ordinal or sorted({row["x"] for row in rows})
    if all(isinstance(place, float) for place in places):
        x = alt.X(f"{axis}:Q", title=axis, axis=alt.Axis(tickCount=5))
    else:
        x = alt.X(f"{axis}:O", title=axis, sort=places, axis=alt.Axis(labelAngle=0))
    charts = []
    for name in dict.fromkeys(row["measure"] for row in values):
        of_measure = [row for row in values if row["measure"] == name]
        width = WIDTH if len(measures) == 1 else SMALL[0]
        chart = plot(of_measure, width=width, height=SMALL[1])
        # no line between named designs, which have no order
        chart = (
            chart.mark_point(size=60, filled=True) if ordinal else chart.mark_line(point={"size": 35}, strokeWidth=2)
        )
        charts.append(
            chart.encode(
                x=x,
                y=alt.Y("value:Q", title=name, scale=alt.Scale(zero=False)),
                color=alt.Color("model:N", title="Model", scale=models_scale(models), sort=models, legend=legend()),
                opacity=opacity,
                **({} if ordinal else {"strokeDash": model_dash(models, "Model")}),
                tooltip=[
                    "model:N",
                    f"{axis}:O",
                    alt.Tooltip("value:Q", format=".3g", title=name),
                ],
            )
        )
    charts[0] = charts[0].add_params(chosen)  # the legends of the others follow it by name
    chart = alt.concat(*charts, columns=2)
    return figure(
        id, "judging", title, caption, values, chart, f"{title}. " + series_as_text(values, "series", axis, "value")
    )
