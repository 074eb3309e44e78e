"""The graph of the rules that a run used, as SVG: layers from top to bottom, drawn without any package."""

import csv
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

from markupsafe import Markup, escape

Edges = set[tuple[str, str]]

LOOP = "train_dpo"  # the last rule of an iteration; the next one samples from its model
LEFT_OUT = {"write_iteration_report"}  # it has the inputs of write_report
SWEEPS = 12  # passes over the layers, to bring neighbours near each other
CHARACTER, PADDING, GAP = 6.7, 14, 16  # px: width of a character, of a box without its text, and between boxes
HEIGHT, STEP = 24, 56  # px: of a box, and from one layer to the next
BEND = 8  # px: the width that a line takes in a layer that it passes


def read(path: str | Path) -> Edges:
    """Return the edges (rule, rule that takes its files) in the CSV file that workflow/draw_rules.py writes."""
    with open(path, encoding="utf-8", newline="") as file:
        return {(row["from"], row["to"]) for row in csv.DictReader(file)}


def reachable(edges: Edges, start: str) -> set[str]:
    """Return the rules that a path of one edge or more leads to from ``start``."""
    reached: set[str] = set()
    ahead = [start]
    while ahead:
        after = {b for a, b in edges if a == ahead[-1]} - reached
        ahead = ahead[:-1] + sorted(after)
        reached |= after
    return reached


def without_loop(edges: Edges) -> tuple[Edges, Edges]:
    """Return (the edges within an iteration, those that lead to the next one)."""
    back = {(a, b) for a, b in edges if a == LOOP and a in reachable(edges, b)}
    return edges - back, back


def reduced(edges: Edges) -> Edges:
    """Return the edges of an acyclic graph without those that a longer path implies."""
    beyond = {a: set().union(*(reachable(edges, b) for x, b in edges if x == a)) for a, _ in edges}
    return {(a, b) for a, b in edges if b not in beyond[a]}


def layers(edges: Edges, rules: Iterable[str]) -> dict[str, int]:
    """Return the layer of each rule: one below its lowest input; a rule without inputs is close to its users."""
    layer = dict.fromkeys(sorted(rules), 0)
    for _ in layer:
        for a, b in edges:
            layer[b] = max(layer[b], layer[a] + 1)
    needy = {b for _, b in edges}
    for rule in layer:
        uses = [layer[b] for a, b in edges if a == rule]
        if rule not in needy and uses:
            layer[rule] = min(uses) - 1
    return layer


def chains(edges: Edges, layer: dict[str, int]) -> list[list]:
    """Return each edge as its points: the rule, (edge, layer) in each layer that the line passes, the other rule."""
    return [[a, *(((a, b), i) for i in range(layer[a] + 1, layer[b])), b] for a, b in sorted(edges)]


def ordered(lines: list[list], layer: dict[str, int]) -> list[list]:
    """Return the points of each layer from left to right, each near the mean place of its neighbours."""
    rows: list[list] = [[] for _ in range(max(layer.values()) + 1)]
    for point in dict.fromkeys([*layer, *(point for line in lines for point in line)]):
        rows[layer[point] if isinstance(point, str) else point[1]].append(point)
    above: dict = {}
    below: dict = {}
    for a, b in (pair for line in lines for pair in pairwise(line)):
        above.setdefault(b, []).append(a)
        below.setdefault(a, []).append(b)
    for sweep in range(SWEEPS):
        near = below if sweep % 2 else above
        for row in reversed(rows) if sweep % 2 else rows:
            place = {point: (i + 0.5) / len(of) for of in rows for i, point in enumerate(of)}

            def wanted(point, near=near, place=place):
                of = near.get(point, [point])
                return sum(place[other] for other in of) / len(of)

            row.sort(key=wanted)
    return rows


def width(point) -> float:
    return len(point) * CHARACTER + PADDING if isinstance(point, str) else BEND


def places(rows: list[list]) -> tuple[dict, float]:
    """Return ({point: (x, y) of its centre}, width of the drawing); each layer is centred."""
    widths = [sum(map(width, row)) + GAP * (len(row) - 1) for row in rows]
    positions, whole = {}, max(widths)
    for number, row in enumerate(rows):
        x = (whole - widths[number]) / 2
        for point in row:
            positions[point] = (x + width(point) / 2, number * STEP + HEIGHT / 2)
            x += width(point) + GAP
    return positions, whole


def curve(points: list[tuple[float, float]]) -> str:
    """Return the path through ``points``, from the bottom of the first box to the top of the last."""
    (x, y), *between, (x_end, y_end) = points
    y, y_end = y + HEIGHT / 2, y_end - HEIGHT / 2 - 4  # 4: the tip of the arrow
    path = f"M{x:.0f} {y:.0f}"
    for to_x, to_y in [*between, (x_end, y_end)]:
        half = (y + to_y) / 2
        path += f"C{x:.0f} {half:.0f} {to_x:.0f} {half:.0f} {to_x:.0f} {to_y:.0f}"
        x, y = to_x, to_y
    return path


def box(rule: str, x: float, y: float, kind: str) -> str:
    """Return the box of a rule around (x, y), of the class ``kind``."""
    left, top, wide = x - width(rule) / 2, y - HEIGHT / 2, width(rule)
    rect = f'<rect x="{left:.0f}" y="{top:.0f}" width="{wide:.0f}" height="{HEIGHT}" rx="5"/>'
    return f'<g class="{kind}">{rect}<text x="{x:.0f}" y="{y + 4:.0f}">{escape(rule)}</text></g>'


def svg(edges: Edges, used: Iterable[str]) -> Markup | None:
    """Return the graph of the rules in ``used``, None where there are none; its classes are in page.css.

    A line that a longer path implies is left out. The rules that the next iteration starts with have the class
    ``again``.
    """
    rules = set(used) - LEFT_OUT
    if not rules:
        return None
    within, back = without_loop({(a, b) for a, b in edges if {a, b} <= rules and a != b})
    within = reduced(within)
    layer = layers(within, rules)
    lines = chains(within, layer)
    rows = ordered(lines, layer)
    where, whole = places(rows)
    paths = "".join(f'<path d="{curve([where[point] for point in line])}"/>' for line in lines)
    again = {b for _, b in back}
    boxes = "".join(box(rule, *where[rule], "again" if rule in again else "rule") for rule in layer)
    tip = '<marker id="tip" viewBox="0 0 6 6" refX="1" refY="3" markerWidth="5" markerHeight="5" orient="auto">'
    tip += '<path d="M0 0L6 3L0 6z"/></marker>'
    label = f"{len(rules)} rules: " + "; ".join(f"{a} to {b}" for a, b in sorted(within))
    high = (len(rows) - 1) * STEP + HEIGHT
    size = f'width="{whole:.0f}" height="{high}" viewBox="-2 -2 {whole + 4:.0f} {high + 4}"'
    return Markup(
        f'<svg class="rules" role="img" aria-label="{escape(label)}" {size}><defs>{tip}</defs>'
        f'<g class="lines">{paths}</g>{boxes}</svg>'
    )
