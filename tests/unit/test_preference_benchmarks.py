"""Preference benchmarks: readers of the published forms, verdicts in both orders, and the programs around them."""

import json
import os
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import ROOT
from jobs import job, judgment, read, write

from benchmarks import prepare_preferences, score_benchmark
from metarewarding.engines.sampling import Completion
from metarewarding.errors import UserError
from metarewarding.evaluation import (
    held_out_preferences,
    judgebench,
    llmbar,
    own_preferences,
    pandalm,
    preference_judging,
    registry,
    reward_bench_2,
)
from metarewarding.evaluation.preference_rows import item, responses_of, subset_of

TRUTH = Path(os.environ.get("TRUTH_DATA", ROOT.parent / "shared" / "truth")) / "judge"
needs_truth = pytest.mark.skipif(not TRUTH.is_dir(), reason=f"{TRUTH}: the published rows are not there")


# -- readers


@needs_truth
def test_llmbar_as_published():
    files = {llmbar.source(subset): TRUTH / f"llmbar/{subset}_dataset.json" for subset in llmbar.SUBSETS}
    rows = llmbar.read(files)
    assert Counter(row["subset"] for row in rows) == {
        "Natural": 100,
        "Neighbor": 134,
        "GPTInst": 92,
        "GPTOut": 47,
        "Manual": 46,
    }
    first = json.loads((TRUTH / "llmbar/Natural_dataset.json").read_text(encoding="utf-8"))[0]
    best = next(r["text"] for r in rows[0]["responses"] if r["response_id"] == rows[0]["best"][0])
    assert best == first[f"output_{first['label']}"]


@needs_truth
def test_judgebench_as_published():
    rows = judgebench.read_file(TRUTH / "judgebench/pairs_gpt-4o-2024-05-13.jsonl")
    assert Counter(row["subset"] for row in rows) == {"knowledge": 154, "reasoning": 98, "math": 56, "coding": 42}
    assert Counter(row["best"][0][-2:] for row in rows) == {"r0": 193, "r1": 157}


@needs_truth
def test_pandalm_as_published():
    rows = pandalm.read({"pandalm_testset": TRUTH / "pandalm_testset-v1.json"})
    assert len(rows) == 999
    labels = Counter("tie" if len(row["best"]) == 2 else row["best"][0][-1] for row in rows)
    assert labels == {"tie": 105, "0": 422, "1": 472}
    assert len({row["prompt_id"] for row in rows}) == 170


def reward_bench_rows():
    return [
        {"id": "1", "prompt": "2+2?", "chosen": ["4"], "rejected": ["5", "6", "7"], "subset": "Math"},
        {"id": "tied:1", "prompt": "A colour?", "chosen": ["red", "blue"], "rejected": ["dog"], "subset": "Ties"},
    ]


def parquet_file(path, rows):
    import pyarrow
    from pyarrow import parquet

    parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    return str(path)


def test_reward_bench_2_has_best_of_four_and_ties(tmp_path):
    rows = reward_bench_2.read({"reward_bench_2_test": parquet_file(tmp_path / "rb", reward_bench_rows())})
    assert [(len(row["responses"]), len(row["best"]), row["subset"]) for row in rows] == [
        (4, 1, "Math"),
        (3, 2, "Ties"),
    ]


def ties_rows(path, scores):
    """Return (rows, {response_id: score}) of Ties questions.

    ``scores``: {id: (scores of right answers, of wrong ones)}.
    """
    rows = [
        {"id": key, "prompt": key, "chosen": [f"r{s}" for s in right], "rejected": [f"w{s}" for s in wrong]}
        | {"subset": "Ties"}
        for key, (right, wrong) in scores.items()
    ]
    items = reward_bench_2.read({"reward_bench_2_test": parquet_file(path, rows)})
    return items, {r["response_id"]: float(r["text"][1:]) for item in items for r in item["responses"]}


