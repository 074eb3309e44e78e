"""Meta-judge bias, computed by hand."""

from itertools import combinations
from random import Random

import pytest

from metarewarding.bias import meta_judge_bias


def judgment(identity, score, text=None, response="r"):
    return {"judgment_id": identity, "response_id": response, "score": score, "text": text or "same length"}


def verdict(first, second, winner):
    return {"first": first, "second": second, "winner": winner}


JUDGMENTS = [judgment("a", 5), judgment("b", 3), judgment("c", 3), judgment("d", 1, "much longer than the others")]


def test_every_share_by_hand():
    rows = [
        verdict("a", "b", "first"),  # the higher score, both times: no flip
        verdict("b", "a", "second"),
        verdict("b", "c", "first"),  # equal scores, the first place both times: a flip
        verdict("c", "b", "first"),
        verdict("a", "c", "second"),  # different scores, the second place both times: a flip
        verdict("c", "a", "second"),
        verdict("a", "d", "second"),  # the lower score and the longer text; the other order has no verdict
        verdict("d", "a", None),
        verdict("b", "d", "first"),  # the higher score and the shorter text; the other order was not shown
    ]
    result = meta_judge_bias(rows, JUDGMENTS)
    # pairs of different scores whose verdicts agree: a over b
    assert (result["higher_score_wins"], result["lower_score_wins"], result["agreeing_pairs"]) == (1, 0, 1)
    # all verdicts on different scores: a, a over b; c, a of a and c; d over a; b over d
    assert result["higher_score_wins_all_verdicts"] == pytest.approx(4 / 6)
    assert result["position_bias_same_score"] == 1
    assert result["position_bias_different_score"] == 1 / 2
    assert result["position_bias"] == pytest.approx(2 / 3)
    assert result["first_wins"] == 4 / 8
    assert result["longer_wins"] == 1 / 2
    assert (result["presentations"], result["verdicts"], result["pairs"], result["pairs_of_same_score"]) == (9, 8, 3, 1)


def test_intervals_are_clustered_by_response():
    """Ten responses of three judgments: on five the higher score wins each pair, on five it loses each."""
    judgments = [judgment(f"{r}/{j}", 1 + j, response=f"{r}") for r in range(10) for j in range(3)]
    rows = []
    for r in range(10):
        for a, b in combinations(range(3), 2):
            won = max(a, b) if r < 5 else min(a, b)
            for first, second in ((a, b), (b, a)):
                rows.append(verdict(f"{r}/{first}", f"{r}/{second}", "first" if won == first else "second"))
    result = meta_judge_bias(rows, judgments)
    assert (result["higher_score_wins"], result["agreeing_pairs"]) == (0.5, 30)
    # as wide as that of ten questions: a standard error of 0.5 / sqrt(9), and not of 30
    assert result["higher_score_wins_ci"] == pytest.approx((50 - 196 / 6, 50 + 196 / 6), abs=0.01)
    assert result["lower_score_wins_ci"] == pytest.approx(result["higher_score_wins_ci"])
    assert result["position_bias_ci"] == pytest.approx((0, 100 * 3.8415 / 13.8415), abs=0.01)  # Wilson's of 0 of 10
    assert result["position_bias_same_score_ci"] == (None, None)


def test_nothing_counted_is_none_and_not_zero():
    result = meta_judge_bias([verdict("a", "b", None)], JUDGMENTS)
    assert result["position_bias"] is result["higher_score_wins"] is result["first_wins"] is None
    assert (result["presentations"], result["verdicts"]) == (1, 0)


def test_a_judge_that_always_takes_the_first_is_all_position():
    rows = [verdict(x, y, "first") for x in "abcd" for y in "abcd" if x != y]
    result = meta_judge_bias(rows, JUDGMENTS)
    assert result["position_bias"] == result["first_wins"] == 1
    assert result["higher_score_wins_all_verdicts"] == result["longer_wins"] == 0.5
    assert result["higher_score_wins"] is None  # no two verdicts agree


def test_a_presentation_that_stands_twice_is_an_error():
    with pytest.raises(ValueError, match="a and b occurs twice"):
        meta_judge_bias([verdict("a", "b", "first"), verdict("a", "b", "second")], JUDGMENTS)


def test_a_verdict_on_an_unknown_judgment_is_an_error():
    with pytest.raises(KeyError):
        meta_judge_bias([verdict("a", "z", "first")], JUDGMENTS)


# -- a simulated meta-judge with the properties that the paper prints of its own (table 5)


def simulated(of_different, of_same, flips_different, flips_same, higher):
    """Return (verdicts, judgments) with these numbers of pairs of different and of same scores.

    Given shares of both flip with the order; of the others the higher score wins with the share ``higher``.
    """
    random = Random(0)
    judgments, verdicts = [], []

    def add(number, scores, outcome):
        a, b = (f"{number}/j{i}" for i in (0, 1))
        judgments.extend(judgment(identity, score) for identity, score in zip((a, b), scores, strict=True))
        if outcome == "flip":
            winners = random.choice([("first", "first"), ("second", "second")])
        else:
            winners = ("first", "second") if outcome == "a" else ("second", "first")
        verdicts.extend([verdict(a, b, winners[0]), verdict(b, a, winners[1])])

    for number in range(of_different):
        scores = random.sample([1, 2, 3, 4, 4.5, 5], 2)
        better = "a" if scores[0] > scores[1] else "b"
        worse = "b" if better == "a" else "a"
        flipped = round(flips_different * of_different)
        of_higher = round(higher * (of_different - flipped))
        add(number, scores, "flip" if number < flipped else better if number < flipped + of_higher else worse)
    for number in range(of_same):
        outcome = "flip" if number < round(flips_same * of_same) else random.choice("ab")
        add(of_different + number, [random.choice([3, 4])] * 2, outcome)
    random.shuffle(verdicts)
    return verdicts, judgments


@pytest.mark.parametrize(
    ("of_same", "printed", "all_verdicts"),
    [
        # higher wins, lower wins, flips at the same score, at different scores, at all pairs. How many pairs of same
        # scores there are for 10,000 of different ones follows from the last three.
        (7235, (63.04, 36.96, 47.79, 41.12, 43.92), 57.68),
        (6075, (97.68, 2.32, 87.75, 56.18, 68.11), 70.89),
    ],
)
def test_the_papers_meta_judges_give_the_papers_table(of_same, printed, all_verdicts):
    higher, _, flips_same, flips_different, _ = (value / 100 for value in printed)
    result = meta_judge_bias(*simulated(10_000, of_same, flips_different, flips_same, higher))
    metrics = (
        "higher_score_wins",
        "lower_score_wins",
        "position_bias_same_score",
        "position_bias_different_score",
        "position_bias",
    )
    assert [100 * result[name] for name in metrics] == [pytest.approx(value, abs=0.015) for value in printed]
    # the other way of counting cannot give them: a pair that flips is one win for each side
    assert 100 * result["higher_score_wins_all_verdicts"] == pytest.approx(all_verdicts, abs=0.015)
