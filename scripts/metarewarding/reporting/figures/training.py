"""How DPO went: losses of the steps, accuracies and margins after each epoch."""

import altair as alt

from metarewarding.reporting.figures.charts import SMALL, figure, legend, model_dash, models_scale, plot, toggle


def training(metrics):
    steps = [
        {"model": row["model"], "epoch": entry["epoch"], "loss": entry["loss"]}
        for row in metrics["models"]
        if row["training"] and "/" in row["model"]
        for entry in row["training"]["log"]
    ]
    models = list(dict.fromkeys(row["model"] for row in steps))
    if steps:
        chosen, opacity = toggle("model", "models")
        chart = (
            plot(steps)
            .mark_line(strokeWidth=1.5)
            .encode(
                x=alt.X("epoch:Q", title="Epoch"),
                y=alt.Y("loss:Q", title="DPO loss of a step, nats a pair", scale=alt.Scale(zero=False)),
                color=alt.Color("model:N", title="Model", scale=models_scale(models), sort=models, legend=legend()),
                strokeDash=model_dash(models, "Model"),
                opacity=opacity,
                tooltip=["model:N", alt.Tooltip("epoch:Q", format=".2f"), alt.Tooltip("loss:Q", format=".4f")],
            )
            .add_params(chosen)
        )
        caption = (
            "Loss of the training steps, measured before each step (neighbouring steps averaged in long runs). It "
            "starts at ln 2 = 0.693, where policy and reference are one."
        )
        ends = [
            f"{model} from {of[0]['loss']:.3f} to {of[-1]['loss']:.3f}"
            for model in models
            if (of := [r for r in steps if r["model"] == model])
        ]
        yield figure(
            "dpo_loss", "training", "DPO loss", caption, steps, chart, f"First and last loss: {', '.join(ends)}."
        )
    epochs = [
        {
            "model": row["model"],
            "set": entry["set"].replace("_", " "),
            "kind": f"{entry['kind']} pairs",
            "epoch": entry["epoch"],
            "pairs": entry["pairs"],
        }
        | {"accuracy": 100 * entry["accuracy"], "margin": entry["margin"]}
        | {"chosen": entry["chosen_logp"] / entry["chosen_tokens"]}
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
            "Mean over the tokens of the chosen sides. DPO raises the margin also where it takes probability from both "
            "sides; a chosen side that falls far is a sign of degeneration.",
        ),
    ):
        if epochs:
            yield by_epoch(id, field, title, axis, caption, epochs, models)


def by_epoch(id, field, title, axis, caption, rows, models):
    chosen, opacity = toggle("model", "models")
    sets = ["trained", "held out"]
    for row in rows:
        row["panel"] = f"{row['kind']}, {row['set']}"
    panels = [
        panel
        for kind in ("actor pairs", "judge pairs")
        for which in sets
        if any(r["panel"] == (panel := f"{kind}, {which}") for r in rows)
    ]
    chart = (
        plot(rows, width=SMALL[0], height=SMALL[1])
        .mark_line(point={"size": 30}, strokeWidth=1.8)
        .encode(
            x=alt.X("epoch:Q", title="Epoch", axis=alt.Axis(tickMinStep=1, format="d")),
            y=alt.Y(f"{field}:Q", title=axis, scale=alt.Scale(zero=False)),
            color=alt.Color("model:N", title="Model", scale=models_scale(models), sort=models, legend=legend()),
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
        .facet(
            alt.Facet("panel:N", title=None, sort=panels, header=alt.Header(labelFontSize=12, labelFontWeight="bold")),
            columns=2,
        )
    )
    last = {(row["model"], row["panel"]): row for row in rows}
    description = (
        f"{title} after the last epoch: "
        + ", ".join(f"{model} {panel} {row[field]:.3g}" for (model, panel), row in last.items())
        + "."
    )
    shown = [{key: row[key] for key in ("model", "kind", "set", "epoch", "pairs", field)} for row in rows]
    return figure(id, "training", title, caption, shown, chart, description)
