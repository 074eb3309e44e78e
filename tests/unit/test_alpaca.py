"""AlpacaEval's scores: published scores are reproduced, and invalid files are refused."""

import json
import os
from pathlib import Path

import pytest
from conftest import ROOT
from jobs import job

from benchmarks import score_benchmark
from metarewarding.errors import UserError
from metarewarding.evaluation.alpaca_scores import alpaca_eval_scores, category_win_rates, hub_folder

TRUTH = Path(os.environ.get("TRUTH_DATA", ROOT.parent / "shared" / "truth")) / "alpaca_eval"
ANNOTATIONS, REFERENCE = TRUTH / "annotations_alpaca-7b.json", TRUTH / "reference_gpt4_1106_preview.json"
GAMED = TRUTH / "df_gamed_standin.csv"
needs_truth = pytest.mark.skipif(
    not ANNOTATIONS.is_file(),
    reason=f"needs AlpacaEval's {ANNOTATIONS.name}: set TRUTH_DATA to a folder that holds it in alpaca_eval/",
)


def write(path, rows):
    path.write_text(json.dumps(rows))
    return path


def annotation(i, preference, output="Four"):
    return {"instruction": f"Say {i}.", "output_1": "One.", "output_2": output, "preference": preference}


def refused(*files):
    with pytest.raises(UserError) as error:
        alpaca_eval_scores(*files)
    assert str(error.value).startswith(str(files[0]))
    return str(error.value)


# -- by hand


def test_a_subset_has_a_win_rate_only(tmp_path):
    path = write(tmp_path / "a.json", [annotation(0, 2.0), annotation(1, 1.0), annotation(2, 1.5, "Sixes")])
    assert alpaca_eval_scores(path) == {
        "win_rate": pytest.approx(50.0),
        "win_rate_se": pytest.approx(50 / 3**0.5),  # of 100, 0 and 50
        "lc_win_rate": None,
        "lc_win_rate_se": None,
        "avg_length": 4,  # 4.33
        "n": 3,
    }


def test_an_answer_without_a_verdict_counts_for_no_side(tmp_path):
    path = write(tmp_path / "a.json", [annotation(0, 1.8), annotation(1, None), annotation(2, 1.2)])
    assert alpaca_eval_scores(path)["win_rate"] == pytest.approx(50.0)
    assert alpaca_eval_scores(path)["n"] == 2


def test_win_rates_by_category_count_whole_verdicts(tmp_path):
    rows = [annotation(i, p) for i, p in enumerate([1.9, 1.51, 1.49, 1.5, None, 2.0])]
    rows[1]["prompt_id"] = "second"
    categories = {"Say 0.": "Roles", "second": "Roles", "Say 2.": "Roles", "Say 3.": "Puzzles", "Say 4.": "Puzzles"}
    assert category_win_rates(write(tmp_path / "a.json", rows), categories) == {
        "Puzzles": {"win_rate": pytest.approx(50.0), "n": 1},
        "Roles": {"win_rate": pytest.approx(200 / 3), "n": 3},
    }


@pytest.mark.parametrize(
    ("rows", "output"),
    [
        ([annotation(0, 1.0), annotation(0, 1.0)], "row 1: the instruction 'Say 0.' occurs twice"),
        ([annotation(0, "m")], "row 0: the field 'preference' is \"m\""),
        ([{"instruction": "Say 0."}], "row 0: the field 'output_2' is missing"),
        ({"rows": 1}, "a list of rows was expected"),
        ([], "no rows"),
    ],
)
def test_bad_annotations_are_named(tmp_path, rows, output):
    assert output in refused(write(tmp_path / "a.json", rows))


def test_a_file_that_was_cut_off_is_named(tmp_path):
    path = write(tmp_path / "a.json", [annotation(0, 1.0)])
    path.write_text(path.read_text()[:-9])
    assert "not a complete JSON file" in refused(path)


def test_unknown_instructions_are_refused(tmp_path):
    reference = write(tmp_path / "r.json", [{"instruction": "Say 0."}])
    output = refused(write(tmp_path / "a.json", [annotation(0, 1.0), annotation(1, 1.0)]), None, reference)
    assert f"the instruction 'Say 1.' is not in {reference}" in output


def test_as_many_rows_of_another_benchmark_are_refused(tmp_path):
    path = write(tmp_path / "a.json", [annotation(i, 1.0) for i in range(805)])
    assert "not AlpacaEval 2's instructions in their canonical order" in refused(path, GAMED)


# -- published


@pytest.fixture(scope="module")
def published():
    return json.loads(ANNOTATIONS.read_text())


