"""What sways the meta-judge, by hand."""

import pytest

from metarewarding.bias import meta_judge_bias


def judgment(identity, score, text=None):
    return {"judgment_id": identity, "score": score, "text": text or "same length"}


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
    found = meta_judge_bias(rows, JUDGMENTS)
    # on different scores: a, a over b; c, a of a and c; d over a; b over d
    assert found["higher_score_wins"] == pytest.approx(4 / 6)
    assert found["lower_score_wins"] == pytest.approx(2 / 6)
    assert found["position_bias_same_score"] == 1
    assert found["position_bias_different_score"] == 1 / 2
    assert found["position_bias"] == pytest.approx(2 / 3)
    assert found["first_wins"] == 4 / 8
    assert found["longer_wins"] == 1 / 2
    assert (found["presentations"], found["verdicts"], found["pairs"], found["pairs_of_same_score"]) == (9, 8, 3, 1)


def test_nothing_counted_is_none_and_not_zero():
    found = meta_judge_bias([verdict("a", "b", None)], JUDGMENTS)
    assert found["position_bias"] is found["higher_score_wins"] is found["first_wins"] is None
    assert (found["presentations"], found["verdicts"]) == (1, 0)


def test_a_judge_that_always_takes_the_first_is_all_position():
    rows = [verdict(x, y, "first") for x in "abcd" for y in "abcd" if x != y]
    found = meta_judge_bias(rows, JUDGMENTS)
    assert found["position_bias"] == found["first_wins"] == 1
    assert found["higher_score_wins"] == found["longer_wins"] == 0.5


def test_a_presentation_that_stands_twice_is_an_error():
    with pytest.raises(ValueError, match="a and b stands there twice"):
        meta_judge_bias([verdict("a", "b", "first"), verdict("a", "b", "second")], JUDGMENTS)


def test_a_verdict_on_an_unknown_judgment_is_an_error():
    with pytest.raises(KeyError):
        meta_judge_bias([verdict("a", "z", "first")], JUDGMENTS)
