"""What the figures share: a chart's plot, legend, colours and description, and values by iteration.

Series differ by shape or dash as well as by colour (Okabe and Ito's palette; ordered models have a colour for each
method that grows darker), so that colour-blind readers and grey prints can distinguish them.
"""

import altair as alt

WIDTH, HEIGHT = 340, 210  # of a plot; the page scales a figure to its column
SMALL = (140, 100)  # of one of several plots in a figure
COLOURS = ["#0072B2", "#D55E00", "#007a5a", "#AA4499", "#8f7500", "#2E8BC0", "#000000", "#882255"]


SHAPES = ["circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right", "triangle-left"]


OUTCOMES = ["#0072B2", "#C77700", "#7a7a7a", "#007a5a", "#b05c8c", "#8f7500", "#2E8BC0", "#D55E00"]


RAMPS = [  # light to dark; the lightest has a contrast of 3:1 with white
    ["#4a90c8", "#2a72b5", "#15538f", "#083a68", "#031c38"],
    ["#d96f1e", "#c05a10", "#a64a0c", "#8f3d08", "#5c2503"],
    ["#2f9a70", "#248963", "#1a8058", "#0a5a3c", "#053824"],
    ["#a76abd", "#9558ac", "#84459c", "#612a76", "#3d154d"],
    ["#a08820", "#947c14", "#7f690c", "#6d5a08", "#463902"],
]


