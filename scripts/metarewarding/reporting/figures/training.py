"""Figures of SFT and DPO: losses of the steps; accuracies, margins and log-probabilities after each epoch."""

import altair as alt

from metarewarding.reporting.figures.charts import (
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


def losses(metrics, dpo: bool) -> list[dict]:
    """Return {model, method, epoch, loss} of the steps of DPO, or of SFT."""
    return [
        {"model": row["model"], "method": method_of(row["model"]), "epoch": entry["epoch"], "loss": entry["loss"]}
        for row in metrics["models"]
        if row["training"] and ("/" in row["model"]) == dpo
        for entry in row["training"]["log"]
    ]


def loss_figure(metrics, id, title, axis, caption, steps):
    models, methods = (list(dict.fromkeys(row[key] for row in steps)) for key in ("model", "method"))
    chosen, opacity = toggle("model", "models")
    columns, panel = layout(len(methods))
    size = panel if len(methods) > 1 else {}
    chart = (
        plot(steps, **size)
        .mark_line(strokeWidth=1.5, point={"size": 20} if len(steps) < 40 else False)
        .encode(
            x=alt.X("epoch:Q", title="Epoch"),
            y=alt.Y("loss:Q", title=axis, scale=alt.Scale(zero=False)),
            color=alt.Color("model:N", title="Model", scale=models_scale(models), sort=models, legend=stroke_legend()),
            strokeDash=model_dash(models, "Model"),
            opacity=opacity,
            tooltip=["model:N", alt.Tooltip("epoch:Q", format=".2f"), alt.Tooltip("loss:Q", format=".4f")],
        )
        .add_params(chosen)
    )
    if len(methods) > 1:
        chart = chart.facet(facet("method", methods), columns=columns)
    # of single steps, where a plotted point of a long run is the mean of several
    ends = [
        f"{row['model']} from {row['training']['first_loss']:.3f} to {row['training']['last_loss']:.3f}"
        for row in metrics["models"]
        if row["model"] in models
    ]
    return figure(id, "training", title, caption, steps, chart, f"First and last loss: {', '.join(ends)}.")


def training(metrics):
    averaged = "measured before each step (neighbouring steps averaged in long runs)"
    if sft := losses(metrics, dpo=False):
        caption = f"Cross-entropy of the judgments that M0 is trained on, {averaged}."
        yield loss_figure(metrics, "sft_loss", "SFT loss", "Loss, nats a token", caption, sft)
    if steps := losses(metrics, dpo=True):
        caption = f"DPO loss, {averaged}. It starts at ln 2 = 0.693, where policy and reference are the same model."
        yield loss_figure(metrics, "dpo_loss", "DPO loss", "Loss, nats a pair", caption, steps)
    models = list(dict.fromkeys(row["model"] for row in steps))
    epochs = [
        {
            "model": row["model"],
            "method": method_of(row["model"]),
            "set": entry["set"].replace("_", " "),
            "kind": f"{entry['kind']} pairs",
            "epoch": entry["epoch"],
            "pairs": entry["pairs"],
        }
        | {"accuracy": 100 * entry["accuracy"], "margin": entry["margin"], "kl": entry.get("kl")}
        | {
            side: entry[f"{side}_logp"] / entry[f"{side}_tokens"]
            for side in ("chosen", "rejected")
            if entry.get(f"{side}_tokens")
        }
        | {f"{side}_reward": entry.get(f"{side}_reward") for side in ("chosen", "rejected")}
        for row in metrics["models"]
        if row["training"] and "/" in row["model"]
        for entry in row["training"]["epochs"]
        if "set" in entry
    ]
    unseen = (
        "Held-out pairs are of prompts that were not trained on."
        if any(row["set"] == "held out" for row in epochs)
        else "All pairs are trained on (dpo.held_out: 0), so these show what was learned, not what carries over."
    )
    for id, field, title, axis, caption in (
        (
            "dpo_accuracy",
            "accuracy",
            "Reward accuracy",
            "Accuracy, %",
            f"Share of pairs whose chosen side has the higher implicit reward; 50 % is chance. {unseen}",
        ),
        (
            "dpo_margin",
            "margin",
            "Reward margin",
            "Margin, nats",
            "Implicit reward of the chosen side minus that of the rejected one (beta times log-ratio), mean "
            "over pairs.",
        ),
        (
            "dpo_chosen_logp",
            "chosen",
            "Log-probability of the chosen side",
            "Nats a token",
            "Mean over the tokens of the chosen sides. DPO can raise the margin although both sides lose probability; "
            "a chosen side that falls far is a sign of degeneration.",
        ),
        (
            "dpo_rejected_logp",
            "rejected",
            "Log-probability of the rejected side",
            "Nats a token",
            "Mean over the tokens of the rejected sides; it should fall faster than that of the chosen sides.",
        ),
        (
            "dpo_chosen_reward",
            "chosen_reward",
            "Implicit reward of the chosen side",
            "Reward, nats",
            "beta times the log-ratio of policy to reference, mean over pairs. Above 0: the trained model gives the "
            "chosen sides a higher probability than the model that it started from.",
        ),
        (
            "dpo_rejected_reward",
            "rejected_reward",
            "Implicit reward of the rejected side",
            "Reward, nats",
            "The same for the rejected sides. The reward margin is the difference of the two.",
        ),
        (
            "dpo_kl",
            "kl",
            "KL divergence from the reference",
            "KL, nats a token",
            "KL(trained model ‖ reference) of the distributions of the next token, summed over the whole vocabulary, "
            "mean over the tokens of both sides of at most 16 pairs in each panel. The texts were sampled from the "
            "reference; on texts of the trained model the value would differ.",
        ),
    ):
        if any(row.get(field) is not None for row in epochs):
            yield by_epoch(id, field, title, axis, caption, epochs, models)


def by_epoch(id, field, title, axis, caption, rows, models):
    chosen, opacity = toggle("model", "models")
    several = len({row["method"] for row in rows}) > 1
    rows = [
        row | {"panel": f"{row['method'] + ': ' if several else ''}{row['kind']}, {row['set']}"}
        for row in rows
        if row.get(field) is not None
    ]
    order = sorted(rows, key=lambda row: (row["kind"], row["set"] == "held out"))
    panels = list(dict.fromkeys(row["panel"] for row in order))
    epochs = sorted({round(row["epoch"]) for row in rows})
    columns, panel = layout(len(panels))
    chart = (
        plot(rows, **panel)
        .mark_line(point={"size": 30}, strokeWidth=1.8)
        .encode(
            x=alt.X("epoch:Q", title="Epoch", axis=alt.Axis(values=epochs[:: len(epochs) // 8 + 1], format="d")),
            y=alt.Y(f"{field}:Q", title=axis, scale=alt.Scale(zero=False)),
            color=alt.Color("model:N", title="Model", scale=models_scale(models), sort=models, legend=stroke_legend()),
            strokeDash=model_dash(models, "Model"),
            opacity=opacity,
            tooltip=[
                "model:N",
                "kind:N",
                "set:N",
                "epoch:Q",
                "pairs:Q",
                alt.Tooltip(f"{field}:Q", title=axis, format=".3f"),
            ],
        )
        .add_params(chosen)
        .facet(facet("panel", panels), columns=columns)
    )
    last = {(row["model"], row["panel"]): row for row in rows}
    description = (
        f"{title} after the last epoch: "
        + ", ".join(f"{model} {panel} {row[field]:.3g}" for (model, panel), row in last.items())
        + "."
    )
    shown = [{key: row[key] for key in ("model", "kind", "set", "epoch", "pairs", field)} for row in rows]
    return figure(id, "training", title, caption, shown, chart, description)
