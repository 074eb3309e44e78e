"""The page: one self-contained HTML file, from metrics, figures and example prompts.

What a model wrote is text there, never markup: Jinja escapes every value, and the page's own policy lets no script
run but the three that it was written with, and nothing be fetched.
"""

import base64
import hashlib
import json
import re
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from metarewarding.reporting.summary import duration

EXAMPLES_BYTES = 5_000_000  # bytes of texts, over all iterations; the rest stays in examples.json
VALUES_SHOWN = 60  # rows of a figure's values on the page; a longer table is only in its CSV file
FONT = "Arial, Liberation Sans, Helvetica, sans-serif"  # a monospace font; vl-convert includes the second one


def vega_lite(chart) -> dict:
    """Return the specification of an Altair chart, in the page's look."""
    text = {"labelFontSize": 12, "titleFontSize": 13, "titleFontWeight": "normal"}
    return (
        chart.configure(
            font=FONT, background="white", axis=text | {"gridColor": "#e4e7ec", "domainColor": "#888"}, legend=text
        )
        .configure_view(stroke=None)
        .to_dict()
    )


def draw(figures: list[dict], folder: str | Path | None = None) -> None:
    """Add to each figure its ``spec`` and ``svg``; with a ``folder``, write `<folder>/<id>.svg` and `.png`."""
    import vl_convert

    for figure in figures:
        figure["spec"] = vega_lite(figure["chart"])
        figure["svg"] = vl_convert.vegalite_to_svg(figure["spec"])
        if folder is not None:
            Path(folder).mkdir(parents=True, exist_ok=True)
            (Path(folder) / f"{figure['id']}.svg").write_text(figure["svg"], encoding="utf-8")
            (Path(folder) / f"{figure['id']}.png").write_bytes(vl_convert.vegalite_to_png(figure["spec"], scale=3))


def visible(text: str) -> Markup:
    """Return a model's text as HTML that shows every character as it was written.

    HTML itself would turn a carriage return into a line feed and drop NUL, which is shown as its symbol.
    """
    return Markup(str(escape(text)).replace("\r", "&#13;").replace("\0", "␀"))


def data_uri(svg: str) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def in_script(code: str) -> Markup:
    """Return ``code`` escaped so that it cannot end its script element."""
    return Markup(code.replace("</script", "<\\/script").replace("<!--", "<\\!--"))


def json_in_script(value) -> Markup:
    return Markup(json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c"))


def script_hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def number(value, digits: int = 1, scale: float = 1) -> str:
    """Return a value with thousands separators, a dash for None."""
    return "–" if value is None else f"{rounded(value * scale, digits):,.{digits}f}".replace("-", "−")


def rounded(value: float, digits: int) -> float:
    """Return ``value`` rounded, with 0 instead of -0.000."""
    return round(value, digits) + 0.0


def short_id(identity: str) -> str:
    """Return the part of an id after its prompt's: r0/j3 for <prompt_id>/r0/j3."""
    return re.sub(r"^.*?/(?=r\d)", "", identity)


def counted(value) -> str:
    """Return a large count in short form: 2.16 G."""
    if value is None:
        return "–"
    for size, unit in ((1e9, "G"), (1e6, "M")):
        if value >= size:
            return f"{value / size:,.2f} {unit}"
    return f"{value:,.0f}"


def short(value) -> str:
    return "–" if value is None else f"{value:.5g}" if isinstance(value, float) else str(value)


def signed(value, digits: int = 2) -> str:
    return "–" if value is None else f"{rounded(value, digits):+,.{digits}f}".replace("-", "−")


def select_examples(iterations: dict[str, list[dict]], budget: int = EXAMPLES_BYTES) -> list[dict]:
    """Return [{model, prompts, left_out}], with as many prompts of each iteration as fit its share of ``budget`` bytes.

    What is shown is shown whole. Prompts get ``anchors`` ({id: place on the page}) and the
    win ``matrix`` of their meta-judgments.
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
            matrix = presentations(prompt)
            shown_prompt = {"anchors": anchors, "matrix": matrix, "place": f"look-{number_of_model}-{place}"}
            kept.append(prompt | shown_prompt)
        shown.append({"model": model, "prompts": kept, "left_out": len(prompts) - len(kept)})
    return shown


def presentations(prompt: dict) -> dict:
    """Return {rows: [{id, cells: [{text, means, places}]}], flips, unread} of a prompt's meta-judgments.

    Rows and columns are the judgments, highest Elo first. A cell has the row's result against the column over both
    orders: 1 won, 0 lost, ½ the verdict flips with the order, ? not readable, empty: not asked.
    ``places`` are the numbers of the verdicts in ``prompt``.
    """
    met: dict[frozenset, list[int]] = {}
    for place, verdict in enumerate(prompt["verdicts"]):
        met.setdefault(frozenset((verdict["first"], verdict["second"])), []).append(place)
    rows = [
        {"id": a, "cells": [cell(prompt["verdicts"], met.get(frozenset((a, b)), []), a, b) for b in prompt["ranking"]]}
        for a in prompt["ranking"]
    ]
    kinds = [cell["text"] for row in rows for cell in row["cells"]]
    unread = sum(verdict["winner"] is None for verdict in prompt["verdicts"])
    return {"rows": rows, "flips": kinds.count("½") // 2, "unread": unread}


def cell(verdicts: list[dict], places: list[int], a: str, b: str) -> dict:
    """Return one cell of the win matrix: how judgment ``a`` did against ``b`` in the verdicts at ``places``."""
    if not places:
        return {"text": "", "means": "not asked", "places": []}
    won = {verdicts[place][winner] for place in places if (winner := verdicts[place]["winner"])}
    text = "?" if not won else "½" if len(won) == 2 else "1" if won == {a} else "0"
    means = {"?": "no readable verdict", "½": "flips with the order", "1": "wins", "0": "loses"}[text]
    if won and any(verdicts[place]["winner"] is None for place in places):
        means += ", one verdict unreadable"
    return {"text": text, "means": f"{short_id(a)} against {short_id(b)}: {means}", "places": places}


def render(template: str | Path, figures: list[dict], **facts) -> str:
    """Return the page's HTML; ``facts`` are the template's other values. Figures must have passed ``draw``."""
    import vl_convert

    folder = Path(template).parent
    environment = Environment(loader=FileSystemLoader(folder), autoescape=True, undefined=StrictUndefined)
    environment.filters |= {
        "visible": visible,
        "number": number,
        "signed": signed,
        "counted": counted,
        "data_uri": data_uri,
    }
    environment.filters |= {"short_id": short_id, "duration": duration}
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