def test_the_published_score_of_ties(tmp_path):
    """By hand, from the formula in rewardbench/utils.py."""
    items, means = ties_rows(
        tmp_path / "rb",
        {
            "ref:0": ([5], [1]),
            "tied:0": ([5, 4], [1]),  # gap 3 is wider than the spread 1, and so is the reference's gap 4
            "ref:1": ([3], [2]),
            "tied:1": ([5, 3], [0]),  # gap 3 is wider than the spread 2, the reference's gap 1 is not
            "ref:2": ([1], [2]),
            "tied:2": ([5, 2], [3]),  # both are wrong
        },
    )
    closeness = (np.tanh(3 / 1 - 1) + np.tanh(1 / 2 - 1) + np.tanh(-1 / 3 - 1)) / 3
    expected = 0.3 * 2 / 3 + 0.3 * 2 / 3 + 0.2 * 2 / 3 + 0.2 * 1 / 3 + 0.01 * closeness
    assert reward_bench_2.ties_score(items, means) == pytest.approx(100 * expected)
    assert reward_bench_2.ties_score(items[:1], means) is None
    missing = means | {items[1]["best"][0]: np.nan}
    expected -= (0.3 + 0.2 + 0.2) / 3 + 0.01 * np.tanh(2) / 3
    assert reward_bench_2.ties_score(items, missing) == pytest.approx(100 * expected)


def test_reward_bench_2_in_another_form_is_named(tmp_path):
    bad = parquet_file(tmp_path / "bad", [reward_bench_rows()[0] | {"rejected": []}])
    with pytest.raises(UserError, match="row '1' needs lists"):
        reward_bench_2.read({"reward_bench_2_test": bad})
    other = parquet_file(tmp_path / "other", [{"question": "?"}])
    with pytest.raises(UserError, match="not a readable parquet file with id"):
        reward_bench_2.read({"reward_bench_2_test": other})
    (tmp_path / "text").write_text("no parquet")
    with pytest.raises(UserError, match="not a readable parquet file"):
        reward_bench_2.read({"reward_bench_2_test": str(tmp_path / "text")})


def test_rows_of_the_users_own(tmp_path):
    a = {"prompt": "?", "responses": ["x", "y", "z"], "best": [0, 2], "subset": "s", "prompt_id": "p"}
    b = {"prompt": "?", "responses": ["x", "y"], "best": 1}
    rows = own_preferences.read({"path": write(tmp_path / "own.jsonl", a, b)})
    assert rows[0]["best"] == ["own/1/r0", "own/1/r2"]
    assert (rows[0]["prompt_id"], rows[0]["subset"]) == ("p", "s")
    assert rows[1]["best"] == ["own/2/r1"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"prompt": "?", "responses": ["x", "y"], "best": 2}, "line 1: `best` is 2"),
        ({"prompt": "?", "responses": ["x", "y"], "best": True}, "line 1: `best` is True|field 'best'"),
        ({"prompt": "?", "responses": ["x"], "best": 0}, "line 1: the row has fewer than two responses"),
        ({"prompt": "?", "responses": ["x", 3], "best": 0}, "line 1: the row has a text that is empty or not a string"),
        ({"prompt": "?", "responses": ["x", " "], "best": 0}, "line 1: the row has a text that is empty"),
        ({"prompt": "?", "responses": ["x", "y"], "best": []}, r"line 1: `best` is \[\]"),
        ({"prompt": "?", "best": 0}, "'responses' is missing"),
    ],
)
def test_bad_rows_of_the_users_own_are_named(tmp_path, row, message):
    with pytest.raises(UserError, match=message):
        own_preferences.read({"path": write(tmp_path / "own.jsonl", row)})


def reply(prompt, name, rank):
    return {"prompt_id": prompt, "response_id": f"{prompt}-{name}", "prompt": "?", "text": name, "rank": rank}


def test_held_out_replies_keep_their_ids(tmp_path):
    replies = [reply("p", "a", 1), reply("p", "b", 0), reply("q", "c", 0)]
    (row,) = held_out_preferences.read({"replies": write(tmp_path / "eval.jsonl", *replies)})
    assert row["best"] == ["p-b"]
    assert [r["response_id"] for r in responses_of([row])] == ["p-a", "p-b"]


def test_a_subset_is_spread_evenly():
    rows = [item(str(i), "?", ["a", "b"], [0]) for i in range(10)]
    assert [row["item_id"] for row in subset_of(rows, 3)] == ["0", "3", "6"]
    assert subset_of(rows, None) == rows


def test_every_source_is_pinned():
    for name, (_, path, _) in registry.sources().items():
        pinned = any(len(part) == 40 and set(part) <= set("0123456789abcdef") for part in path.split("/"))
        assert pinned or "{revision}" in path, name
    url, digest = registry.address("reward_bench_2_test", "a" * 40)
    assert f"/resolve/{'a' * 40}/data/" in url
    assert digest is None
    assert {benchmark.licence for benchmark in registry.every().values() if benchmark.read_rows} >= {
        "MIT",
        "Apache-2.0",
        "ODC-BY",
    }


# -- verdicts


