"""Figures of the responses and of the pairs made from them."""

import altair as alt

from metarewarding.reporting.figures.charts import (
    OUTCOMES,
    SMALL,
    WIDTH,
    figure,
    legend,
    methods_scale,
    plot,
    series_as_text,
    toggle,
)


def lengths(metrics):
    rows, seen = [], set()
    for row in metrics["models"]:
        quantiles = (row["summary"] or {}).get("lengths")
        if quantiles and row["parent"] not in seen:  # methods share the responses of a common parent
            seen.add(row["parent"])
            rows.append({"model": row["parent"]} | quantiles)
    if not rows:
        return None
    models = [row["model"] for row in rows]
    base = plot(rows, width=WIDTH - 80, height=alt.Step(24)).encode(
        y=alt.Y("model:N", title="Model that answered", sort=models, axis=alt.Axis(labelLimit=130)),
        tooltip=[
            "model:N",
            *(alt.Tooltip(f"{key}:Q", format=".0f") for key in ("p5", "p25", "p50", "mean", "p75", "p95", "n")),
        ],
    )
    x = "Characters of a response"
    chart = alt.layer(
        base.mark_rule(color="#334a8a").encode(x=alt.X("p5:Q", title=x, scale=alt.Scale(zero=True)), x2="p95:Q"),
        base.mark_bar(size=12, color="#8fb8de", stroke="#334a8a").encode(x=alt.X("p25:Q", title=x), x2="p75:Q"),
        base.mark_tick(size=16, thickness=2, color="#12061f").encode(x=alt.X("p50:Q", title=x)),
        base.mark_point(shape="diamond", size=45, filled=True, color="#D55E00").encode(x=alt.X("mean:Q", title=x)),
    )
    caption = (
        "Responses to the training prompts: middle half (box), 5th to 95th percentile (line), median (tick), mean "
        "(diamond). Growth from one model to the next is what length control is for."
    )
    description = "Median length in characters: " + ", ".join(f"{row['model']} {row['p50']:.0f}" for row in rows) + "."
    return figure("lengths", "pairs", "Length of responses", caption, rows, chart, description)


def length_against_score(metrics):
    rows, bands = [], []
    for row in metrics["models"]:
        summary = row["summary"]
        if summary and summary["points"]:
            rows += [{"model": row["model"]} | point for point in summary["points"]]
            rho = summary["rho"]
            bands += [
                {"model": row["model"], "tier": "top", "low": 1 - rho, "high": 1.0, "rho": rho},
                {"model": row["model"], "tier": "bottom", "low": 0.0, "high": rho, "rho": rho},
            ]
    if not rows:
        return None
    models, roles = list(dict.fromkeys(row["model"] for row in rows)), ["chosen", "rejected", "neither"]
    title = {band["model"]: f"{band['model']}, rho {band['rho']:g}" for band in bands}
    for row in rows + bands:
        row["panel"] = title[row["model"]]
    for row in rows:
        row["band"] = 0
    shades = [band | {"band": 1} for band in bands if band["rho"]]
    chosen, opacity = toggle("role", "roles")
    base = plot(shades + rows, width=SMALL[0], height=SMALL[1])
    layers = [
        base.transform_filter("datum.band == 0")
        .mark_point(strokeWidth=1.5)
        .encode(
            x=alt.X("length:Q", title="Response, characters"),
            y=alt.Y(
                "place:Q",
                title="Relative score",
                scale=alt.Scale(domain=[-0.06, 1.06], nice=False),
                axis=alt.Axis(values=[0, 0.5, 1]),
            ),
            color=alt.Color(
                "role:N",
                title="Became",
                scale=alt.Scale(domain=roles, range=["#0072B2", "#D55E00", "#8a8a8a"]),
                legend=legend(columns=3),
            ),
            shape=alt.Shape(
                "role:N",
                title="Became",
                scale=alt.Scale(domain=roles, range=["triangle-up", "square", "circle"]),
                legend=legend(columns=3),
            ),
            size=alt.condition("datum.role == 'neither'", alt.value(14), alt.value(32)),
            opacity=opacity,
            tooltip=[
                "response_id:N",
                "role:N",
                "tier:N",
                "length:Q",
                alt.Tooltip("score:Q", title="mean score", format=".2f"),
            ],
        )
        .add_params(chosen)
    ]
    if shades:
        layers.insert(
            0,
            base.transform_filter("datum.band == 1")
            .mark_rect(color="#56B4E9", opacity=0.25, aria=False)
            .encode(y="low:Q", y2="high:Q"),
        )
    facet = alt.Facet(
        "panel:N",
        title=None,
        sort=[title[model] for model in models],
        header=alt.Header(labelFontSize=12, labelFontWeight="bold"),
    )
    chart = alt.layer(*layers).facet(facet, columns=2)
    caption = (
        "A seeded sample of whole prompts of each iteration; the relative score is a response's mean "
        "score between the lowest (0) and the highest (1) of its prompt. "
        "Bands are the tiers set by rho: the shortest response of the top one is chosen, and the longest of the bottom "
        "one is rejected; with rho 0 a tier is the exact extreme."
    )
    parts = [
        f"{model}: chosen {mean([r['length'] for r in rows if r['model'] == model and r['role'] == 'chosen'])} "
        "characters on average, "
        f"rejected {mean([r['length'] for r in rows if r['model'] == model and r['role'] == 'rejected'])}"
        for model in models
    ]
    return figure(
        "length_against_score",
        "pairs",
        "Length against score, and the tiers of rho",
        caption,
        rows,
        chart,
        ". ".join(parts) + ".",
    )


