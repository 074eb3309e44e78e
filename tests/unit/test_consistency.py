"""Test-retest agreement of the meta-judge, and measure_sensitivity on a simulated run."""

import numpy as np
import pytest
from jobs import judgment, response, verdict

from benchmarks.measure_sensitivity import arrays, measure
from metarewarding import consistency
from metarewarding.reporting import judging
from metarewarding.reporting.figures.sensitivity import sensitivity as figures


def both(a, b, first, second):
    """Return the verdicts on (a, b) and on (b, a), with the winners "a" or "b"."""
    return [
        verdict(a, b, {"a": "first", "b": "second", None: None}[first]),
        verdict(b, a, {"a": "second", "b": "first", None: None}[second]),
    ]


def test_agreement_by_hand():
    before = [*both(0, 1, "a", "a"), *both(0, 2, "a", "b"), *both(1, 2, "b", None)]
    again = [*both(0, 1, "a", "b"), *both(0, 2, "a", "b"), *both(1, 2, "b", "b")]
    result = consistency.of_repeats(before, again)
    assert (result["presentations"], result["both_times"]) == (6, 5)
    assert result["retest"] == 4 / 5
    assert result["order"] == 1 / 2  # of the pairs (0, 1) and (0, 2)
    # each repeat against the first time in the other order; the last has none to hold it against
    assert result["retest_swapped"] == pytest.approx(2 / 5)


def test_a_judge_of_position_repeats_itself_and_flips_with_the_order():
    rows = [row for a in range(4) for b in range(a) for row in both(b, a, "a", "b")]
    result = consistency.of_repeats(rows, rows)
    assert (result["retest"], result["order"], result["retest_kappa"]) == (1, 0, None)


def test_a_judge_that_guesses_repeats_half():
    rng = np.random.default_rng(0)

    def guesses():
        return [
            verdict(a, b, "first" if rng.random() < 0.5 else "second") for a in range(60) for b in range(60) if a != b
        ]

    result = consistency.of_repeats(guesses(), guesses())
    assert result["retest"] == pytest.approx(0.5, abs=0.03)
    assert result["retest_kappa"] == pytest.approx(0, abs=0.05)


def test_nothing_repeated():
    assert consistency.of_repeats([], [])["retest"] is None


def simulated(prompts=300, k=4, n=6, noise=1.5):
    """Return rows of a run: one judgment has reliability 1 / (1 + noise^2), and the meta-judge sees its error."""
    rng = np.random.default_rng(0)
    responses, judgments, verdicts = [], [], []
    for p in range(prompts):
        name = f"p{p}"
        responses += [response(r, "x" * int(rng.integers(20, 200)), name) for r in range(k)]
        for r in range(k):
            true = rng.normal()
            scores = true + rng.normal(0, noise, n)
            judgments += [judgment(r, j, float(s), prompt=name) | {"chars": 50} for j, s in enumerate(scores)]
            if r == 0:
                errors = -abs(scores - true)
                for a in range(n):
                    for b in range(n):
                        if a != b:
                            won = rng.random() < 1 / (1 + np.exp(-2 * (errors[a] - errors[b])))
                            verdicts.append(verdict(a, b, "first" if won else "second", 0, name))
    return responses, judgments, verdicts


@pytest.fixture(scope="module")
def measured():
    responses, judgments, verdicts = simulated()
    return measure(responses, judgments, verdicts, verdicts[:60], 0.0, True, 0.001, 4, 0)


def test_a_run_of_known_truth_gives_back_its_reliability_and_its_best_n(measured):
    one = 1 / (1 + 1.5**2)
    expected = [n * one / (1 + (n - 1) * one) for n in range(1, 7)]
    assert measured["reliability"] == pytest.approx(expected, abs=0.06)
    best = min(n for n, value in enumerate(expected, start=1) if (value / expected[-1]) ** 0.5 >= 0.95)
    assert abs(measured["recommendation"]["n"] - best) <= 1
    assert f"N = {measured['recommendation']['n']} instead of 6" in measured["sentence"]
    assert measured["elo"]["both_orders"] > measured["elo"]["one_order"] > measured["elo"]["half_of_pairs"] - 0.1 > 0
    assert measured["consistency"]["retest"] == 1


def score(accuracy, half, n=400):
    of = {"accuracy": accuracy, "ci_low": accuracy - half, "ci_high": accuracy + half, "n": n}
    return {"title": "LLMBar", "pointwise": of, "pairwise": {"average": 60.0, "both": 40.0, "n": n}}


def metrics(measured, accuracies):
    models = ["seed", "m0", "meta-rewarding/m1"]
    parents = dict(zip(models[1:], models, strict=False))
    return {
        "models": [
            {
                "model": model,
                "parent": parents.get(model),
                "agreement": {"agreement": 0.6, "pairs": 640},
                "bias": None,
                "judged": {},
                "preferences": {"llmbar": score(accuracy, 3.0)},
                "sensitivity": measured if model == "m0" else None,
            }
            for model, accuracy in zip(models, accuracies, strict=True)
        ]
    }


@pytest.mark.parametrize(
    ("accuracies", "words"),
    [
        ((50.0, 60.0, 70.0), "became better on LLMBar +10.0 ± 4.2 points, and within noise on 2 of 3 measures."),
        ((50.0, 70.0, 60.0), "became worse on LLMBar −10.0 ± 4.2 points"),
        ((50.0, 60.0, 61.0), "no change of the judge is beyond noise on any of 3 measures"),
    ],
)
def test_the_page_gives_one_verdict(measured, accuracies, words):
    result = judging.section(metrics(measured, accuracies))
    assert words in result["verdict"]
    assert result["verdict"].startswith("From M0 to meta-rewarding/m1")
    assert result["rows"][1][0] == "m0"
    assert result["advice"] == [{"model": "m0", "sentence": measured["sentence"]}]


def test_the_page_without_training_says_so(measured):
    result = metrics(measured, (50.0, 60.0, 61.0))
    result["models"] = result["models"][:2]
    assert "No model was trained beyond M0" in judging.section(result)["verdict"]


def test_figures_are_drawn_for_what_there_is(measured):
    result = metrics(measured, (50.0, 60.0, 61.0))
    drawn = [figure for figure in figures(result, {"meta-rewarding": ["seed", "m0", "meta-rewarding/m1"]}) if figure]
    ids = {figure["id"] for figure in drawn}
    assert ids == {
        "preference_llmbar",
        "preference_llmbar_pairwise",
        "sensitivity_n",
        "sensitivity_k",
        "reliability_n",
        "reliability_elo",
        "sensitivity_rho",
    }
    for figure in drawn:
        assert figure["chart"].to_dict()


def test_an_empty_or_truncated_response_may_not_be_chosen():
    rows = [("a", "", "stop"), ("b", "cut o", "length"), ("c", "whole", "stop")]
    responses = [{"prompt_id": "p", "response_id": f"p/{r}", "text": t, "finish_reason": f} for r, t, f in rows]
    judgments = [{"response_id": row["response_id"], "score": 3.0} for row in responses]
    scores, lengths, may = arrays(responses, judgments, allow_truncated=False)
    assert scores.shape == (1, 3, 1)
    assert lengths.tolist() == [[0, 5, 5]]
    assert may.tolist() == [[False, False, True]]
    assert arrays(responses, judgments, allow_truncated=True)[2].tolist() == [[False, True, True]]