@pytest.mark.parametrize(
    ("text", "winner"),
    [
        ("A is longer.\nWinner: Response A", "A"),
        ("**Winner:** [Response B]", "B"),
        ("Winner: B", "B"),
        ("The winner is Response A.", "A"),
        ("Winner: tie", "tie"),
        ("Winner: [Response A | Response B]", None),
        ("Both are fine.", None),
        ("", None),
    ],
)
def test_verdicts_are_read(text, winner):
    assert preference_judging.parse_verdict(text) == winner


class Prefers:
    """An engine that prefers the response with this word, or the one shown first."""

    def __init__(self, word):
        self.word, self.received = word, []

    def usage(self):
        return 0, 0

    def generate(self, requests):
        self.received += requests
        return [[Completion(f"Winner: Response {self.side(r.messages[0]['content'])}", 3, "stop")] for r in requests]

    def side(self, text):
        a, b = text.split("|")
        return "B" if self.word in b and self.word not in a else "A"


def items():
    return [
        item("x/1", "q1", ["good", "bad"], [0], "s"),
        item("x/2", "q2", ["bad", "good"], [1], "s"),
        item("x/3", "q3", ["bad", "worse", "good", "poor"], [2], "t"),
        item("x/4", "q4", ["fine", "nice"], [0, 1], "t"),
    ]


def test_both_orders_of_one_pair_a_row():
    engine = Prefers("good")
    verdicts, facts = preference_judging.judge_pairs(engine, items(), "{response_a}|{response_b}{prompt}", 9, 0)
    assert facts["requests"] == len(verdicts) == 8
    assert all(request.decoding.temperature == 0 for request in engine.received)
    shown = [(row["first"], row["second"]) for row in verdicts if row["item_id"] == "x/3"]
    assert shown[0] == shown[1][::-1]
    assert "x/3/r2" in shown[0]
    result = preference_judging.score(items(), [], verdicts)["pairwise"]
    # the tie is answered by position: right in neither order
    assert (result["both"], result["average"], result["agreement"], result["n"]) == (75, 75, 75, 4)


def test_a_judge_that_takes_the_first_is_consistent_in_nothing():
    verdicts, _ = preference_judging.judge_pairs(Prefers("nothing"), items(), "{response_a}|{response_b}{prompt}", 9, 0)
    result = preference_judging.score(items(), [], verdicts)["pairwise"]
    assert (result["both"], result["agreement"]) == (0, 0)


def test_rows_that_are_ties_by_their_label_have_no_pointwise_accuracy():
    judgments = [
        {"response_id": response["response_id"], "score": 5.0 if response["text"] == "good" else 1.0}
        for row in items()[:3]
        for response in row["responses"]
    ]
    result = preference_judging.score(items(), judgments, None)
    assert (result["pointwise"]["accuracy"], result["pointwise"]["n"]) == (100, 3)
    assert result["pairwise"] is None
    assert (result["responses"], result["responses_without_score"]) == (10, 2)
    with pytest.raises(UserError, match="in no row of the benchmark"):
        preference_judging.score(items(), [{"response_id": "other", "score": 1.0}], None)


# -- programs


def test_rows_are_prepared_and_scored(tmp_path, capsys):
    own = write(tmp_path / "own.jsonl", *({"prompt": f"q{i}", "responses": ["a", "b"], "best": 0} for i in range(4)))
    built = job(tmp_path, {"path": own}, {"rows": "rows.jsonl"}, {"subset": 2}, preference="own_preferences")
    prepare_preferences.main(built)
    rows = read(tmp_path / "rows.jsonl")
    assert [row["item_id"] for row in rows] == ["own/1", "own/3"]
    judged = [
        judgment(0, 0, score)
        | {key: response["response_id"] + end for key, end in (("response_id", ""), ("judgment_id", "/j0"))}
        | {"prompt_id": row["prompt_id"]}
        for row in rows
        for response, score in zip(row["responses"], (4.0, 2.0), strict=True)
    ]
    inputs = {"preferences": tmp_path / "rows.jsonl", "judgments": write(tmp_path / "j.jsonl", *judged)}
    params, name = {"settings": {"pairwise": False}, "seed": 0}, "own_preferences"
    score_benchmark.main(job(tmp_path, inputs, {"score": "score.json"}, params, model="m0", benchmark=name))
    result = json.loads((tmp_path / "score.json").read_text())
    assert (result["pointwise"]["accuracy"], result["pairwise"], result["model"]) == (100, None, "m0")
    assert result["title"] == "Own preferences"
    assert SimpleNamespace(**result).responses == 4
