"""Elo scores: the maximum of sum B[m, n] log sigmoid(e_m - e_n) - l2 / 2 sum e^2."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import minimize
from scipy.special import expit, log_expit

from metarewarding.elo import fit

quick = settings(deadline=None, max_examples=60)

# A cell is often 0, so that many matrices are separable or fall apart.
cells = st.one_of(st.just(0.0), st.just(0.0), st.floats(0.01, 5))
matrices = st.integers(2, 6).flatmap(lambda n: arrays(float, (n, n), elements=cells))


def objective(scores, battles, l2):
    off_diagonal = battles * (1 - np.eye(len(battles)))
    return np.sum(off_diagonal * log_expit(scores[:, None] - scores[None, :])) - l2 / 2 * np.sum(scores**2)


def by_scipy(battles, l2):
    """Return the same maximum from a general optimiser."""
    wins = battles * (1 - np.eye(len(battles)))

    def gradient(e):
        lost = wins * expit(e[None, :] - e[:, None])
        return -(lost.sum(axis=1) - lost.sum(axis=0) - l2 * e)

    def hessian(e):
        p = expit(e[:, None] - e[None, :])
        information = (wins + wins.T) * p * (1 - p)
        return np.diag(information.sum(axis=1) + l2) - information

    start = np.zeros(len(battles))
    options = {"gtol": 1e-11, "maxiter": 1000}
    result = minimize(
        lambda e: -objective(e, battles, l2), start, jac=gradient, hess=hessian, method="trust-exact", options=options
    )
    return result.x


# -- solved by hand


@pytest.mark.parametrize(("a", "b"), [(3, 1), (1, 3), (0.2, 0.7), (1, 1)])
def test_two_judgments_without_a_prior_differ_by_the_log_of_the_odds(a, b):
    # a log s(d) + b log s(-d) is highest where s(d) = a / (a + b), that is d = log(a / b)
    d = np.log(a / b)
    np.testing.assert_allclose(fit([[0, a], [b, 0]], l2=1e-12), [d / 2, -d / 2], atol=1e-8)


def test_two_judgments_with_a_prior():
    # e = (x, -x); for x: a s(-2x) - b s(2x) = l2 x. With x = 1, a = 1, b = 0: l2 = s(-2).
    np.testing.assert_allclose(fit([[0, 1], [0, 0]], l2=expit(-2)), [1, -1], atol=1e-9)
    # with x = 0.5, a = 3, b = 1: l2 = 2 (3 s(-1) - s(1))
    np.testing.assert_allclose(fit([[0, 3], [1, 0]], l2=2 * (3 * expit(-1) - expit(1))), [0.5, -0.5], atol=1e-9)


def test_a_chain_of_three():
    # a beats b and c, b beats c: e = (x, 0, -x) with s(-x) + s(-2x) = l2 x; x = 2 for l2 = (s(-2) + s(-4)) / 2
    battles = [[0, 1, 1], [0, 0, 1], [0, 0, 0]]
    np.testing.assert_allclose(fit(battles, l2=(expit(-2) + expit(-4)) / 2), [2, 0, -2], atol=1e-9)


def test_a_judgment_that_lost_everything_has_a_finite_score():
    # l2 = 0.001: s(-2x) = 0.001 x, and x = 2.59455... (fixed point of x = log(1 / (0.001 x) - 1) / 2)
    x = 2.5
    for _ in range(200):
        x = np.log(1 / (0.001 * x) - 1) / 2
    np.testing.assert_allclose(fit([[0, 1], [0, 0]]), [x, -x], atol=1e-8)


def test_groups_that_never_met_are_each_centred():
    # the prior alone joins them: each group sums to 0, and has the scores that it has alone
    battles = np.zeros((4, 4))
    battles[0, 1], battles[1, 0] = 3, 1
    battles[2, 3], battles[3, 2] = 1, 8
    expected = np.concatenate([fit(battles[:2, :2]), fit(battles[2:, 2:])])
    np.testing.assert_allclose(fit(battles), expected, atol=1e-8)
    assert expected[0] > 0 > expected[1]
    assert expected[2] < 0 < expected[3]


def test_a_judgment_that_met_none_has_score_0():
    battles = np.zeros((3, 3))
    battles[0, 2] = 1
    scores = fit(battles)
    assert scores[1] == pytest.approx(0, abs=1e-9)
    assert scores[0] > 0 > scores[2]


def test_without_battles_all_scores_are_0():
    np.testing.assert_array_equal(fit(np.zeros((5, 5))), np.zeros(5))


def test_one_judgment_has_score_0():
    np.testing.assert_array_equal(fit([[0.0]]), [0])


# -- shapes


@pytest.mark.parametrize("shape", [(3, 3), (1, 3, 3), (4, 3, 3), (2, 5, 3, 3), (2, 1, 2, 4, 4)])
def test_any_leading_batch_shape_is_kept(shape):
    battles = np.random.default_rng(0).uniform(0, 2, shape)
    scores = fit(battles)
    assert scores.shape == shape[:-1]
    for index in np.ndindex(shape[:-2]):
        np.testing.assert_allclose(scores[index], fit(battles[index]), atol=1e-7)


@pytest.mark.parametrize("shape", [(0, 3, 3), (2, 0, 3, 3)])
def test_an_empty_batch_gives_an_empty_batch(shape):
    assert fit(np.zeros(shape)).shape == shape[:-1]


@pytest.mark.parametrize("shape", [(0, 0), (3, 0, 0)])
def test_no_judgments_have_no_scores(shape):
    assert fit(np.zeros(shape)).shape == shape[:-1]


def test_a_hard_matrix_does_not_disturb_its_neighbours():
    easy = np.array([[0, 2, 1], [1, 0, 1], [2, 1, 0.0]])
    hard = np.array([[0, 1e4, 1e4], [0, 0, 1e-3], [0, 0, 0]])
    together = fit(np.stack([easy, hard, easy]))
    for scores, battles in zip(together, (easy, hard, easy), strict=True):
        np.testing.assert_allclose(scores, by_scipy(battles, 1e-3), atol=1e-6)


def test_a_full_newton_step_that_overshoots_is_cut_short():
    # weights over eight orders of magnitude: undamped Newton steps run off to 1e10 here
    battles = np.array([[0, 0, 0.006, 15750], [0.03, 0, 700, 0], [0.0016, 0.004, 0, 6], [0, 0.003, 85000, 0]])
    scores = fit(battles, 1e-6)
    chance = expit(scores[:, None] - scores[None, :])
    gradient = (battles - (battles + battles.T) * chance).sum(axis=1) - 1e-6 * scores
    np.testing.assert_allclose(gradient, 0, atol=1e-9)


def test_the_input_is_not_changed_and_may_be_a_list_of_integers():
    battles = np.array([[7, 2], [1, 7]])
    before = battles.copy()
    np.testing.assert_allclose(fit(battles), fit([[0, 2], [1, 0]]))
    np.testing.assert_array_equal(battles, before)


# -- faults


@pytest.mark.parametrize(
    ("battles", "l2"),
    [
        (np.zeros((2, 3)), 1e-3),
        (np.zeros((4, 3, 2)), 1e-3),
        (np.zeros(3), 1e-3),
        (np.array([[0, -1], [1, 0]]), 1e-3),
        (np.array([[0, np.nan], [1, 0]]), 1e-3),
        (np.array([[0, np.inf], [1, 0]]), 1e-3),
        (np.ones((2, 2)), 0),
        (np.ones((2, 2)), -1e-3),
    ],
)
def test_bad_input_is_refused(battles, l2):
    with pytest.raises(ValueError, match=r"battles|l2"):
        fit(battles, l2)


# -- properties


@quick
@given(matrices, st.sampled_from([1e-3, 1e-2, 1.0]))
def test_the_scores_are_those_of_a_general_optimiser(battles, l2):
    np.testing.assert_allclose(fit(battles, l2), by_scipy(battles, l2), atol=1e-6)


@quick
@given(matrices, st.integers(0, 2**32 - 1))
def test_no_nearby_scores_are_better(battles, seed):
    scores = fit(battles)
    best = objective(scores, battles, 1e-3)
    for step in np.random.default_rng(seed).normal(size=(20, len(battles))):
        assert objective(scores + 0.01 * step, battles, 1e-3) < best


@quick
@given(matrices)
def test_the_mean_is_0(battles):
    assert abs(fit(battles).mean()) < 1e-9


@quick
@given(matrices, st.data())
def test_another_order_of_the_judgments_gives_the_same_scores(battles, data):
    order = data.draw(st.permutations(range(len(battles))))
    np.testing.assert_allclose(fit(battles[np.ix_(order, order)]), fit(battles)[order], atol=1e-7)


@quick
@given(matrices, st.floats(0.1, 10))
def test_scaling_battles_and_prior_together_changes_nothing(battles, factor):
    # the whole objective is scaled
    np.testing.assert_allclose(fit(factor * battles, factor * 1e-2), fit(battles, 1e-2), atol=1e-6)


@quick
@given(matrices)
def test_turning_all_verdicts_round_turns_the_scores_round(battles):
    np.testing.assert_allclose(fit(battles.T), -fit(battles), atol=1e-7)


@quick
@given(matrices)
def test_battles_without_a_better_side_give_0(battles):
    np.testing.assert_allclose(fit(battles + battles.T), 0, atol=1e-9)


@quick
@given(matrices)
def test_the_diagonal_counts_nothing(battles):
    np.testing.assert_allclose(fit(battles + np.diag(np.arange(1.0, len(battles) + 1))), fit(battles), atol=1e-9)


@quick
@given(matrices)
def test_a_stronger_prior_pulls_the_scores_together(battles):
    assert np.sum(fit(battles, 1e-1) ** 2) <= np.sum(fit(battles, 1e-2) ** 2) + 1e-9


@quick
@given(matrices, st.floats(0.1, 5))
def test_one_more_win_parts_winner_and_loser(battles, weight):
    more = battles.copy()
    more[0, 1] += weight
    before, after = fit(battles), fit(more)
    assert after[0] - after[1] > before[0] - before[1]


@quick
@given(st.integers(2, 7), st.data())
def test_where_all_meet_equally_often_more_wins_mean_a_higher_score(n, data):
    # with the same number of battles in each pair, a score depends on the number of wins alone
    battles = np.zeros((n, n))
    for m in range(n):
        for k in range(m):
            battles[m, k] = data.draw(st.integers(0, 4)) / 4
            battles[k, m] = 1 - battles[m, k]
    wins, scores = battles.sum(axis=1), fit(battles)
    for m in range(n):
        for k in range(n):
            if wins[m] > wins[k]:
                assert scores[m] > scores[k]
            elif wins[m] == wins[k]:
                assert scores[m] == pytest.approx(scores[k], abs=1e-9)


@quick
@given(st.permutations(range(6)), st.floats(0.01, 10))
def test_who_beats_whom_in_a_chain_is_the_order_of_the_scores(order, weight):
    # each beats all that come later in `order`, always
    rank = np.argsort(order)
    battles = weight * (rank[:, None] < rank[None, :])
    assert list(np.argsort(-fit(battles))) == list(order)


@quick
@given(matrices)
def test_twins_tie_to_the_tolerance_of_the_pairs(battles):
    # judgment 0 twice, with the same battles: ties are ties for select_judge_pair (1e-9)
    twins = np.pad(battles * (1 - np.eye(len(battles))), (0, 1))
    twins[-1, :], twins[:, -1] = twins[0, :], twins[:, 0]
    scores = fit(twins)
    assert scores[0] == pytest.approx(scores[-1], abs=1e-9)


@settings(deadline=None, max_examples=40)
@given(
    st.integers(2, 6).flatmap(
        lambda n: arrays(float, (n, n), elements=st.one_of(st.just(0.0), st.floats(0, 1), st.floats(0, 1e6)))
    ),
    st.sampled_from([1e-6, 1e-3, 1.0]),
)
def test_scores_are_finite_however_lopsided_the_battles(battles, l2):
    scores = fit(battles, l2)
    assert np.isfinite(scores).all()
    assert np.abs(scores).max() < 100


def test_eleven_judgments_where_one_wins_everything():
    # the shape of one response's battles in the paper, separable
    rng = np.random.default_rng(1)
    battles = rng.uniform(0, 1, (11, 11))
    battles[:, 3] = 0
    scores = fit(battles)
    assert scores.argmax() == 3
    np.testing.assert_allclose(scores, by_scipy(battles, 1e-3), atol=1e-6)
