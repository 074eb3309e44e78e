"""The page's figures: from the metrics to charts (Vega-Lite), each with its caption, a description and its values.

Series are told apart by shape or dash as well as by colour (Okabe and Ito's palette; models, which have an order, by
a scale that grows darker), so that they stay apart for the colour-blind and in grey.
"""

import altair as alt

from reporting.alerts import MAX_POSITION_BIAS, MIN_PARSE_RATE
from reporting.metrics import chains
from reporting.paper import bounds, ours, paper_width, scores_by_model

WIDTH, HEIGHT = 400, 230  # of a plot; the page scales a figure to its column
SMALL = (175, 110)  # of one of several plots in a figure
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#AA4499", "#B8860B", "#56B4E9", "#000000", "#882255"]
SHAPES = ["circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right", "triangle-left"]
OUTCOMES = ["#0072B2", "#E69F00", "#56B4E9", "#D55E00", "#999999", "#F0E442", "#009E73", "#CC79A7"]
SOURCES = ("this run", "paper")


def figures(metrics: dict, paper: list[dict]) -> list[dict]:
    """[{id, group, title, caption, description, rows, chart}], those that this run has values for.

    ``rows`` are the plotted values, ``chart`` is an Altair chart.
    """
    chain = chains(metrics)
    drawn = [
        *outcomes(metrics, paper, chain),
        categories(metrics, paper),
        judge_scores(metrics, paper),
        scores_given(metrics),
        *judges(metrics, paper, chain),
        parse_rates(metrics, chain),
        meta_judge_bias(metrics, paper, chain),
        elo(metrics),
        lengths(metrics),
        length_against_score(metrics),
        pairs_kept(metrics),
        *training(metrics),
        tokens(metrics),
        hours(metrics),
    ]
    return [figure for figure in drawn if figure is not None]


def figure(id: str, group: str, title: str, caption: str, rows: list[dict], chart, description: str) -> dict:
    chart = chart.properties(description=description)
    return {"id": id, "group": group, "title": title, "caption": caption, "description": description} | {
        "rows": rows,
        "chart": chart,
    }


def plot(rows: list[dict], **size):
    return alt.Chart(alt.Data(values=rows), **({"width": WIDTH, "height": HEIGHT} | size))


def legend(**options):
    return alt.Legend(**({"orient": "bottom", "columns": 2, "labelLimit": 210, "titleLimit": 400} | options))


def toggle(field: str, name: str):
    """(a selection by clicks on the legend, the opacity that follows it)."""
    chosen = alt.selection_point(fields=[field], bind="legend", name=name)
    return chosen, alt.when(chosen).then(alt.value(1)).otherwise(alt.value(0.12))


def methods_scale(names: list[str], values: list[str]):
    return alt.Scale(domain=names, range=[values[i % len(values)] for i in range(len(names))])


