"""docs/reproducibility.md: every value it states is the one in the config, and every name it cites exists."""

import importlib
import re

import lineage
import pytest
import settings
import yaml
from conftest import ROOT
from test_config import laid_over

TEXT = (ROOT / "docs/reproducibility.md").read_text(encoding="utf-8").split("## Index: ")[0]
ROWS = [
    [cell.strip() for cell in line.strip("| ").split(" | ")]
    for line in TEXT.splitlines()
    if line.startswith("|") and not line.startswith(("| section |", "|---"))
]
CITED = [(row[1], cited) for row in ROWS for cited in re.findall(r"`([^`]+)`", row[2])]
VALUES = [(what, *re.fullmatch(r"([^ ]+): (.*)", cited).groups()) for what, cited in CITED if ": " in cited]
NAMES = sorted({cited for _, cited in CITED if ": " not in cited})
PAPER = settings.resolve(laid_over("paper.yaml"))
# keys of the sections below on which no result depends, or that only bound a search
OF_THE_MACHINE = {
    *("sft.recipe", "sft.accelerate", "dpo.recipe", "dpo.accelerate", "dpo.measured_pairs", "sampling.shards"),
    *("sampling.seed", "prompts.path", "eft.trees", "eft.trees_sha256"),
    *(f"prompts.generation.{key}" for key in ("pools", "rounds", "per_round")),
}


def value_at(key: str):
    """Return the value of ``key`` in paper.yaml, in another file ("file:key"), or of each iteration of a method."""
    if key.startswith("config/"):
        file, key = key.split(":")
        of = yaml.safe_load((ROOT / file).read_text())
    else:
        of = PAPER
        if key.startswith("methods."):
            _, method, own = key.split(".")
            return [iteration[own] for iteration in lineage.iterations(PAPER, method)]
    for part in key.split("."):
        of = of[part]
    return of


def keys(of: dict, path: str) -> set[str]:
    result = set()
    for name, value in of.items():
        result |= keys(value, f"{path}.{name}") if isinstance(value, dict) else {f"{path}.{name}"}
    return result


def test_the_tables_are_read_whole():
    assert len(ROWS) > 80
    assert {len(row) for row in ROWS} == {4}
    assert {row[3] for row in ROWS} == {"P", "SR", "derived", "ours"}
    assert all(row[2].startswith("`") for row in ROWS)
    for section, _, _, origin in ROWS:  # what is printed is printed somewhere
        assert section != "–" or origin in ("ours", "derived"), section


@pytest.mark.parametrize(("what", "key", "value"), VALUES)
def test_every_value_is_that_of_the_config(what, key, value):
    assert value_at(key) == yaml.safe_load(value), what


@pytest.mark.parametrize("name", NAMES)
def test_every_name_exists(name):
    module, attribute = name.rsplit(".", 1)
    result = importlib.import_module("lineage" if module == "lineage" else f"metarewarding.{module}")
    assert hasattr(result, attribute)


@pytest.mark.parametrize("section", ["eft", "prompts", "templates", "sampling", "pairs", "sft", "dpo"])
def test_every_key_that_decides_a_result_has_a_row(section):
    assert keys(PAPER[section], section) - OF_THE_MACHINE <= {key for _, key, _ in VALUES}


@pytest.mark.parametrize("method", ["meta-rewarding", "self-rewarding"])
def test_what_an_iteration_names_itself_has_a_row(method):
    own = {key for iteration in PAPER["methods"][method]["iterations"] for key in iteration}
    assert {f"methods.{method}.{key}" for key in own} <= {key for _, key, _ in VALUES}


@pytest.mark.parametrize(
    "deviation",
    ["dropout 0.1", "clipped to norm 1", "cut at the token limit", "Elo scores of a response are equal", "held_out"],
)
def test_the_deviations_are_listed(deviation):
    assert deviation in TEXT.split("## Known deviations")[1]
