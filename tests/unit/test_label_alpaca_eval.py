"""The categories of figure 4: requests, parsing, and no request sent twice."""

import csv
import json

import pytest
from conftest import ROOT
from jobs import job
from stand_in import judge_server

from benchmarks import label_alpaca_eval
from metarewarding import templates
from metarewarding.evaluation.alpaca_categories import CATEGORIES, read_category, requests

TEMPLATE = ROOT / "config/prompts/category.txt"


def test_the_categories_are_those_of_the_figure_and_other():
    with open(ROOT / "workflow/report/paper.csv", encoding="utf-8", newline="") as file:
        metrics = [row["metric"] for row in csv.DictReader(file) if row["place"] == "Figure 4"]
    assert CATEGORIES == (*dict.fromkeys(metric.split(".")[1] for metric in metrics), "other")
    assert len(CATEGORIES) == 19


def test_a_request_names_every_category_and_the_instruction():
    (request,) = requests(
        [{"prompt_id": "a", "category": "", "turns": ["Boil {categories}?"]}], "{categories}: {prompt}"
    )
    assert request["id"] == "a"
    names, instruction = request["messages"][0]["content"].split(": ")
    assert names.splitlines() == [f"- {name}" for name in CATEGORIES]
    assert instruction == "Boil {categories}?"
    assert (request["temperature"], request["max_tokens"]) == (0, 16)
    whole = requests([{"prompt_id": "a", "category": "", "turns": ["Boil?"]}], templates.load(TEMPLATE, "category"))
    assert "- Software Development\n" in whole[0]["messages"][0]["content"]


@pytest.mark.parametrize(
    ("text", "category"),
    [
        *((name, name) for name in CATEGORIES),
        ("music", "Music"),
        (" Music.\n", "Music"),
        ("**Software Development**", "Software Development"),
        ('"DIY Projects"', "DIY Projects"),
        ("Category: Travel", "Travel"),
        ("- Other", "other"),
        ("Music or Literature", None),
        ("Science fiction", None),
        ("The category is Science", None),
        ("", None),
    ],
)
def test_an_answer_is_read_where_it_is_one_name(text, category):
    assert read_category(text) == category


def labelling(folder, judge, max_missing=0.25, subset=None):
    reference = [{"instruction": f"Say {i}.", "output": "", "generator": "base", "dataset": "toy"} for i in range(4)]
    (folder / "reference.json").write_text(json.dumps(reference))
    inputs = {"reference": folder / "reference.json", "template": TEMPLATE}
    outputs = {"categories": "categories.json", "stats": "stats.json"}
    params = {"judge": judge, "engine": None, "store": str(folder / "paid.jsonl"), "subset": subset}
    return job(folder, inputs, outputs, params | {"max_missing": max_missing})


def categories_of(body, before):
    instruction = body["messages"][0]["content"].split("<instruction>\n")[1].split("\n")[0]
    return {"Say 0.": "Music", "Say 1.": "music.", "Say 2.": "other", "Say 3.": "Say what?"}[instruction]


def test_instructions_are_labelled_once_and_answers_that_name_no_category_are_left_out(tmp_path):
    with judge_server(categories_of) as server:
        label_alpaca_eval.main(labelling(tmp_path, server.judge()))
        labels = json.loads((tmp_path / "categories.json").read_text())
        assert labels == {"Say 0.": "Music", "Say 1.": "Music", "Say 2.": "other"}
        facts = json.loads((tmp_path / "stats.json").read_text())
        assert (facts["questions"], facts["unread"], facts["asked"]) == (4, 1, 4)
        assert facts["labels"] == {"Music": 2, "other": 1}
        assert facts["process_seconds"] > 0
        assert "host" not in facts  # the judge is not served by this job
        assert facts["cost"] == pytest.approx(4 * (100 * 10 + 10 * 30) / 1e6)
        (tmp_path / "categories.json").unlink()
        label_alpaca_eval.main(labelling(tmp_path, server.judge()))
        assert len(server.bodies) == 4
        facts = json.loads((tmp_path / "stats.json").read_text())
        assert (facts["asked"], facts["from_store"]) == (0, 4)


def test_a_judge_that_names_no_categories_is_refused(tmp_path, capfd):
    with judge_server(lambda body, before: "I would rather not.") as server, pytest.raises(SystemExit):
        label_alpaca_eval.main(labelling(tmp_path, server.judge()))
    assert not (tmp_path / "categories.json").exists()
    output = (tmp_path / "job.log").read_text() + "".join(capfd.readouterr())
    assert "judge 'stand-in' gave no category of the list for 4 of 4 instructions" in output
    assert "Traceback" not in output