def mean(values: list[float]) -> str:
    return f"{sum(values) / len(values):.0f}" if values else "none"


def pairs_kept(metrics):
    rows = [
        {
            "model": row["model"],
            "kind": f"{kind} pairs",
            "outcome": why.split(" (")[0],
            "prompts": count,
            "share": 100 * count / facts["prompts"],
        }
        for row in metrics["models"]
        for kind in ("actor", "judge")
        if (facts := (row["pairs"] or {}).get(kind))
        for why, count in facts["outcome"].items()
    ]
    if not rows:
        return None
    models = list(dict.fromkeys(row["model"] for row in rows))
    reasons = ["pair", *sorted({row["outcome"] for row in rows} - {"pair"})]
    for row in rows:
        row["order"] = reasons.index(row["outcome"])
    kinds = [kind for kind in ("actor pairs", "judge pairs") if any(row["kind"] == kind for row in rows)]
    chart = (
        plot(rows, width=WIDTH - 80, height=alt.Step(20))
        .mark_bar(stroke="white")
        .encode(
            x=alt.X("share:Q", title="Prompts, %", stack="zero", scale=alt.Scale(domain=[0, 100])),
            y=alt.Y("model:N", title="Pairs for", sort=models, axis=alt.Axis(labelLimit=130)),
            color=alt.Color(
                "outcome:N",
                title="What a prompt gave",
                scale=methods_scale(reasons, OUTCOMES),
                legend=legend(columns=1, labelLimit=380),
            ),
            order=alt.Order("order:Q"),
            tooltip=[
                "model:N",
                "kind:N",
                "outcome:N",
                "prompts:Q",
                alt.Tooltip("share:Q", title="Share, %", format=".1f"),
            ],
        )
        .facet(row=alt.Row("kind:N", title=None, sort=kinds, header=alt.Header(orient="top", labelFontWeight="bold")))
        .resolve_scale(y="independent")
    )
    description = series_as_text(
        [row for row in rows if row["outcome"] == "pair"], "kind", "model", "share", " % of prompts gave a pair"
    )
    caption = "Each prompt gives at most one actor pair and one judge pair, or a reason why it gave none."
    return figure("pairs_kept", "pairs", "Pairs kept, and why prompts gave none", caption, rows, chart, description)
