"""What the figures share: a chart's plot, legend, colours and description, and values by iteration.

Series are told apart by shape or dash as well as by colour (Okabe and Ito's palette; models, which have an order, by
a colour for each method that grows darker), so that they stay apart for the colour-blind and in grey.
"""

import altair as alt

WIDTH, HEIGHT = 340, 210  # of a plot; the page scales a figure to its column
SMALL = (140, 100)  # of one of several plots in a figure
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#AA4499", "#B8860B", "#56B4E9", "#000000", "#882255"]


SHAPES = ["circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right", "triangle-left"]


OUTCOMES = ["#0072B2", "#E69F00", "#56B4E9", "#D55E00", "#999999", "#F0E442", "#009E73", "#CC79A7"]


RAMPS = [  # light to dark
    ["#7fb8dd", "#4a90c8", "#1f6aa8", "#0b4a80", "#062a4d"],
    ["#f3a45c", "#e07b2a", "#c05a10", "#8f3d08", "#5c2503"],
    ["#72c4a0", "#3da57c", "#1a8058", "#0a5a3c", "#053824"],
    ["#c79ad6", "#a76abd", "#84459c", "#612a76", "#3d154d"],
    ["#d8c25a", "#b89e2c", "#947c14", "#6d5a08", "#463902"],
]


DASHES = [[1, 0], [6, 3], [2, 2], [8, 3, 2, 3]]


SHARED = "before the methods"


SOURCES = ("this run", "paper")


def figure(id: str, group: str, title: str, caption: str, rows: list[dict], chart, description: str) -> dict:
    chart = chart.properties(description=description)
    return {"id": id, "group": group, "title": title, "caption": caption, "description": description} | {
        "rows": rows,
        "chart": chart,
    }


def plot(rows: list[dict], **size):
    return alt.Chart(alt.Data(values=rows), **({"width": WIDTH, "height": HEIGHT} | size))


def legend(**options):
    return alt.Legend(**({"orient": "bottom", "columns": 2, "labelLimit": 170, "titleLimit": 400} | options))


def toggle(field: str, name: str):
    """(a selection by clicks on the legend, the opacity that follows it)."""
    chosen = alt.selection_point(fields=[field], bind="legend", name=name)
    return chosen, alt.when(chosen).then(alt.value(1)).otherwise(alt.value(0.12))


def methods_scale(names: list[str], values: list[str]):
    return alt.Scale(domain=names, range=[values[i % len(values)] for i in range(len(names))])


def models_scale(models: list[str]):
    """Grey for the seed and M0, and for each method a colour that grows darker with its iterations."""
    methods: dict[str, list[str]] = {}
    for model in models:
        methods.setdefault(method_of(model), []).append(model)
    colours = {"seed": "#aaaaaa", "m0": "#555555"}
    for number, own in enumerate(found for method, found in methods.items() if method != SHARED):
        ramp = RAMPS[number % len(RAMPS)]
        colours |= {model: ramp[i * (len(ramp) - 1) // max(len(own) - 1, 1)] for i, model in enumerate(own)}
    return alt.Scale(domain=models, range=[colours[model] for model in models])


def method_of(model: str) -> str:
    return model.rsplit("/m", 1)[0] if "/" in model else SHARED


def model_dash(models: list[str], title: str):
    """The dashes of a line for each of ``models``, by method, in the legend of their colours."""
    names = list(dict.fromkeys(map(method_of, models)))
    dashes = [DASHES[names.index(method_of(model)) % len(DASHES)] for model in models]
    return alt.StrokeDash(
        "model:N", title=title, sort=models, scale=alt.Scale(domain=models, range=dashes), legend=legend()
    )


def told(rows: list[dict], series: str, x: str, y: str, unit: str = "") -> str:
    """The values in words, by series."""
    by_series: dict[str, list[str]] = {}
    for row in rows:
        if row.get(y) is not None:
            by_series.setdefault(str(row[series]), []).append(f"{row[x]} {row[y]:.4g}{unit}")
    return ". ".join(f"{name}: {', '.join(values)}" for name, values in by_series.items()) + "."


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
            axis=alt.Axis(labelAngle=0),
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
        base.mark_point(size=60, filled=False, strokeWidth=2).encode(y=y, shape=shape, fill=fill),
    ]
    if any(row["source"] == SOURCES[0] and row["low"] is not None for row in rows):
        bars = base.transform_filter(f"datum.source == '{SOURCES[0]}' && isValid(datum.low)").mark_rule(strokeWidth=1.5)
        layers.insert(1, bars.encode(y=alt.Y("low:Q", title=axis), y2="high:Q"))
    if references:
        marks = [{"name": name, "value": value} for name, value in references]
        at = plot(marks).encode(y="value:Q")
        layers += [
            at.mark_rule(color="#666", strokeDash=[2, 3]),
            at.mark_text(align="left", dx=4, dy=-6, fontSize=11, color="#555").encode(x=alt.value(0), text="name:N"),
        ]
    for row in rows:
        row["series"] = f"{row['method']} ({row['source']})"
    return figure(id, group, title, caption, rows, alt.layer(*layers), told(rows, "series", "iteration", "value"))


BARS = "Bars are this run's 95 % intervals; hollow marks and dashes are the paper's values."