DASHES = [[1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [12, 3]]


SHARED = "before the methods"


SOURCES = ("this run", "paper")


# columns without values of the run: positions of marks, and names that other columns repeat
HIDDEN = {"x", "place", "series", "order", "panel", "band"}


def figure(id: str, group: str, title: str, caption: str, rows: list[dict], chart, description: str) -> dict:
    chart = chart.properties(description=description)
    return {"id": id, "group": group, "title": title, "caption": caption, "description": description} | {
        "rows": [{key: value for key, value in row.items() if key not in HIDDEN} for row in rows],
        "chart": chart,
    }


def plot(rows: list[dict], **size):
    return alt.Chart(alt.Data(values=rows), **({"width": WIDTH, "height": HEIGHT} | size))


def legend(**options):
    return alt.Legend(**({"orient": "bottom", "columns": 2, "labelLimit": 170, "titleLimit": 400} | options))


def stroke_legend(**options):
    """Return a legend of lines, with a piece of each line as its symbol."""
    return legend(**({"symbolType": "stroke", "symbolSize": 300, "symbolStrokeWidth": 2} | options))


def toggle(field: str, name: str):
    """Return (a selection by clicks on the legend, the opacity that follows it)."""
    chosen = alt.selection_point(fields=[field], bind="legend", name=name)
    return chosen, alt.when(chosen).then(alt.value(1)).otherwise(alt.value(0.15))


def methods_scale(names: list[str], values: list[str]):
    return alt.Scale(domain=names, range=[values[i % len(values)] for i in range(len(names))])


def models_scale(models: list[str]):
    """Return grey for the seed and M0, and for each method a colour that grows darker with its iterations.

    The shade follows from the iteration, so that a model has the same one in each figure.
    """
    methods: dict[str, list[str]] = {}
    for model in models:
        methods.setdefault(method_of(model), []).append(model)
    colours = {"seed": "#8a8a8a", "m0": "#444444"}
    for number, own in enumerate(chain for method, chain in methods.items() if method != SHARED):
        ramp = RAMPS[number % len(RAMPS)]
        colours |= {model: ramp[min(int(model.rpartition("/m")[2]), len(ramp)) - 1] for model in own}
    return alt.Scale(domain=models, range=[colours[model] for model in models])


def method_of(model: str) -> str:
    return model.rsplit("/m", 1)[0] if "/" in model else SHARED


def model_dash(models: list[str], title: str):
    """Return the dashes of a line for each of ``models``, by its place in its method, in the legend of the colours."""
    places = [[of for of in models if method_of(of) == method_of(model)].index(model) for model in models]
    dashes = [DASHES[place % len(DASHES)] for place in places]
    return alt.StrokeDash(
        "model:N", title=title, sort=models, scale=alt.Scale(domain=models, range=dashes), legend=stroke_legend()
    )


def series_as_text(rows: list[dict], series: str, x: str, y: str, unit: str = "") -> str:
    """Return the values in words, by series."""
    by_series: dict[str, list[str]] = {}
    for row in rows:
        if row.get(y) is not None:
            by_series.setdefault(str(row[series]), []).append(f"{row[x]} {row[y]:.4g}{unit}")
    return ". ".join(f"{name}: {', '.join(values)}" for name, values in by_series.items()) + "."


def layout(panels: int) -> tuple[int, dict]:
    """Return (columns, {width, height} of a panel): two columns, or one for an odd number of panels."""
    return (1, {"width": WIDTH, "height": 80}) if panels % 2 else (2, {"width": SMALL[0], "height": SMALL[1]})


def facet(field: str, order: list[str]):
    """Return a facet with a panel for each value of ``field``, in this order."""
    header = alt.Header(labelFontSize=12, labelFontWeight="bold", labelExpr="split(datum.label, ': ')")
    return alt.Facet(f"{field}:N", title=None, sort=order, header=header)


def label(place: int) -> str:
    """Return the name of the model at ``place`` of a chain that begins at the seed."""
    return "seed" if place == 0 else f"M{place - 1}"


def by_iteration(id, group, title, caption, value_of, chain, paper_of, axis, zero=False, references=()) -> dict | None:
    """Return a figure with a line for each method over its models.

    ``value_of(model)`` gives (value, low, high) or None.

    Methods and sources are drawn side by side, so that no mark or interval hides another.
    """
    rows = []
    for source, value_in in zip(SOURCES, (value_of, paper_of), strict=True):
        for method, models in chain.items():
            for place, model in enumerate(models):
                value = value_in(model)
                if value is not None and value[0] is not None:
                    rows.append(
                        {"method": method, "source": source, "model": model, "iteration": label(place), "place": place}
                        | dict(zip(("value", "low", "high"), value, strict=True))
                    )
    if not any(row["source"] == SOURCES[0] for row in rows):
        return None
    for row in rows:
        row["series"] = f"{row['method']} ({row['source']})"
    dodge(rows)
    last = max(map(len, chain.values())) - 1
    sources = [source for source in SOURCES if any(row["source"] == source for row in rows)]
    names = list(chain)
    chosen, opacity = toggle("method", "methods")
    base = plot(rows).encode(
        x=alt.X("x:Q", title="Model", axis=places_axis(last), scale=alt.Scale(domain=[-0.4, last + 0.4], nice=False)),
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
        "source:N",
        title="Source",
        scale=alt.Scale(domain=sources, range=[[1, 0], [5, 4]][: len(sources)]),
        legend=stroke_legend() if len(sources) > 1 else None,
    )
    shape = alt.Shape("method:N", title="Method", scale=methods_scale(names, SHAPES), legend=legend())
    fill = alt.condition(
        "datum.source == 'paper'", alt.value("white"), alt.Color("method:N", scale=methods_scale(names, COLOURS))
    )
    layers = [
        base.mark_line(strokeWidth=2).encode(y=y, strokeDash=dash, detail="series:N").add_params(chosen),
        base.mark_point(size=60, filled=False, strokeWidth=2).encode(y=y, shape=shape, fill=fill),
    ]
    if any(row["low"] is not None and row["source"] == SOURCES[0] for row in rows):
        bars = base.transform_filter(f"datum.source == '{SOURCES[0]}' && isValid(datum.low)").mark_rule(strokeWidth=1.5)
        layers.insert(1, bars.encode(y=alt.Y("low:Q", title=axis), y2="high:Q"))
        caption += " Bars: 95 % intervals" + (" of this run." if "paper" in sources else ".")
    if "paper" in sources:
        caption += " Hollow marks and dashed lines: the paper."
    if references:
        marks = [{"name": name, "value": value} for name, value in references]
        at = plot(marks).encode(y="value:Q")
        layers += [
            at.mark_rule(color="#666", strokeDash=[2, 3]),
            at.mark_text(align="left", dx=4, dy=-6, fontSize=11, color="#555").encode(x=alt.value(0), text="name:N"),
        ]
    description = series_as_text(rows, "series", "iteration", "value")
    return figure(id, group, title, caption, rows, alt.layer(*layers), description)


def dodge(rows: list[dict], width: float = 0.09) -> None:
    """Give each row ``x``, its ``place`` moved aside by its ``series``, so that marks of one place do not overlap."""
    names = list(dict.fromkeys(row["series"] for row in rows))
    for row in rows:
        row["x"] = row["place"] + width * (names.index(row["series"]) - (len(names) - 1) / 2)


def places_axis(last: int):
    """Return an axis from the seed (0) over M0 to the model at place ``last``."""
    return alt.Axis(
        values=list(range(last + 1)), labelExpr="datum.value == 0 ? 'seed' : 'M' + (datum.value - 1)", grid=False
    )
