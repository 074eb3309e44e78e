"""Scores of judges on preference rows: counting, intervals, and published numbers."""

import json
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from sklearn.metrics import cohen_kappa_score

from metarewarding.benchmarks import pairwise_scores, preference_scores
from metarewarding.errors import UserError
from metarewarding.evaluation.preference import clustered_interval, cohen_kappa

TRUTH = Path(os.environ.get("TRUTH_DATA", ROOT.parent / "shared" / "truth")) / "judge"
needs_truth = pytest.mark.skipif(not TRUTH.is_dir(), reason=f"{TRUTH}: the published rows are not there")


def row(scores, best=0, prompt="p", subset="s"):
    return {"prompt_id": prompt, "scores": scores, "best": best, "subset": subset}


def pair(label, verdict, swapped):
    return {"label": label, "verdict": verdict, "verdict_swapped": swapped}


# -- published numbers


@needs_truth
def test_judgebench_with_a_published_reward_model():
    with open(TRUTH / "judgebench/scores_Skywork-Reward-Llama-3.1-8B.jsonl", encoding="utf-8") as file:
        published = [json.loads(line) for line in file]

    def subset(source):
        return "knowledge" if source.startswith("mmlu-pro") else source

    rows = [row(r["scores"], int(r["label"] == "B>A"), r["pair_id"], subset(r["source"])) for r in published]
    result = preference_scores(rows)
    # 218 right, 131 wrong, and one pair with equal scores (20.75), which the published figure counts as wrong
    assert (result["accuracy"], result["ties"], result["n"]) == (pytest.approx(100 * 218.5 / 350), 1, 350)
    assert result["accuracy_ties_wrong"] == pytest.approx(62.2857, abs=1e-4)
    expected = {"knowledge": (59.09, 154), "livebench-reasoning": (64.29, 98), "livebench-math": (76.79, 56)}
    expected |= {"livecodebench": (50.0, 42)}
    by_subset = {name: (round(of["accuracy_ties_wrong"], 2), of["n"]) for name, of in result["by_subset"].items()}
    assert by_subset == expected
    # as many clusters as rows: the interval of a plain mean
    half = 1.959964 * np.std([1] * 218 + [0.5] + [0] * 131, ddof=1) / 350**0.5 * 100
    assert result["ci_high"] - result["accuracy"] == pytest.approx(half, abs=1e-4)


@needs_truth
@pytest.mark.parametrize(
    ("subset", "expected"),
    [("Natural", (95.5, 93.0, 95.0, 0.8977)), ("Neighbor", (78.7313, 75.3731, 93.2836, 0.8651))],
)
def test_llmbar_with_gpt4(subset, expected):
    published = json.loads((TRUTH / f"llmbar/{subset}_GPT-4_Vanilla_result.json").read_text(encoding="utf-8"))
    rows = [
        pair(str(r["label"]), *(r["results"][0][f"swap = {swap}"]["winner"] for swap in (False, True)))
        for r in published
    ]
    result = pairwise_scores(rows)
    assert tuple(result[key] for key in ("average", "both", "agreement", "kappa")) == pytest.approx(expected, abs=5e-5)


@needs_truth
def test_pandalm_annotators():
    published = json.loads((TRUTH / "pandalm_testset-v1.json").read_text(encoding="utf-8"))
    names = {0: "tie", 1: "1", 2: "2"}
    result = [
        pairwise_scores([pair("1", names[r[f"annotator{a}"]], names[r[f"annotator{b}"]]) for r in published])["kappa"]
        for a, b in ((1, 2), (1, 3), (2, 3))
    ]
    assert result == pytest.approx([0.852, 0.879, 0.862], abs=5e-4)


# -- pointwise


def test_counts_by_hand():
    rows = [
        row([5, 1]),  # right
        row([1, 5]),  # wrong
        row([3, 3]),  # a tie: one half
        row([4, 4, 4, 1], best=1),  # one of three
        row([4, 4, 1], best=2),  # the tied ones are both wrong
        row([2, 2, 1], best=[0, 1]),  # the tied ones are both right
        row([2, 1, 2], best=[0, 1]),
    ]
    result = preference_scores(rows)
    assert result["accuracy"] == pytest.approx(100 * (1 + 0 + 1 / 2 + 1 / 3 + 0 + 1 + 1 / 2) / 7)
    assert (result["accuracy_without_ties"], result["ties"], result["n"]) == (50, 5, 7)
    assert result["accuracy_ties_wrong"] == pytest.approx(100 / 7)


def test_scores_that_differ_in_the_last_bit_are_tied():
    assert preference_scores([row([0.1 + 0.2, 0.3])])["ties"] == 1


def test_a_missing_score_is_no_preference():
    result = preference_scores([row([None, 5], best=1), row([None, None, 4, 2], best=3)])
    assert (result["accuracy"], result["ties"], result["accuracy_without_ties"]) == (37.5, 2, None)


