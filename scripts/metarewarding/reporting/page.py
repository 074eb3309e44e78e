"""The page: one HTML file that needs nothing beside it, from metrics, figures and the prompts to look into.

What a model wrote is text there, never markup: Jinja escapes every value, and the page's own policy lets no script
run but the three that it was written with, and nothing be fetched.
"""

import base64
import hashlib
import json
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

EXAMPLES_BYTES = 5_000_000  # of texts, over all iterations; what is beyond stays in examples.json
VALUES_SHOWN = 60  # rows of a figure's values on the page; a longer table is in its CSV file alone
FONT = "Arial, Liberation Sans, Helvetica, sans-serif"  # of one width; vl-convert brings the second along


def vega_lite(chart) -> dict:
    """The specification of an Altair chart, in the page's look."""
    text = {"labelFontSize": 12, "titleFontSize": 13, "titleFontWeight": "normal"}
    return (
        chart.configure(
            font=FONT, background="white", axis=text | {"gridColor": "#e4e7ec", "domainColor": "#888"}, legend=text
        )
        .configure_view(stroke=None)
        .to_dict()
    )


def draw(figures: list[dict], folder: str | Path) -> None:
    """Add to each figure its ``spec`` and ``svg``, and write `<folder>/<id>.svg` and `.png`."""
    import vl_convert

    Path(folder).mkdir(parents=True, exist_ok=True)
    for figure in figures:
        figure["spec"] = vega_lite(figure["chart"])
        figure["svg"] = vl_convert.vegalite_to_svg(figure["spec"])
        (Path(folder) / f"{figure['id']}.svg").write_text(figure["svg"], encoding="utf-8")
        (Path(folder) / f"{figure['id']}.png").write_bytes(vl_convert.vegalite_to_png(figure["spec"], scale=3))


def said(text: str) -> Markup:
    """A model's text as HTML that a reader sees as it was written.

    HTML itself would turn a carriage return into a line feed and drop NUL, which is shown as its symbol.
    """
    return Markup(str(escape(text)).replace("\r", "&#13;").replace("\0", "␀"))


def data_uri(svg: str) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def in_script(code: str) -> Markup:
    """JavaScript inside a script element, whose end it cannot be."""
    return Markup(code.replace("</script", "<\\/script").replace("<!--", "<\\!--"))


def json_in_script(value) -> Markup:
    return Markup(json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c"))


def script_hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def number(value, digits: int = 1, scale: float = 1) -> str:
    """A value with thousands apart; a dash where there is none."""
    return "–" if value is None else f"{value * scale:,.{digits}f}".replace("-", "−")


def counted(value) -> str:
    """A large count in short: 2.16 G."""
    if value is None:
        return "–"
    for size, unit in ((1e9, "G"), (1e6, "M")):
        if value >= size:
            return f"{value / size:,.2f} {unit}"
    return f"{value:,.0f}"


def short(value) -> str:
    return "–" if value is None else f"{value:.5g}" if isinstance(value, float) else str(value)


def signed(value, digits: int = 2) -> str:
    return "–" if value is None else f"{value:+,.{digits}f}".replace("-", "−")


def to_look_into(iterations: dict[str, list[dict]], budget: int = EXAMPLES_BYTES) -> list[dict]:
    """[{model, prompts, left_out}]: of each iteration the prompts that its part of ``budget`` bytes holds, or one.

    What is shown is shown whole. Prompts get ``anchors`` ({id: place on the page}) and ``presentations``.
    """
    shown = []
    for number_of_model, (model, prompts) in enumerate(iterations.items()):
        kept, size = [], 0
        for place, prompt in enumerate(prompts):
            size += len(json.dumps(prompt, ensure_ascii=False).encode())
            if kept and size > budget / len(iterations):
                break
            anchors = {}
            for r, response in enumerate(prompt["responses"]):
                anchors[response["response_id"]] = f"look-{number_of_model}-{place}-r{r}"
                for j, judgment in enumerate(response["judgments"]):
                    anchors[judgment["judgment_id"]] = f"look-{number_of_model}-{place}-r{r}-j{j}"
            kept.append(prompt | {"anchors": anchors, "presentations": presentations(prompt)})
        shown.append({"model": model, "prompts": kept, "left_out": len(prompts) - len(kept)})
    return shown


def presentations(prompt: dict) -> list[dict]:
    """[{a, b, orders: [verdict shown a first, verdict shown b first], said}], one for each pair of judgments; ``a`` is
    the one of higher Elo, and ``said`` tells who won in both orders."""
    place = {judgment_id: i for i, judgment_id in enumerate(prompt["ranking"])}
    pairs: dict[tuple[str, str], dict] = {}
    for verdict in prompt["verdicts"]:
        a, b = sorted((verdict["first"], verdict["second"]), key=lambda judgment_id: place.get(judgment_id, len(place)))
        of_pair = pairs.setdefault((a, b), {"a": a, "b": b, "orders": [None, None]})
        of_pair["orders"][verdict["first"] != a] = verdict
    for pair in pairs.values():
        won = {verdict[verdict["winner"]] for verdict in pair["orders"] if verdict and verdict["winner"]}
        unread = sum(verdict is not None and verdict["winner"] is None for verdict in pair["orders"])
        if not won:
            pair["said"] = "no readable verdict"
        elif len(won) == 2:
            pair["said"] = "flips with the order"
        else:
            pair["said"] = f"{won.pop()} wins" + (" (one verdict unreadable)" if unread else "")
    return sorted(pairs.values(), key=lambda pair: (place.get(pair["a"], 0), place.get(pair["b"], 0)))


def render(template: str | Path, figures: list[dict], **facts) -> str:
    """The page's HTML; ``facts`` are the template's other values. Figures have been through ``draw``."""
    import vl_convert

    folder = Path(template).parent
    environment = Environment(loader=FileSystemLoader(folder), autoescape=True, undefined=StrictUndefined)
    environment.filters |= {"said": said, "number": number, "signed": signed, "counted": counted, "data_uri": data_uri}
    bundle = in_script(vl_convert.javascript_bundle())
    script = in_script((folder / "page.js").read_text(encoding="utf-8"))
    return environment.get_template(Path(template).name).render(
        figures=[
            figure
            | {"spec": json_in_script(figure["spec"])}
            | {"table": [[short(row.get(key)) for key in figure["rows"][0]] for row in figure["rows"]]}
            for figure in figures
        ],
        style=Markup((folder / "page.css").read_text(encoding="utf-8")),
        bundle=bundle,
        script=script,
        script_hashes=" ".join(script_hash(text) for text in (bundle, script)),
        values_shown=VALUES_SHOWN,
        **facts,
    )
