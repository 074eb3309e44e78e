"""Which response and which judgment become chosen and rejected."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metarewarding.pairs import select_actor_pair, select_judge_pair, select_response_to_meta_judge

# -- select_actor_pair, by hand


def test_rho_0_takes_the_best_and_the_worst():
    assert select_actor_pair([3, 5, 1, 4], [10, 99, 10, 10], 0) == (1, 2)


def test_rho_0_takes_the_shortest_of_the_best_and_the_longest_of_the_worst():
    assert select_actor_pair([5, 5, 5, 1, 1, 1], [20, 10, 30, 7, 9, 8], 0) == (1, 4)


def test_tiers_let_length_decide():
    # rho 0.25: top tier from 0.75 * 5 + 0.25 * 1 = 4, bottom tier up to 0.75 * 1 + 0.25 * 5 = 2
    scores = [5, 4.2, 3.9, 3, 2.1, 1.9, 1]
    lengths = [500, 300, 100, 900, 990, 800, 700]
    assert select_actor_pair(scores, lengths, 0.25) == (1, 5)


def test_the_edges_belong_to_the_tiers():
    # rho 0.25, scores from 1 to 5: the edges are exactly 4 and 2
    assert select_actor_pair([5, 4, 2, 1], [50, 10, 90, 50], 0.25) == (1, 2)


@pytest.mark.parametrize("outside", [1e-6, 1e-8])
def test_scores_just_outside_the_edges_are_outside_the_tiers(outside):
    assert select_actor_pair([5, 4 - outside, 2 + outside, 1], [50, 10, 90, 50], 0.25) == (0, 3)


@pytest.mark.parametrize(
    ("rho", "high", "low", "edge"),
    [
        # top edges (1 - rho) high + rho low that come out above the same number, written down
        (0.1, 2.0, 1.0, 1.9),
        (0.3, 4.4, 0.6, 3.26),
        (0.32, 3.6, 2.6, 3.28),
        (0.4, 2.2, 0.2, 1.4),
    ],
)
def test_the_top_edge_is_not_lost_to_rounding(rho, high, low, edge):
    assert (1 - rho) * high + rho * low > edge  # the trap
    assert select_actor_pair([high, edge, low], [50, 10, 50], rho) == (1, 2)


@pytest.mark.parametrize(
    ("rho", "high", "low", "edge"),
    [
        # bottom edges (1 - rho) low + rho high that come out below the same number, written down
        (0.1, 2.3, 0.5, 0.68),
        (0.3, 2.0, 1.0, 1.3),
        (0.32, 2.0, 1.0, 1.32),
        (0.4, 2.3, 0.3, 1.1),
    ],
)
def test_the_bottom_edge_is_not_lost_to_rounding(rho, high, low, edge):
    assert (1 - rho) * low + rho * high < edge  # the trap
    assert select_actor_pair([high, edge, low], [50, 90, 50], rho) == (0, 1)


def test_rho_1_takes_the_shortest_and_the_longest_of_all():
    assert select_actor_pair([5, 3, 4, 1], [40, 10, 90, 20], 1) == (1, 2)


def test_equal_lengths_go_by_score():
    # all in both tiers: chosen is the better, rejected the worse
    assert select_actor_pair([3, 5, 4, 1, 2], [10] * 5, 1) == (1, 3)


def test_equal_lengths_and_scores_go_by_index():
    assert select_actor_pair([5, 5, 1, 1], [10, 10, 10, 10], 0) == (0, 2)
    assert select_actor_pair([1, 5, 5, 1], [10, 10, 10, 10], 0) == (1, 0)


def test_who_may_not_be_chosen_is_passed_over_within_the_tier():
    assert select_actor_pair([5, 5, 1], [10, 20, 30], 0, [False, True, True]) == (1, 2)


def test_who_may_not_be_chosen_may_be_rejected():
    assert select_actor_pair([5, 1, 1], [10, 20, 30], 0, [True, True, False]) == (0, 2)


def test_tiers_come_from_all_scores_and_not_from_those_that_may_be_chosen():
    # the best may not be chosen, and the next (4) is not in the top tier [5, 5]: no pair
    assert select_actor_pair([5, 4, 1], [10, 10, 10], 0, [False, True, True]) is None
    # rho 0.25: top tier [4, 5] by the 5 that may not be chosen; 3.9 stays outside although it would be the shortest
    assert select_actor_pair([5, 4.5, 3.9, 1], [10, 30, 5, 10], 0.25, [False, True, True, True]) == (1, 3)


def test_no_pair_when_none_may_be_chosen():
    assert select_actor_pair([5, 1], [10, 10], 0.5, [False, False]) is None


@pytest.mark.parametrize("rho", [0, 0.32, 1])
def test_no_pair_when_all_scores_are_equal(rho):
    assert select_actor_pair([4, 4, 4], [10, 20, 30], rho) is None
    assert select_actor_pair([0.1 + 0.2, 0.3], [10, 20], rho) is None  # equal but for rounding


@pytest.mark.parametrize(("scores", "lengths"), [([], []), ([4], [10])])
def test_no_pair_from_fewer_than_two_responses(scores, lengths):
    assert select_actor_pair(scores, lengths, 0) is None


def test_no_pair_when_both_would_be_the_same_response():
    # rho 1, one response may be chosen, and it is the longest of all
    assert select_actor_pair([5, 1], [10, 20], 1, [False, True]) is None


def test_two_responses_that_differ_are_a_pair():
    assert select_actor_pair([1, 5], [10, 10], 0) == (1, 0)


# -- select_actor_pair against the rule in whole numbers


def naive(scores, lengths, rho, allowed):
    """Return the pair for scores in quarter points and rho in twentieths, computed with integers, without rounding."""
    high, low = max(scores), min(scores)
    if high == low:
        return None
    top = [i for i in range(len(scores)) if 20 * scores[i] >= (20 - rho) * high + rho * low and allowed[i]]
    bottom = [i for i in range(len(scores)) if 20 * scores[i] <= (20 - rho) * low + rho * high]
    if not top:
        return None
    shortest = [i for i in top if lengths[i] == min(lengths[k] for k in top)]
    longest = [i for i in bottom if lengths[i] == max(lengths[k] for k in bottom)]
    chosen = next(i for i in shortest if scores[i] == max(scores[k] for k in shortest))
    rejected = next(i for i in longest if scores[i] == min(scores[k] for k in longest))
    return None if chosen == rejected else (chosen, rejected)


responses = st.lists(st.tuples(st.integers(0, 20), st.integers(1, 6), st.booleans()), min_size=2, max_size=8)


@settings(deadline=None, max_examples=400)
@given(responses, st.integers(0, 20))
def test_the_pair_is_that_of_the_rule_in_whole_numbers(rows, rho):
    scores, lengths, allowed = map(list, zip(*rows, strict=True))
    expected = naive(scores, lengths, rho, allowed)
    assert select_actor_pair([score / 4 for score in scores], lengths, rho / 20, allowed) == expected


@settings(deadline=None, max_examples=200)
@given(responses, st.floats(0, 1))
def test_chosen_is_the_shortest_of_the_top_and_rejected_the_longest_of_the_bottom(rows, rho):
    scores, lengths, allowed = map(list, zip(*rows, strict=True))
    picked = select_actor_pair(scores, lengths, rho, allowed)
    if picked is None:
        return
    chosen, rejected = picked
    high, low = max(scores), min(scores)
    top, bottom = (1 - rho) * high + rho * low, (1 - rho) * low + rho * high
    assert allowed[chosen]
    assert scores[chosen] >= top - 1e-9
    assert scores[rejected] <= bottom + 1e-9
    for i, score in enumerate(scores):
        if score >= top and allowed[i]:
            assert lengths[chosen] <= lengths[i]
        if score <= bottom:
            assert lengths[rejected] >= lengths[i]


@settings(deadline=None, max_examples=100)
@given(responses)
def test_with_rho_0_the_pair_has_the_extreme_scores(rows):
    scores, lengths, _ = map(list, zip(*rows, strict=True))
    picked = select_actor_pair(scores, lengths, 0)
    if min(scores) == max(scores):
        assert picked is None
    else:
        assert (scores[picked[0]], scores[picked[1]]) == (max(scores), min(scores))


# -- select_response_to_meta_judge


def draws(select, argument, seeds=200):
    return Counter(select(argument, np.random.default_rng(seed)) for seed in range(seeds))


def test_the_response_of_highest_variance_is_meta_judged():
    # variances 0.25, 4, 0.6875
    scores = {"r0": [4, 5], "r1": [1, 5], "r2": [3, 3.5, 4.5, 2.5]}
    assert set(draws(select_response_to_meta_judge, scores, 20)) == {"r1"}


def test_the_variance_is_that_of_the_population():
    # population: 4 and 2.1^2 = 4.41; of a sample it would be 8 and 5.88, the other way round
    scores = {"two": [1, 5], "four": [0, 0, 4.2, 4.2]}
    assert set(draws(select_response_to_meta_judge, scores, 20)) == {"four"}


def test_every_tied_response_comes_up():
    # variances 1, 1, 1 and 0.25
    result = draws(select_response_to_meta_judge, {"r0": [1, 3], "r1": [3, 5], "r2": [2, 4, 2, 4], "r3": [1, 2]})
    assert set(result) == {"r0", "r1", "r2"}
    assert min(result.values()) > 200 / 3 / 2  # 67 each are expected


def test_a_tie_is_a_tie_in_spite_of_rounding():
    # the same spread, at another level: numpy's variances differ in the last digit
    scores = {"r0": [0.1, 0.4], "r1": [4.1, 4.4]}
    assert np.var(scores["r0"]) != np.var(scores["r1"])
    assert set(draws(select_response_to_meta_judge, scores)) == {"r0", "r1"}


def test_the_same_seed_draws_the_same_response():
    scores = {"r0": [1, 3], "r1": [3, 5], "r2": [2, 4]}
    for seed in range(20):
        first, again = (select_response_to_meta_judge(scores, np.random.default_rng(seed)) for _ in range(2))
        assert first == again


@pytest.mark.parametrize("scores", [{}, {"r0": [4]}, {"r0": []}, {"r0": [4, 4], "r1": [1], "r2": [3, 3, 3]}])
def test_no_response_without_two_scores_that_differ(scores):
    assert select_response_to_meta_judge(scores, np.random.default_rng(0)) is None


def test_a_response_without_two_scores_never_wins():
    assert set(draws(select_response_to_meta_judge, {"r0": [5], "r1": [], "r2": [4, 4.5]}, 20)) == {"r2"}


# -- select_judge_pair


def test_the_highest_elo_is_chosen_and_the_lowest_rejected():
    assert set(draws(select_judge_pair, [0.2, -1.5, 1.2, 0.1], 20)) == {(2, 1)}


def test_every_tied_judgment_comes_up_on_both_sides():
    result = draws(select_judge_pair, [1, -1, 1, -1, 0], 200)
    assert set(result) == {(0, 1), (0, 3), (2, 1), (2, 3)}
    assert min(result.values()) > 200 / 4 / 2  # 50 each are expected


def test_elo_ties_are_ties_in_spite_of_rounding():
    assert set(draws(select_judge_pair, [1, 1 + 1e-12, -1], 100)) == {(0, 2), (1, 2)}


def test_the_same_seed_draws_the_same_judge_pair():
    for seed in range(20):
        first, again = (select_judge_pair([1, 1, -1, -1], np.random.default_rng(seed)) for _ in range(2))
        assert first == again


def test_a_judgment_that_may_not_be_chosen_is_never_chosen_and_may_be_rejected():
    allowed = [False, True, True]
    for seed in range(20):
        rng = np.random.default_rng(seed)
        assert select_judge_pair([2, 1, -3], rng, allowed) is None  # the next best is not the best
        assert select_judge_pair([2, 2, -4], rng, allowed) == (1, 2)  # of two best, the other one
        assert select_judge_pair([-3, 1, 2], rng, allowed) == (2, 0)


@pytest.mark.parametrize("elo", [[], [0.0], [0.0, 0.0, 0.0], [0.5, 0.5 + 1e-12]])
def test_no_judge_pair_where_nothing_was_preferred(elo):
    assert select_judge_pair(elo, np.random.default_rng(0)) is None
