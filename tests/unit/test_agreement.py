"""Agreement of a judge's scores with people's rankings."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from metarewarding.agreement import over_prompts, pairwise


def test_full_agreement():
    assert pairwise([5, 3, 1], [0, 1, 2]) == {
        "agreement": 1,
        "agreement_without_ties": 1,
        "spearman": pytest.approx(1),
        "pairs": 3,
        "ties": 0,
    }


def test_full_disagreement():
    result = pairwise([1, 3, 5], [0, 1, 2])
    assert (result["agreement"], result["agreement_without_ties"]) == (0, 0)
    assert result["spearman"] == pytest.approx(-1)


def test_three_replies_by_hand():
    # pairs: (0, 1) right, (0, 2) wrong, (1, 2) wrong. Ranks by score 2, 1, 3 and by people 3, 2, 1 (3 = best):
    # differences -1, -1, 2, so Spearman is 1 - 6 * 6 / (3 * 8) = -0.5
    result = pairwise([4, 3, 5], [0, 1, 2])
    assert result["agreement"] == pytest.approx(1 / 3)
    assert result["agreement_without_ties"] == pytest.approx(1 / 3)
    assert result["spearman"] == pytest.approx(-0.5)
    assert (result["pairs"], result["ties"]) == (3, 0)


def test_the_judges_ties_count_half():
    # (0, 1) tied, (0, 2) and (1, 2) right: 2.5 of 3, and 2 of 2. Ranks by score 2.5, 2.5, 1, by people 3, 2, 1;
    # about their mean 2: (0.5, 0.5, -1) and (1, 0, -1), so Spearman is 1.5 / sqrt(1.5 * 2)
    result = pairwise([4, 4, 2], [0, 1, 2])
    assert result["agreement"] == pytest.approx(2.5 / 3)
    assert result["agreement_without_ties"] == 1
    assert result["spearman"] == pytest.approx(1.5 / 3**0.5)
    assert (result["pairs"], result["ties"]) == (3, 1)


def test_pairs_that_people_tie_do_not_count():
    # people order (0, 2) and (1, 2) only, and the judge has both right
    result = pairwise([3, 5, 1], [0, 0, 1])
    assert (result["agreement"], result["pairs"], result["ties"]) == (1, 2, 0)
    # where the judge ties what people tie, that is no tie of the judge's
    assert pairwise([3, 3, 1], [0, 0, 1])["ties"] == 0


def test_a_constant_judge_is_undefined_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = pairwise([4, 4, 4], [0, 1, 2])
    assert result == {"agreement": 0.5, "agreement_without_ties": None, "spearman": None, "pairs": 3, "ties": 3}


@pytest.mark.parametrize(("scores", "ranks"), [([], []), ([4], [0]), ([4, 3], [1, 1])])
def test_without_an_ordered_pair_nothing_is_defined(scores, ranks):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = pairwise(scores, ranks)
    assert result == {"agreement": None, "agreement_without_ties": None, "spearman": None, "pairs": 0, "ties": 0}


def test_ranks_need_not_start_at_0_or_be_in_order():
    assert pairwise([1, 5, 3], [9, 2, 4]) == pairwise([5, 3, 1], [0, 1, 2])


def test_as_many_scores_as_ranks():
    with pytest.raises(ValueError, match="2 scores for 3 ranks"):
        pairwise([1, 2], [0, 1, 2])


replies = st.lists(st.tuples(st.integers(0, 10), st.integers(0, 4)), min_size=2, max_size=8)


@settings(deadline=None, max_examples=100)
@given(replies)
def test_spearman_is_that_of_scipy(rows):
    scores, ranks = zip(*rows, strict=True)
    result = pairwise(scores, ranks)["spearman"]
    if len(set(scores)) == 1 or len(set(ranks)) == 1:
        assert result is None
    else:
        assert result == pytest.approx(-spearmanr(scores, ranks).statistic)


def test_spearman_is_that_of_scipy_on_random_data():
    rng = np.random.default_rng(0)
    for _ in range(20):
        scores, ranks = rng.uniform(0, 5, 11), rng.permutation(11)
        assert pairwise(scores, ranks)["spearman"] == pytest.approx(-spearmanr(scores, ranks).statistic)


@settings(deadline=None, max_examples=100)
@given(replies)
def test_a_judge_turned_round_agrees_where_it_disagreed(rows):
    scores, ranks = zip(*rows, strict=True)
    there, back = pairwise(scores, ranks), pairwise([-score for score in scores], ranks)
    assert (there["pairs"], there["ties"]) == (back["pairs"], back["ties"])
    if there["pairs"]:
        assert there["agreement"] + back["agreement"] == pytest.approx(1)


# -- over_prompts


def test_agreement_pools_the_pairs_and_spearman_is_averaged():
    # 1 of 1 pair right and 1 of 3: pooled 2 of 4 (the mean of the prompts would be 2/3). Spearman 1 and -0.5.
    result = over_prompts([pairwise([5, 1], [0, 1]), pairwise([4, 3, 5], [0, 1, 2])])
    assert result["agreement"] == pytest.approx(0.5)
    assert result["agreement_without_ties"] == pytest.approx(0.5)
    assert result["spearman"] == pytest.approx(0.25)
    assert (result["pairs"], result["ties"], result["prompts"]) == (4, 0, 2)


def test_pooled_ties_count_half_and_are_left_out_without_ties():
    # 2 right and 1 tie of 3; 0 right, 1 tie of 1: (2 + 2 / 2) / 4 = 0.75, without ties 2 of 2
    result = over_prompts([pairwise([4, 4, 2], [0, 1, 2]), pairwise([3, 3], [0, 1])])
    assert result["agreement"] == pytest.approx(0.75)
    assert result["agreement_without_ties"] == pytest.approx(1)
    assert (result["pairs"], result["ties"]) == (4, 2)


def test_the_interval_is_clustered_by_prompt():
    """Ten prompts of three pairs: five with all pairs right, five with all wrong; an interval as of ten questions."""
    right, wrong = pairwise([3, 2, 1], [0, 1, 2]), pairwise([1, 2, 3], [0, 1, 2])
    result = over_prompts([right] * 5 + [wrong] * 5)
    assert (result["agreement"], result["pairs"]) == (0.5, 30)
    assert result["agreement_ci"] == pytest.approx((50 - 196 / 6, 50 + 196 / 6), abs=0.01)
    tied = over_prompts([right] * 5 + [wrong] * 5 + [pairwise([1, 1], [0, 1])] * 10)
    assert tied["agreement_without_ties_ci"] == pytest.approx(result["agreement_ci"])
    assert tied["agreement_ci"][0] > result["agreement_ci"][0]
    assert over_prompts([])["agreement_ci"] == (None, None)


def test_a_share_is_never_above_1():
    # 2 of 19 pairs right and 17 tied: 19 * (10.5 / 19) is above 10.5 in floats
    one = {"agreement": 10.5 / 19, "pairs": 19, "ties": 17, "spearman": None}
    assert over_prompts([one])["agreement_without_ties"] == 1


def test_prompts_without_a_spearman_are_left_out_of_its_mean():
    result = over_prompts([pairwise([5, 1], [0, 1]), pairwise([3, 3], [0, 1]), pairwise([3], [0])])
    assert result["spearman"] == pytest.approx(1)
    assert (result["prompts"], result["prompts_with_spearman"]) == (3, 1)


def test_all_ties_and_no_prompts_are_undefined():
    tied = over_prompts([pairwise([3, 3], [0, 1])])
    assert (tied["agreement"], tied["agreement_without_ties"], tied["spearman"]) == (0.5, None, None)
    none = over_prompts([])
    assert (none["agreement"], none["agreement_without_ties"], none["spearman"], none["pairs"]) == (None, None, None, 0)
