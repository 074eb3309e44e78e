"""The meta-judge: presentations, winners, and weights of wins."""

import random
from itertools import combinations, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metarewarding.meta_judging import battle_matrix, one_order, position_weights, presentations


def verdict(first, second, winner):
    return {
        "prompt_id": "p",
        "response_id": "p/r0",
        "first": first,
        "second": second,
        "text": "Winner: ...",
        "winner": winner,
    }


# -- presentations


def texts_and(*texts):
    return [{"judgment_id": f"j{i}", "text": text, "score": 1} for i, text in enumerate(texts)]


def ids(pairs):
    return [(first["judgment_id"], second["judgment_id"]) for first, second in pairs]


def test_each_pair_is_presented_in_both_orders():
    assert ids(presentations(texts_and("x", "y", "z"))) == [
        ("j0", "j1"),
        ("j0", "j2"),
        ("j1", "j0"),
        ("j1", "j2"),
        ("j2", "j0"),
        ("j2", "j1"),
    ]


def test_one_order_shows_each_pair_once_and_either_way():
    both = presentations(texts_and(*"abcdef"))
    drawn = [ids(one_order(both, np.random.default_rng(seed))) for seed in range(60)]
    for pairs in drawn:
        assert sorted(map(sorted, pairs)) == [list(pair) for pair in combinations([f"j{i}" for i in range(6)], 2)]
    assert 15 < sum(("j0", "j1") in pairs for pairs in drawn) < 45
    assert sorted(ids(one_order(both[::-1], np.random.default_rng(0)))) == sorted(drawn[0])  # not by place


def test_eleven_judgments_have_110_presentations():
    assert len(presentations(texts_and(*map(str, range(11))))) == 110  # 55 pairs, two orders


def test_judgments_with_the_same_text_are_never_a_pair():
    assert ids(presentations(texts_and("x", "x", "y"))) == [("j0", "j2"), ("j1", "j2"), ("j2", "j0"), ("j2", "j1")]
    assert presentations(texts_and("x", "x", "x")) == []


def test_fewer_than_two_judgments_have_no_presentation():
    assert presentations([]) == []
    assert presentations(texts_and("x")) == []


# -- position_weights


def test_a_win_in_the_slot_that_wins_less_counts_for_more():
    rows = [verdict("a", "b", "first")] * 3 + [verdict("a", "b", "second")]
    assert position_weights(rows) == (0.25, 0.75)  # win1st 3, win2nd 1


def test_unparsed_verdicts_do_not_move_the_weights():
    rows = [verdict("a", "b", "first")] * 3 + [verdict("a", "b", "second")] * 2 + [verdict("a", "b", None)] * 5
    assert position_weights(rows) == (0.4, 0.6)  # win1st 3, win2nd 2


def test_a_slot_that_always_wins_counts_nothing():
    assert position_weights([verdict("a", "b", "first"), verdict("b", "a", "first")]) == (0, 1)
    assert position_weights([verdict("a", "b", "second"), verdict("b", "a", "second")]) == (1, 0)


def test_without_a_win_the_weights_are_equal():
    assert position_weights([]) == (0.5, 0.5)
    assert position_weights([verdict("a", "b", None)]) == (0.5, 0.5)


def test_the_weights_can_be_read_from_a_generator():
    assert position_weights(row for row in [verdict("a", "b", "first"), verdict("b", "a", "second")]) == (0.5, 0.5)


# -- battle_matrix; omega1 = 0.3 and omega2 = 0.7 in all cases by hand


def battles(*rows, ids=("a", "b")):
    return battle_matrix(ids, [verdict(*row) for row in rows], 0.3, 0.7)


def test_a_consistent_winner_gets_both_weights():
    # a is shown first and wins (omega1), is shown second and wins (omega2)
    np.testing.assert_allclose(battles(("a", "b", "first"), ("b", "a", "second")), [[0, 1], [0, 0]])


def test_first_wins_both_times_gives_omega1_to_each():
    np.testing.assert_allclose(battles(("a", "b", "first"), ("b", "a", "first")), [[0, 0.3], [0.3, 0]])


def test_second_wins_both_times_gives_omega2_to_each():
    np.testing.assert_allclose(battles(("a", "b", "second"), ("b", "a", "second")), [[0, 0.7], [0.7, 0]])


def test_an_unparsed_order_does_not_take_the_good_one_with_it():
    np.testing.assert_allclose(battles(("a", "b", None), ("b", "a", "second")), [[0, 0.7], [0, 0]])
    np.testing.assert_allclose(battles(("a", "b", "first"), ("b", "a", None)), [[0, 0.3], [0, 0]])
    np.testing.assert_allclose(battles(("a", "b", "second"), ("b", "a", None)), [[0, 0], [0.7, 0]])


def test_without_a_verdict_nothing_is_won():
    np.testing.assert_array_equal(battles(), np.zeros((2, 2)))
    np.testing.assert_array_equal(battles(("a", "b", None), ("b", "a", None)), np.zeros((2, 2)))


THREE = [
    ("a", "b", "first"),  # a beats b: omega1
    ("b", "a", "second"),  # a beats b: omega2
    ("a", "c", "second"),  # c beats a: omega2
    ("c", "a", None),
    ("b", "c", "first"),  # b beats c: omega1
    ("c", "b", "first"),  # c beats b: omega1
]


def test_three_judgments_by_hand():
    np.testing.assert_allclose(battles(*THREE, ids="abc"), [[0, 1, 0], [0, 0, 0.3], [0.7, 0.3, 0]])


def test_the_order_of_the_rows_does_not_matter():
    expected = battles(*THREE, ids="abc")
    for rows in random.Random(0).sample(list(permutations(THREE)), 50):
        np.testing.assert_allclose(battles(*rows, ids="abc"), expected)


def test_rows_and_columns_follow_the_ids():
    # the case above with the rows and columns in the order c, a, b
    np.testing.assert_allclose(battles(*THREE, ids="cab"), [[0, 0.7, 0.3], [0, 0, 1], [0.3, 0, 0]])


def test_a_missing_row_moves_no_other_verdict():
    # as above without (b, c): only b's win over c is gone
    rows = [row for row in THREE if row[:2] != ("b", "c")]
    np.testing.assert_allclose(battles(*rows, ids="abc"), [[0, 1, 0], [0, 0, 0], [0.7, 0.3, 0]])


def test_an_unknown_judgment_id_is_an_error():
    with pytest.raises(KeyError):
        battles(("a", "x", "first"))


@settings(deadline=None, max_examples=100)
@given(st.data())
def test_the_matrix_is_the_formula(data):
    # B[m, n] = omega1 1[r_mn = 1] + omega2 1[r_nm = -1]
    n = data.draw(st.integers(2, 5))
    names = [f"j{i}" for i in range(n)]
    result = {pair: data.draw(st.sampled_from(["first", "second", None])) for pair in permutations(names, 2)}
    rows = data.draw(st.permutations([verdict(*pair, winner) for pair, winner in result.items()]))
    omega1 = data.draw(st.floats(0, 1))
    matrix = battle_matrix(names, rows, omega1, 1 - omega1)
    for i, m in enumerate(names):
        assert matrix[i, i] == 0
        for k, other in enumerate(names):
            if m != other:
                won_first, won_second = result[m, other] == "first", result[other, m] == "second"
                assert matrix[i, k] == pytest.approx(omega1 * won_first + (1 - omega1) * won_second)