@needs_truth
def test_published_scores_come_out():
    scores = alpaca_eval_scores(ANNOTATIONS, GAMED)
    assert scores["win_rate"] == pytest.approx(2.59145, abs=1e-5)
    assert scores["lc_win_rate"] == pytest.approx(5.8755, abs=0.2)
    assert scores["win_rate_se"] == pytest.approx(0.487, abs=1e-3)
    assert 0 < scores["lc_win_rate_se"] < 1
    assert (scores["avg_length"], scores["n"]) == (396, 805)


@needs_truth
def test_rows_in_another_order_are_put_in_order_or_refused(tmp_path, published):
    path = write(tmp_path / "a.json", published[::-1])
    assert alpaca_eval_scores(path, GAMED, REFERENCE) == alpaca_eval_scores(ANNOTATIONS, GAMED)
    assert "Give the reference outputs too" in refused(path, GAMED)


@needs_truth
def test_one_row_less_has_no_length_controlled_win_rate(tmp_path, published):
    scores = alpaca_eval_scores(write(tmp_path / "a.json", published[1:]), GAMED, REFERENCE)
    assert scores["lc_win_rate"] is None
    assert scores["n"] == 804


@needs_truth
def test_a_missing_verdict_keeps_its_row(tmp_path, published):
    path = write(
        tmp_path / "a.json", [row | {"preference": None} if i == 400 else row for i, row in enumerate(published)]
    )
    scores = alpaca_eval_scores(path, GAMED)
    assert scores["n"] == 804
    assert scores["lc_win_rate"] == pytest.approx(5.88, abs=0.2)


@needs_truth
def test_nothing_is_left_behind(tmp_path, monkeypatch):
    import alpaca_eval.constants
    import huggingface_hub.constants
    import sklearn

    package = Path(alpaca_eval.__file__).parent
    before = {file: file.stat().st_mtime_ns for file in package.rglob("*") if "__pycache__" not in file.parts}
    state = alpaca_eval.constants.DEFAULT_CACHE_DIR, huggingface_hub.constants.HF_HUB_OFFLINE, sklearn.get_config()
    monkeypatch.chdir(tmp_path)
    alpaca_eval_scores(ANNOTATIONS, GAMED)
    assert {file: file.stat().st_mtime_ns for file in package.rglob("*") if "__pycache__" not in file.parts} == before
    assert not list(tmp_path.iterdir())
    assert state == (
        alpaca_eval.constants.DEFAULT_CACHE_DIR,
        huggingface_hub.constants.HF_HUB_OFFLINE,
        sklearn.get_config(),
    )


@needs_truth
def test_without_the_hub_the_missing_file_is_named(tmp_path, monkeypatch):
    import alpaca_eval.constants
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(alpaca_eval.constants, "DEFAULT_CACHE_DIR", str(tmp_path))
    with pytest.raises(UserError, match=r"df_gamed\.csv.* was not given, is not in the hub's cache"):
        alpaca_eval_scores(ANNOTATIONS)
    with hub_folder(GAMED):
        folder = alpaca_eval.constants.DEFAULT_CACHE_DIR
        monkeypatch.setattr(alpaca_eval.constants, "DEFAULT_CACHE_DIR", folder)
        assert alpaca_eval_scores(ANNOTATIONS)["lc_win_rate"] == pytest.approx(5.8755, abs=0.2)


@needs_truth
def test_the_score_names_its_judge(tmp_path, published):
    stats = {"judge": "gpt4", "judge_model": "gpt-4-1106-preview", "annotator": "weighted", "missing": 0, "cost": 8.0}
    categories = {row["instruction"]: row["dataset"] for row in published}
    inputs = {
        "annotations": ANNOTATIONS,
        "stats": write(tmp_path / "stats.json", stats),
        "gamed": GAMED,
        "reference": REFERENCE,
        "categories": write(tmp_path / "categories.json", categories),
    }
    params = {"settings": {}, "seed": 0}
    score_benchmark.main(job(tmp_path, inputs, {"score": "score.json"}, params, model="m0", benchmark="alpaca_eval"))
    score = json.loads((tmp_path / "score.json").read_text())
    assert (score["judge"], score["judge_model"]) == ("gpt4", "gpt-4-1106-preview")
    assert score["lc_win_rate"] == pytest.approx(5.8755, abs=0.2)
    assert (score["model"], score["complete"], score["cost"]) == ("m0", True, 8.0)
    assert sum(rates["n"] for rates in score["categories"].values()) == 805
    assert set(score["categories"]) == set(categories.values())


def test_rows_without_any_verdict_are_refused_and_one_verdict_has_no_error(tmp_path):
    rows = [{"instruction": f"q{i}", "output_2": "x", "preference": None} for i in range(3)]
    with pytest.raises(UserError, match="no row has a verdict"):
        alpaca_eval_scores(write(tmp_path / "none.json", rows))
    rows[1]["preference"] = 1.75
    scores = alpaca_eval_scores(write(tmp_path / "one.json", rows))
    assert (scores["win_rate"], scores["win_rate_se"], scores["n"]) == (75, None, 1)
