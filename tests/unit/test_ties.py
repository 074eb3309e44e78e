"""Mean scores that differ in the last bit only are ties in every comparison."""

from itertools import pairwise, permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metarewarding import agreement, judging, pairs, ties
from metarewarding.evaluation import arena_laptop, judge_vs_gpt4

SCORES = (4.2, 4.5, 4.8, 4.9)  # what a judge gives after judge training (section 3.5)


def mean(response_id, scores):
    rows = [{"response_id": response_id, "score": score} for score in scores]
    return judging.mean_scores(rows)[response_id]


A, B = mean("a", [4.9, 4.1, 4.2]), mean("b", [4.2, 4.1, 4.9])


def test_the_order_of_the_judgments_changes_the_last_bit():
    assert A != B  # else this file tests nothing
    assert abs(A - B) < 1e-14


@pytest.mark.parametrize(
    ("a", "b", "result"),
    [(4, 3, 1), (3, 4, -1), (4, 4, 0), (A, B, 0), (B, A, 0), (4, 4 + 1e-10, 0), (4, 4 + 1e-8, -1), (4 + 1e-8, 4, 1)],
)
def test_closer_than_the_tolerance_is_equal(a, b, result):
    assert ties.compare(a, b) == result


def test_levels_count_from_the_lowest():
    assert ties.levels([4.5, A, 5, B, 4]) == [2, 1, 3, 1, 0]
    assert ties.levels([]) == []
    assert ties.levels([3]) == [0]


@pytest.mark.parametrize("scores", [(A, B), (B, A)])
def test_agreement_counts_it_as_a_tie(scores):
    result = agreement.pairwise(scores, [0, 1])
    assert (result["agreement"], result["agreement_without_ties"], result["spearman"], result["ties"]) == (
        0.5,
        None,
        None,
        1,
    )


def test_spearman_ranks_it_as_a_tie():
    assert agreement.pairwise([A, B, 1], [0, 1, 2])["spearman"] == pytest.approx(1.5 / 3**0.5)  # ranks 2.5, 2.5, 1
    assert agreement.pairwise([B, A, 1], [0, 1, 2])["spearman"] == pytest.approx(1.5 / 3**0.5)


@pytest.mark.parametrize("means", [{"a": A, "b": B}, {"a": B, "b": A}])
def test_table_3_counts_it_as_a_tie(means):
    rows = [{"first": "a", "second": "b", "winner": "first"}, {"first": "b", "second": "a", "winner": "second"}]
    result = judge_vs_gpt4.gpt4_chosen(rows, means)
    assert (result["ties"], result["agreement"], result["agreement_without_ties"]) == (1, 0.5, None)


def test_no_pair_to_show_where_all_means_are_equal():
    responses = [{"prompt_id": "p", "response_id": name} for name in "abc"]
    assert judge_vs_gpt4.best_and_worst(responses, {"a": A, "b": B, "c": A}) == []
    (pair,) = judge_vs_gpt4.best_and_worst(responses, {"a": min(A, B), "b": max(A, B), "c": 1})
    assert [row["response_id"] for row in pair] == ["a", "c"]  # the first of equals


@pytest.mark.parametrize(("model", "seed"), [(A, B), (B, A)])
def test_the_arena_counts_it_as_half_a_win(model, seed):
    result = arena_laptop.win_rate({"p": model}, {"p": seed}, 10, np.random.default_rng(0))
    assert (result["win_rate"], result["ties"]) == (50, 1)


@pytest.mark.parametrize("scores", list(permutations([A, B, 1.0])))
def test_among_equals_of_one_length_the_first_is_chosen(scores):
    chosen, rejected = pairs.select_actor_pair(scores, [10, 10, 10], 0)
    assert chosen == min(i for i, score in enumerate(scores) if score > 1)
    assert scores[rejected] == 1
    assert pairs.select_actor_pair([A, B], [10, 20], 0) is None


@settings(deadline=None, max_examples=300)
@given(st.lists(st.sampled_from(SCORES), min_size=11, max_size=11), st.data())
def test_the_same_eleven_scores_in_another_order_always_tie(scores, data):
    a, b = mean("a", scores), mean("b", data.draw(st.permutations(scores)))
    assert ties.compare(a, b) == 0
    assert agreement.pairwise([a, b], [0, 1])["ties"] == 1


def test_means_of_different_sums_never_tie():
    # scores have two decimals at most, so unequal means of n judgments lie at least 0.01 / n apart
    result = {round(sum(of) * 10) / 10 / 4: sum(of) / 4 for of in product(SCORES, repeat=4)}
    values = sorted(result.values())
    assert all(ties.compare(low, high) == -1 for low, high in pairwise(values))
