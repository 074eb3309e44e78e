"""The graph of a run's rules: layers, omitted edges and drawing; and contrast of colours."""

import re
from itertools import combinations
from xml.etree import ElementTree

import pytest
from conftest import ROOT

from metarewarding.reporting import rule_graph
from metarewarding.reporting.figures import charts

EDGES = rule_graph.read(ROOT / "workflow/report/rules.csv")
RULES = {rule for edge in EDGES for rule in edge} - rule_graph.LEFT_OUT


def test_a_line_that_a_longer_path_stands_for_is_left_out():
    assert rule_graph.reduced({("a", "b"), ("b", "c"), ("a", "c"), ("c", "d"), ("a", "d")}) == {
        ("a", "b"),
        ("b", "c"),
        ("c", "d"),
    }


def test_the_next_iteration_is_no_loop_of_the_drawing():
    edges = {("train_sft", "sample"), ("sample", "train_dpo"), ("train_dpo", "sample"), ("train_dpo", "report")}
    assert rule_graph.without_loop(edges) == (edges - {("train_dpo", "sample")}, {("train_dpo", "sample")})


def test_every_arrow_leads_downwards():
    within, back = rule_graph.without_loop({(a, b) for a, b in EDGES if {a, b} <= RULES})
    layer = rule_graph.layers(within, RULES)
    assert all(layer[a] < layer[b] for a, b in within)
    assert {b for a, b in back if a == "train_dpo"} >= {"sample_and_judge", "meta_judge"}


def boxes(drawn) -> list[tuple[str, float, float, float, float]]:
    """Return (rule, left, right, top, bottom) of each box."""
    result = []
    for group in ElementTree.fromstring(drawn).iter("g"):
        box, text = group.find("rect"), group.find("text")
        if box is not None:
            x, y, width, height = (float(box.get(key)) for key in ("x", "y", "width", "height"))
            result.append((text.text, x, x + width, y, y + height))
    return result


@pytest.mark.parametrize("used", [RULES, {"train_dpo", "sample_and_judge", "a_new_rule"}])
def test_each_rule_has_a_box_and_no_box_hides_another(used):
    drawn = boxes(str(rule_graph.svg(EDGES, used)))
    assert sorted(rule for rule, *_ in drawn) == sorted(used)
    for (_, *one), (_, *other) in combinations(drawn, 2):
        left, right, top, bottom = one
        assert right < other[0] or other[1] < left or bottom < other[2] or other[3] < top


def test_there_is_no_graph_without_rules():
    assert rule_graph.svg(EDGES, set()) is None


# -- colours: at least 3:1 with the ground, in both schemes (WCAG 1.4.11)


def luminance(colour: list[float]) -> float:
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in colour]
    return sum(weight * value for weight, value in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: list[float], other: list[float]) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def inverted(colour: list[float], share: float) -> list[float]:
    """Return a colour after the CSS filter `invert(share) hue-rotate(180deg)` (Filter Effects, section 9)."""
    colour = [value * (1 - 2 * share) + share for value in colour]
    rotation = ((-0.574, 1.430, 0.144), (0.426, 0.430, 0.144), (0.426, 1.430, -0.856))
    rotated = (sum(weight * value for weight, value in zip(row, colour, strict=True)) for row in rotation)
    return [min(max(value, 0.0), 1.0) for value in rotated]


def test_marks_can_be_seen_in_both_schemes():
    css = (ROOT / "workflow/report/page.css").read_text(encoding="utf-8")
    share = float(re.search(r"filter: invert\((\.\d+)\) hue-rotate\(180deg\)", css).group(1))
    ground = re.search(r"figure\.chart \{ background: #(\w{6})", css).group(1)
    white = [1.0, 1.0, 1.0]
    assert inverted(white, share) == pytest.approx([int(ground[i : i + 2], 16) / 255 for i in (0, 2, 4)], abs=0.003)
    scale = charts.models_scale(["seed", "m0"]).range
    for name in [*charts.COLOURS, *charts.OUTCOMES, *scale, *(colour for ramp in charts.RAMPS for colour in ramp)]:
        colour = [int(name[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        assert contrast(colour, white) >= 3, name
        assert contrast(inverted(colour, share), inverted(white, share)) >= 3, name
