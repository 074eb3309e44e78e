"""The documents: the index lists what exists, links have targets, README stays short."""

import importlib
import re

import draw_rules
import pytest
import settings
from conftest import ROOT, snakemake

from metarewarding.evaluation import registry

INDEX = (
    (ROOT / "docs/reproducibility.md").read_text(encoding="utf-8").split("| paper | what | rule |")[1].split("\n\n")[0]
)
ROWS = [
    [cell.strip() for cell in line.strip("| \n").split(" | ")]
    for line in INDEX.splitlines()[2:]
    if line.startswith("|")
]
RULES = {
    name
    for path in (ROOT / "workflow/rules").glob("*.smk")
    for name in re.findall(r"^rule (\w+):", path.read_text(), re.M)
} | {f"judge_{name}" for name, known in registry.every().items() if known.kind == registry.JUDGED_ANSWERS}


def named(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_every_rule_is_there():
    assert len(ROWS) > 15
    assert {name for row in ROWS for name in named(row[2])} <= RULES


def test_every_function_and_file_is_there():
    for row in ROWS:
        module = None
        for name in named(row[3]):
            if name.endswith((".py", ".smk", "/", ".yaml")):
                result = [
                    place for folder in ("scripts", "workflow") for place in (ROOT / folder).rglob(name.rstrip("/"))
                ]
                assert result or (ROOT / name).exists(), name
            elif "." in name:
                module, function = name.rsplit(".", 1)
                assert hasattr(importlib.import_module(f"metarewarding.{module}"), function), name
            elif module:
                assert hasattr(importlib.import_module(f"metarewarding.{module}"), name), name
            else:
                assert f"def {name}(" in (ROOT / "workflow/rules/common.smk").read_text(), name


@pytest.mark.parametrize("key", sorted({key for row in ROWS for key in named(row[4])}))
def test_every_key_is_in_the_schema(key):
    of = settings.base_schema()
    for part in key.split("."):
        of = of["additionalProperties"] if part == "*" else of["properties"][part]


PAGES = [ROOT / "README.md", ROOT / "results/README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file(page):
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


def test_ten_questions_name_at_most_two_files_each():
    text = (ROOT / "docs/extending.md").read_text(encoding="utf-8").split("## Ten questions")[1].split("\n## ")[0]
    rows = [line for line in text.splitlines() if line.startswith("| ")][1:]
    assert len(rows) == 10
    assert all(1 <= len(re.findall(r"\]\(", row.rsplit(" | ", 1)[1])) <= 2 for row in rows)


def test_the_graph_of_the_rules_is_current(project):
    graph = snakemake(project, "--rulegraph", "mermaid-js")
    assert draw_rules.page(graph.stdout) == draw_rules.PAGE.read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_edges_of_the_rules_are_current(project):
    graphs = [snakemake(project, *draw_rules.options(config)).stdout for config in draw_rules.CONFIGS]
    assert draw_rules.table(graphs) == draw_rules.EDGES.read_text(encoding="utf-8")