def test_subsets_are_scored_apart():
    result = preference_scores([row([5, 1], subset="a"), row([1, 5], subset="b"), row([1, 5], subset="b", prompt="q")])
    assert {name: (of["accuracy"], of["n"]) for name, of in result["by_subset"].items()} == {"a": (100, 1), "b": (0, 2)}
    assert result["by_subset"]["b"].keys() == result.keys() - {"by_subset"}


def test_no_rows():
    result = preference_scores([])
    assert result == {
        "accuracy": None,
        "accuracy_without_ties": None,
        "accuracy_ties_wrong": None,
        "ties": 0,
        "n": 0,
        "ci_low": None,
        "ci_high": None,
        "by_subset": {},
    }


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (row([1]), "two responses or more"),
        (row([1, 2], best=2), "indices from 0 to 1"),
        (row([1, 2], best=-1), "indices from 0 to 1"),
        (row([1, 2], best=[]), "indices from 0 to 1"),
        (row([1, float("nan")]), "not finite"),
    ],
)
def test_bad_rows_are_named(bad, message):
    with pytest.raises(UserError, match=f"row 2 .*'p'.*{message}"):
        preference_scores([row([1, 2]), bad])


def test_repeated_rows_of_a_prompt_do_not_narrow_the_interval():
    rng = np.random.default_rng(0)
    once = [row([1, 0] if rng.random() < 0.7 else [0, 1], prompt=str(i)) for i in range(60)]
    a, b = preference_scores(once), preference_scores(once * 5)
    assert (a["ci_low"], a["ci_high"]) == pytest.approx((b["ci_low"], b["ci_high"]))


def test_the_interval_holds_the_truth_as_often_as_it_says():
    rng, held = np.random.default_rng(1), 0
    for _ in range(400):
        of_prompt = rng.beta(3, 2, size=80)  # mean 0.6
        clusters = np.repeat(np.arange(80), 4)
        low, high = clustered_interval((rng.random(320) < of_prompt[clusters]).astype(float), clusters)
        held += low <= 60 <= high
    assert 0.91 < held / 400 < 0.98


def test_the_interval_of_rows_that_are_all_right_is_not_empty():
    result = preference_scores([row([5, 1], prompt=str(i)) for i in range(10)])
    assert result["ci_low"] == pytest.approx(100 * 10 / (10 + 1.959964**2), abs=1e-3)
    assert result["ci_high"] == 100
    assert preference_scores([row([5, 1]), row([5, 1])])["ci_low"] is None


# -- pairwise


def test_verdicts_by_hand():
    rows = [
        pair("1", "1", "1"),
        pair("1", "1", "2"),
        pair("2", "tie", "2"),
        pair("tie", "tie", "1"),
        pair("2", None, "2"),
    ]
    result = pairwise_scores(rows)
    assert result["average"] == pytest.approx(100 * (1 + 1 / 2 + 3 / 4 + 1 / 2 + 1 / 2) / 5)
    assert (result["both"], result["agreement"], result["n"]) == (20, 20, 5)


def test_kappa_is_that_of_scikit_learn():
    rng = np.random.default_rng(2)
    first = rng.choice(["1", "2", "tie"], 200)
    second = np.where(rng.random(200) < 0.6, first, rng.choice(["1", "2", "tie"], 200))
    assert cohen_kappa(list(first), list(second)) == pytest.approx(cohen_kappa_score(first, second))


def test_kappa_where_it_is_undefined():
    assert pairwise_scores([pair("1", "1", "1")] * 3)["kappa"] is None
    assert pairwise_scores([]) == {"average": None, "both": None, "agreement": None, "kappa": None, "n": 0}


@pytest.mark.parametrize("bad", [pair("A", "1", "1"), pair("1", "first", "1"), pair("1", "1", 2), pair(None, "1", "1")])
def test_an_unknown_verdict_is_named(bad):
    with pytest.raises(UserError, match="preference row 2"):
        pairwise_scores([pair("1", "1", "1"), bad])


def test_a_simulated_judge_of_known_reliability_has_its_known_accuracy():
    """Two responses a gap apart, judged by means of n judgments: accuracy is Phi(gap / (sd sqrt(2 / n)))."""
    from scipy.stats import norm

    rng = np.random.default_rng(3)
    gap, sd, n = 0.5, 1.0, 5
    noise = rng.normal(0, sd / n**0.5, size=(20_000, 2))
    rows = [row([gap + a, b], prompt=str(i)) for i, (a, b) in enumerate(noise)]
    result = preference_scores(rows)
    assert result["accuracy"] == pytest.approx(100 * norm.cdf(gap / (sd * (2 / n) ** 0.5)), abs=1)
    assert Counter({"s": 20_000}) == Counter({name: of["n"] for name, of in result["by_subset"].items()})
