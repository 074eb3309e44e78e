"""Figures of tokens and hours by stage, measured and planned."""

import altair as alt

from metarewarding.reporting.figures.charts import (
    OUTCOMES,
    WIDTH,
    figure,
    legend,
    methods_scale,
    models_scale,
    plot,
    series_as_text,
)


def cost_rows(metrics: dict, fields: dict[str, tuple[str, str]]) -> list[dict]:
    """Return {stage, what, when, value} of measured and planned numbers.

    ``fields``: {name: (measured key, planned key)}.
    """
    rows = []
    for planned in metrics["plan"]["rows"]:
        stage = planned["stage"]
        for what, (measured, plan) in fields.items():
            for when, value in (
                ("measured", metrics["stages"].get(stage, {}).get(measured)),
                ("planned", planned.get(plan)),
            ):
                if value:
                    rows.append({"stage": stage, "what": what, "when": when, "value": value})
    return rows


def bars(id, title, caption, rows, axis, what, form=",~r"):
    """Return a figure with a bar for each stage, the longest first.

    ``form`` of the axis: `~s` only for counts (800m would be minutes).
    """
    order = [name for name, _ in sorted(((r["stage"], r["value"]) for r in rows), key=lambda item: -item[1])]
    names = list(dict.fromkeys(row["what"] for row in rows))
    whens = [when for when in ("measured", "planned") if any(row["when"] == when for row in rows)]
    chart = (
        plot(rows, width=WIDTH - 80, height=alt.Step(20 if len(whens) == 1 else 11))
        .mark_bar(stroke="#333", strokeWidth=0.5)
        .encode(
            x=alt.X("value:Q", title=axis, axis=alt.Axis(format=form, tickCount=6)),
            y=alt.Y("stage:N", title="Stage", sort=list(dict.fromkeys(order)), axis=alt.Axis(labelLimit=130)),
            yOffset=alt.YOffset("when:N", sort=whens),
            color=alt.Color(
                "what:N", title=what, scale=methods_scale(names, OUTCOMES), legend=legend() if len(names) > 1 else None
            ),
            fillOpacity=alt.FillOpacity(
                "when:O", sort=whens, scale=alt.Scale(domain=whens, range=[1, 0.35][: len(whens)]), legend=None
            ),
            tooltip=["stage:N", "what:N", "when:N", alt.Tooltip("value:Q", title=axis, format=",.1f")],
        )
    )
    if "planned" in whens:
        caption += " Paler bars: the plan."
    for row in rows:
        row["series"] = f"{row['what']}, {row['when']}"
    return figure(id, "cost", title, caption, rows, chart, series_as_text(rows, "series", "stage", "value"))


def tokens(metrics):
    rows = cost_rows(
        metrics,
        {
            "out": ("output_tokens", "output_tokens"),
            "in, cached": ("cached_prompt_tokens", ""),
            "in, computed": ("distinct_prompt_tokens", "distinct_prompt_tokens"),
        },
    )
    if not rows:
        return None
    caption = "Tokens read and written by stage. Cached: prompt tokens in the engine's cache from an earlier request."
    return bars("tokens", "Where the tokens went", caption, rows, "Tokens", "Tokens", form="~s")


def hours(metrics):
    on_gpus = any(stage.get("gpu_hours") for stage in metrics["stages"].values())
    if on_gpus:
        rows = cost_rows(metrics, {"GPU-hours": ("gpu_hours", "gpu_hours")})
        return bars(
            "hours",
            "Where the GPU-hours went",
            "Hours of the jobs' processes times their GPUs, engine start included.",
            rows,
            "GPU-hours",
            "Hours",
        )
    rows = cost_rows(metrics, {"time": ("seconds", "")})
    if not rows:
        return None
    unit, seconds = ("Hours", 3600) if max(row["value"] for row in rows) > 3 * 3600 else ("Minutes", 60)
    for row in rows:
        row["value"] /= seconds
    caption = f"{unit} of the jobs' processes, engine start included; no GPU was used."
    return bars("hours", "Where the time went", caption, rows, unit, unit)


def timeline(metrics):
    shown = [row["model"] for row in metrics["models"]]
    jobs = [job for job in metrics.get("jobs") or [] if job["model"] in (None, *shown)]
    if not jobs:
        return None
    unit, seconds = ("Hours", 3600) if max(job["end"] for job in jobs) > 3 * 3600 else ("Minutes", 60)
    rows = [
        {"stage": job["stage"], "model": job["model"] or "data", "shard": job["shard"]}
        | {"start": job["start"] / seconds, "end": job["end"] / seconds}
        for job in jobs
    ]
    order = list(dict.fromkeys(row["stage"] for row in sorted(rows, key=lambda row: row["start"])))
    models = [model for model in shown if any(job["model"] == model for job in jobs)]
    scale = models_scale(models)
    if any(row["model"] == "data" for row in rows):
        scale.domain, scale.range = ["data", *scale.domain], ["#b05c8c", *scale.range]
    chart = (
        plot(rows, width=WIDTH - 80, height=alt.Step(16))
        .mark_bar(strokeWidth=1)
        .encode(
            x=alt.X("start:Q", title=f"{unit} since the first job", axis=alt.Axis(tickCount=6)),
            x2="end:Q",
            y=alt.Y("stage:N", title="Stage", sort=order, axis=alt.Axis(labelLimit=130)),
            color=alt.Color("model:N", title="Model", scale=scale, legend=legend()),
            # an outline, so that the shortest job can be seen
            stroke=alt.Stroke("model:N", title="Model", scale=scale, legend=legend()),
            tooltip=["stage:N", "model:N", "shard:N", alt.Tooltip("start:Q", format=".1f"),
                     alt.Tooltip("end:Q", format=".1f")],
        )
    )  # fmt: skip
    caption = "Each bar is one job, from its log: it ends when the log was last written. Bars side by side ran at once."
    description = f"{len(rows)} jobs of {len(order)} stages over {max(row['end'] for row in rows):.1f} {unit.lower()}."
    return figure("timeline", "cost", "Time line of the jobs", caption, rows, chart, description)