def models_scale(models: list[str]):
    """Colours that grow darker with the order of the models."""
    stops = ["#8fd0c4", "#4fb3a9", "#2b8fa3", "#2a6a9c", "#334a8a", "#3b2a6e", "#2a1247", "#12061f"]
    if len(models) > len(stops):
        return alt.Scale(domain=models, scheme="viridis", reverse=True)
    return alt.Scale(
        domain=models, range=[stops[i * (len(stops) - 1) // max(len(models) - 1, 1)] for i in range(len(models))]
    )


def told(rows: list[dict], series: str, x: str, y: str, unit: str = "") -> str:
    """The values in words, by series."""
    by_series: dict[str, list[str]] = {}
    for row in rows:
        if row.get(y) is not None:
            by_series.setdefault(str(row[series]), []).append(f"{row[x]} {row[y]:.4g}{unit}")
    return ". ".join(f"{name}: {', '.join(values)}" for name, values in by_series.items()) + "."


# -- values by iteration: ours with intervals, the paper's beside them


def label(place: int) -> str:
    """The name of the model at ``place`` of a chain that begins at the seed."""
    return "seed" if place == 0 else f"M{place - 1}"


def by_iteration(id, group, title, caption, value_of, chain, paper_of, axis, zero=False, references=()) -> dict | None:
    """A line for each method over its models; ``value_of(model)`` gives (value, low, high) or None."""
    rows = []
    for source, found in zip(SOURCES, (value_of, paper_of), strict=True):
        for method, models in chain.items():
            for place, model in enumerate(models):
                value = found(model)
                if value is not None and value[0] is not None:
                    rows.append(
                        {"method": method, "source": source, "model": model, "iteration": label(place)}
                        | dict(zip(("value", "low", "high"), value, strict=True))
                    )
    if not any(row["source"] == SOURCES[0] for row in rows):
        return None
    names, order = list(chain), [label(place) for place in range(max(map(len, chain.values())))]
    chosen, opacity = toggle("method", "methods")
    base = plot(rows).encode(
        x=alt.X(
            "iteration:O",
            title="Model (seed, then M0 to the last iteration)",
            sort=order,
            scale=alt.Scale(domain=order),
        ),
        color=alt.Color("method:N", title="Method", scale=methods_scale(names, COLOURS), legend=legend()),
        opacity=opacity,
        tooltip=[
            alt.Tooltip("model:N", title="Model"),
            alt.Tooltip("source:N", title="Source"),
            alt.Tooltip("value:Q", title=axis, format=".2f"),
            alt.Tooltip("low:Q", title="95 % from", format=".2f"),
            alt.Tooltip("high:Q", title="to", format=".2f"),
        ],
    )
    y = alt.Y("value:Q", title=axis, scale=alt.Scale(zero=zero))
    dash = alt.StrokeDash(
        "source:N", title="Source", scale=alt.Scale(domain=list(SOURCES), range=[[1, 0], [5, 4]]), legend=legend()
    )
    shape = alt.Shape("method:N", title="Method", scale=methods_scale(names, SHAPES), legend=legend())
    fill = alt.condition(
        "datum.source == 'paper'", alt.value("white"), alt.Color("method:N", scale=methods_scale(names, COLOURS))
    )
    layers = [
        base.mark_line(strokeWidth=2).encode(y=y, strokeDash=dash).add_params(chosen),
        base.transform_filter("isValid(datum.low)")
        .mark_rule(strokeWidth=1.5)
        .encode(y=alt.Y("low:Q", title=axis), y2="high:Q"),
        base.mark_point(size=60, filled=False, strokeWidth=2).encode(y=y, shape=shape, fill=fill),
    ]
    if references:
        marks = [{"name": name, "value": value} for name, value in references]
        at = plot(marks).encode(y="value:Q")
        layers += [
            at.mark_rule(color="#666", strokeDash=[2, 3]),
            at.mark_text(align="left", dy=-6, fontSize=11, color="#555").encode(x=alt.value(4), text="name:N"),
        ]
    for row in rows:
        row["series"] = f"{row['method']} ({row['source']})"
    return figure(id, group, title, caption, rows, alt.layer(*layers), told(rows, "series", "iteration", "value"))


def of_benchmark(metrics, paper, place, benchmark, metric):
    """(value_of, paper_of) of one benchmark's metric."""
    scores = scores_by_model(metrics)
    printed = {
        row["model"]: (
            row["value"],
            *(bounds(row["value"], paper_width(row)) if row["ci_low"] is None else (row["ci_low"], row["ci_high"])),
        )
        for row in paper
        if (row["place"], row["metric"]) == (place, metric)
    }
    return (lambda model: ours(scores.get(model, {}).get(benchmark), benchmark, metric)), printed.get


def judge_of(metrics: dict, benchmark: str) -> str:
    judges = {
        f"{row['judged'][benchmark]['judge']} ({row['judged'][benchmark]['judge_model']})"
        for row in metrics["models"]
        if benchmark in row["judged"]
    }
    return "Judge: " + ", ".join(sorted(judges)) + "."


BARS = "Bars are 95 % intervals; hollow marks and dashes are the paper's values."


def outcomes(metrics, paper, chain):
    if any("alpaca_eval" in row["judged"] for row in metrics["models"]):
        caption = f"Figure 3 of the paper: AlpacaEval 2 by iteration. {BARS} {judge_of(metrics, 'alpaca_eval')}"
        reference = [(row["model"], row["value"]) for row in paper if row["place"] == "Figure 3"]
        values = of_benchmark(metrics, paper, "Table 1", "alpaca_eval", "lc_win_rate")
        title = "Length-controlled win rate"
        whole = by_iteration(
            "figure_3", "outcome", title, caption, values[0], chain, values[1], f"{title}, %", references=reference
        )
        # a subset has no length control, and compares with nothing
        subset = {
            row["model"]: row["judged"]["alpaca_eval"] for row in metrics["models"] if "alpaca_eval" in row["judged"]
        }
        yield whole or by_iteration(
            "figure_3", "outcome", "Win rate on a subset of AlpacaEval 2",
            f"A subset of the questions: it has no length control and compares with nothing else. {judge_of(metrics, 'alpaca_eval')}",
            lambda model: (model in subset and subset[model]["win_rate"] is not None and (subset[model]["win_rate"], None, None)) or None,
            chain, lambda model: None, "Win rate, %",
        )  # fmt: skip
    for id, place, benchmark, metric, title, axis in (
        ("arena_hard", "Table 2", "arena_hard", "score", "Arena-Hard", "Score, %"),
        ("mt_bench", "Table 6", "mt_bench", "average", "MT-Bench", "Rating, 1 to 10"),
    ):
        if any(benchmark in row["judged"] for row in metrics["models"]):
            values = of_benchmark(metrics, paper, place, benchmark, metric)
            caption = f"{place} by iteration. {BARS} {judge_of(metrics, benchmark)}"
            yield by_iteration(id, "outcome", title, caption, values[0], chain, values[1], axis)
    arena = {row["model"]: row["arena"] for row in metrics["models"]}

    def win_rate(model):
        return arena.get(model) and tuple(arena[model][key] for key in ("win_rate", "ci_low", "ci_high"))

    yield by_iteration(
        "arena", "outcome", "Win rate against the seed",
        "Answers to the arena's prompts, scored by M0; a tie is half. Bars are 95 % bootstrap intervals over prompts.",
        win_rate, chain, lambda model: None, "Win rate, %", references=[("as good as the seed", 50)],
    )  # fmt: skip


def categories(metrics, paper):
    scores = {row["model"]: row["judged"].get("alpaca_eval", {}).get("categories") for row in metrics["models"]}
    rows = [
        {"category": name, "model": model, "source": SOURCES[0], "value": of["win_rate"], "questions": of["n"]}
        for model, found in scores.items()
        if found
        for name, of in found.items()
    ]
    if not rows:
        return None
    # the paper's figure shortens names, and leaves small categories out
    for target in (row for row in paper if row["place"] == "Figure 4"):
        if scores.get(target["model"]):
            name = target["metric"].removeprefix("categories.").removesuffix(".win_rate")
            rows.append({"category": name, "model": target["model"], "source": SOURCES[1], "value": target["value"]})
    models = [model for model, found in scores.items() if found]
    chosen, opacity = toggle("model", "models")
    chart = (
        plot(rows, height=alt.Step(24))
        .mark_point(size=60, strokeWidth=2)
        .encode(
            x=alt.X("value:Q", title="Win rate, % (a tie is half)"),
            y=alt.Y("category:N", title="Category of the question", axis=alt.Axis(grid=True, labelLimit=150)),
            color=alt.Color("model:N", title="Model", scale=models_scale(models), legend=legend()),
            shape=alt.Shape(
                "source:N",
                title="Source",
                scale=alt.Scale(domain=list(SOURCES), range=["circle", "cross"]),
                legend=legend(),
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
    caption = f"Figure 4 of the paper: raw win rates by category, with its values where a model has both. {judge_of(metrics, 'alpaca_eval')}"
    return figure(
        "figure_4",
        "outcome",
        "Win rate by category",
        caption,
        rows,
        chart,
        told(rows, "model", "category", "value", " %"),
    )


# -- judges


def distribution(id, group, title, caption, counts: dict[str, dict], axis="Score given (0 to the rubric's highest)"):
    """Shares of each score, a line a model; {model: {score: count}}."""
    rows = []
    for model, found in counts.items():
        total = sum(found.values())
        mean = sum(float(score) * count for score, count in found.items()) / total
        rows += [
            {"model": model, "score": float(score), "share": 100 * count / total, "judgments": count, "mean": mean}
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
            x=alt.X("score:Q", title=axis, scale=alt.Scale(zero=False, nice=True)),
            y=alt.Y("share:Q", title="Share of judgments, %"),
            color=alt.Color("model:N", title="Judge", scale=models_scale(models), legend=legend(), sort=models),
            strokeDash=alt.StrokeDash("model:N", title="Judge", legend=legend(), scale=alt.Scale(
                domain=models, range=[[[1, 0], [6, 3], [2, 2], [8, 3, 2, 3]][i % 4] for i in range(len(models))])),
            opacity=opacity,
            tooltip=["model:N", "score:Q", alt.Tooltip("share:Q", title="Share, %", format=".1f"), "judgments:Q", alt.Tooltip("mean:Q", format=".2f")],
        )
        .add_params(chosen)
    )  # fmt: skip
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
    caption = f"Figure 5 of the paper: each model's judgments of the seed's responses to the held-out prompts. The paper's means, read from its figure: {printed}."
    return distribution("figure_5", "judge", "Scores of the same responses", caption, counts)


def scores_given(metrics):
    counts = {
        f"{row['parent']} → {row['model']}": row["summary"]["scores_given"]
        for row in metrics["models"]
        if row["summary"]
    }
    # a model that two methods start from gave one set of judgments
    seen: dict[str, dict] = {}
    for names, found in counts.items():
        seen.setdefault(names.split(" → ")[0], found)
    counts = {model: found for model, found in seen.items() if found}
    caption = "Each judge's readable judgments of its own responses to the training prompts: what pairs are made from. A single peak leaves little to prefer."
    return distribution("scores_given", "judge", "Scores given in training", caption, counts)


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
        plot(rows, height=alt.Step(22))
        .mark_point(size=70, filled=True)
        .encode(
            x=alt.X("value:Q", title="Readable verdicts, %", scale=alt.Scale(domain=[0, 100])),
            y=alt.Y("model:N", title="Model", sort=models, axis=alt.Axis(grid=True, labelLimit=150)),
            color=alt.Color("kind:N", title="Texts", scale=methods_scale(names, COLOURS), legend=legend(columns=1)),
            shape=alt.Shape("kind:N", title="Texts", scale=methods_scale(names, SHAPES), legend=legend(columns=1)),
            opacity=opacity,
            tooltip=["model:N", "kind:N", alt.Tooltip("value:Q", title="Readable, %", format=".1f")],
        )
        .add_params(chosen)
    )
    rule = (
        plot([{"bound": 100 * MIN_PARSE_RATE}], height=alt.Step(22))
        .mark_rule(color="#666", strokeDash=[2, 3])
        .encode(x="bound:Q")
    )
    caption = f"Share of the texts whose verdict could be read. The line marks {100 * MIN_PARSE_RATE:.0f} %, under which a warning is given. The seed has not been taught the form."
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
    caption = "Table 5 by meta-judge; hollow marks are the paper's. 50 % is no leaning for three of them; of the verdicts that flip with the order, more than 70 % (dashed) gives a warning."
    return figure(
        "meta_judge_bias",
        "judge",
        "What sways the meta-judge",
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
    caption = f"How far the meta-judge's verdicts part the judgments of a response. {said}. Far-off humps are judgments that won or lost everything, held by the L2 prior."
    return figure("elo", "judge", "Elo spread", caption, rows, chart, f"Histograms of Elo scores. {said}.")


# -- responses and pairs


def lengths(metrics):
    rows, seen = [], set()
    for row in metrics["models"]:
        found = (row["summary"] or {}).get("lengths")
        if found and row["parent"] not in seen:  # methods share the responses of a common parent
            seen.add(row["parent"])
            rows.append({"model": row["parent"]} | found)
    if not rows:
        return None
    models = [row["model"] for row in rows]
    base = plot(rows, height=alt.Step(26)).encode(
        y=alt.Y("model:N", title="Model that answered", sort=models, axis=alt.Axis(labelLimit=150)),
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
    caption = "Responses to the training prompts: middle half (box), 5th to 95th percentile (line), median (tick), mean (diamond). Growth from one model to the next is what length control is for."
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
            y=alt.Y("place:Q", title="Score: lowest 0, highest 1", scale=alt.Scale(domain=[-0.06, 1.06], nice=False), axis=alt.Axis(values=[0, 0.5, 1])),
            color=alt.Color("role:N", title="Became", scale=alt.Scale(domain=roles, range=["#0072B2", "#D55E00", "#999999"]), legend=legend(columns=3)),
            shape=alt.Shape("role:N", title="Became", scale=alt.Scale(domain=roles, range=["triangle-up", "square", "circle"]), legend=legend(columns=3)),
            size=alt.condition("datum.role == 'neither'", alt.value(14), alt.value(32)),
            opacity=opacity,
            tooltip=["response_id:N", "role:N", "tier:N", "length:Q", alt.Tooltip("score:Q", title="mean score", format=".2f")],
        )
        .add_params(chosen)
    ]  # fmt: skip
    if shades:
        layers.insert(
            0,
            base.transform_filter("datum.band == 1")
            .mark_rect(color="#56B4E9", opacity=0.25)
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
        "A seeded sample of whole prompts of each iteration; a response's height is where its mean score lies between the lowest and the highest of its prompt. "
        "Bands are the tiers that rho draws: the shortest of the top one is chosen, the longest of the bottom one rejected; with rho 0 a tier is the exact extreme."
    )
    parts = [
        f"{model}: chosen {mean([r['length'] for r in rows if r['model'] == model and r['role'] == 'chosen'])} characters on average, "
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
            "outcome": why,
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
        plot(rows, width=WIDTH - 40, height=alt.Step(20))
        .mark_bar(stroke="white")
        .encode(
            x=alt.X("share:Q", title="Prompts, %", stack="zero", scale=alt.Scale(domain=[0, 100])),
            y=alt.Y("model:N", title="Pairs for", sort=models, axis=alt.Axis(labelLimit=150)),
            color=alt.Color(
                "outcome:N",
                title="What a prompt gave",
                scale=methods_scale(reasons, OUTCOMES),
                legend=legend(columns=1, labelLimit=420),
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
    description = told(
        [row for row in rows if row["outcome"] == "pair"], "kind", "model", "share", " % of prompts gave a pair"
    )
    caption = "Each prompt gives at most one actor pair and one judge pair, or a reason why it gave none."
    return figure("pairs_kept", "pairs", "Pairs kept, and why prompts gave none", caption, rows, chart, description)


# -- training


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
                opacity=opacity,
                tooltip=["model:N", alt.Tooltip("epoch:Q", format=".2f"), alt.Tooltip("loss:Q", format=".4f")],
            )
            .add_params(chosen)
        )
        caption = "Loss of the training steps, measured before each step (neighbouring steps averaged in long runs). It starts at ln 2 = 0.693, where policy and reference are one."
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
        | {"chosen": entry["chosen_logp"], "rejected": entry["rejected_logp"], "loss": entry["loss"]}
        for row in metrics["models"]
        if row["training"] and "/" in row["model"]
        for entry in row["training"]["epochs"]
        if "set" in entry
    ]
    for id, field, title, axis, caption in (
        ("dpo_accuracy", "accuracy", "Reward accuracy", "Accuracy, %", "Share of pairs whose chosen side has the higher implicit reward; 50 % is chance. Held-out pairs are of prompts that were not trained on."),
        ("dpo_margin", "margin", "Reward margin", "Margin, nats", "Implicit reward of the chosen side minus that of the rejected one (beta times log-ratio), mean over pairs."),
    ):  # fmt: skip
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


# -- cost


def cost_rows(metrics: dict, fields: dict[str, tuple[str, str]]) -> list[dict]:
    """{stage, what, when, value} of measured and planned numbers; ``fields``: {name: (measured key, planned key)}."""
    planned = {row["stage"]: row for row in (metrics["plan"] or {}).get("rows", [])}
    stages = list(dict.fromkeys([*metrics["stages"], *planned]))
    rows = []
    for stage in stages:
        for what, (measured, plan) in fields.items():
            for when, value in (
                ("measured", metrics["stages"].get(stage, {}).get(measured)),
                ("planned", planned.get(stage, {}).get(plan)),
            ):
                if value:
                    rows.append({"stage": stage, "what": what, "when": when, "value": value})
    return rows


def bars(id, title, caption, rows, axis, what):
    order = [name for name, _ in sorted(((r["stage"], r["value"]) for r in rows), key=lambda item: -item[1])]
    names = list(dict.fromkeys(row["what"] for row in rows))
    whens = [when for when in ("measured", "planned") if any(row["when"] == when for row in rows)]
    chart = (
        plot(rows, height=alt.Step(20 if len(whens) == 1 else 11))
        .mark_bar(stroke="#333", strokeWidth=0.5)
        .encode(
            x=alt.X("value:Q", title=axis, axis=alt.Axis(format="~s")),
            y=alt.Y("stage:N", title="Stage", sort=list(dict.fromkeys(order)), axis=alt.Axis(labelLimit=150)),
            yOffset=alt.YOffset("when:N", sort=whens),
            color=alt.Color("what:N", title=what, scale=methods_scale(names, OUTCOMES), legend=legend() if len(names) > 1 else None),
            fillOpacity=alt.FillOpacity("when:N", title="", scale=alt.Scale(domain=whens, range=[1, 0.35][: len(whens)]), legend=legend() if len(whens) > 1 else None),
            tooltip=["stage:N", "what:N", "when:N", alt.Tooltip("value:Q", title=axis, format=",.1f")],
        )
    )  # fmt: skip
    for row in rows:
        row["series"] = f"{row['what']}, {row['when']}"
    return figure(id, "cost", title, caption, rows, chart, told(rows, "series", "stage", "value"))


def tokens(metrics):
    rows = cost_rows(
        metrics,
        {
            "out": ("output_tokens", "output_tokens"),
            "in, cached": ("cached_prompt_tokens", ""),
            "in, computed": ("computed_prompt_tokens", "distinct_prompt_tokens"),
        },
    )
    for name, stage in metrics["stages"].items():
        computed = stage.get("prompt_tokens", 0) - stage.get("cached_prompt_tokens", 0)
        if computed > 0:
            rows.append({"stage": name, "what": "in, computed", "when": "measured", "value": computed})
    if not rows:
        return None
    caption = "Tokens read and written by stage. Cached ones are prompt tokens that the engine had kept from an earlier request."
    return bars("tokens", "Where the tokens went", caption, rows, "Tokens", "Tokens")


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
    rows = cost_rows(metrics, {"minutes": ("seconds", "")})
    for row in rows:
        row["value"] /= 60
    caption = "Minutes of the jobs' processes, engine start included; no GPU was used."
    return bars("hours", "Where the time went", caption, rows, "Minutes", "Minutes") if rows else None
