"""The effect of K, N and rho, and reliability, on simulated judges with known properties."""

import numpy as np
import pytest

from metarewarding import pairs, reliability, sensitivity


def simulated(prompts=1500, k=5, n=8, signal=1.0, noise=2.0, seed=0):
    """Return (scores, lengths, may_be_chosen, true values); one judgment has reliability s2 / (s2 + n2)."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(0, signal, (prompts, k)) + rng.normal(0, 3, (prompts, 1))
    scores = truth[..., None] + rng.normal(0, noise, (prompts, k, n))
    return scores, rng.integers(50, 500, (prompts, k)), np.ones((prompts, k), dtype=bool), truth


# -- reliability


def test_spearman_brown():
    assert reliability.spearman_brown(0.5, 2) == pytest.approx(2 / 3)
    assert reliability.spearman_brown(0.2, 1) == pytest.approx(0.2)


@pytest.mark.parametrize(("signal", "noise"), [(1.0, 2.0), (1.0, 1.0), (2.0, 0.5)])
def test_the_reliability_of_one_judgment_is_that_of_the_simulation(signal, noise):
    scores, *_ = simulated(signal=signal, noise=noise)
    expected = signal**2 / (signal**2 + noise**2)
    assert reliability.of_one_judgment(scores) == pytest.approx(expected, abs=0.03)
    holes = np.where(np.random.default_rng(1).random(scores.shape) < 0.3, np.nan, scores)
    assert reliability.of_one_judgment(holes) == pytest.approx(expected, abs=0.04)


def test_reliability_without_signal_or_without_repeats():
    scores, *_ = simulated(signal=0.0)
    assert reliability.of_one_judgment(scores) < 0.02
    assert reliability.of_one_judgment(scores[..., :1]) is None
    assert reliability.of_one_judgment(np.full((3, 2, 2), np.nan)) is None
    assert reliability.of_one_judgment(np.ones((3, 2, 2))) is None


def battles(spread, bias=0.0, responses=300, n=6, seed=0):
    rng = np.random.default_rng(seed)
    strength = rng.normal(0, spread, (responses, n))
    chance = 1 / (1 + np.exp(-(strength[:, :, None] - strength[:, None, :] + bias)))
    verdicts = np.where(rng.random(chance.shape) < chance, 1, -1)
    verdicts[:, np.arange(n), np.arange(n)] = 0
    return verdicts, strength


def test_the_reliability_of_elo_is_its_squared_correlation_with_the_truth():
    verdicts, strength = battles(spread=1.0, bias=0.5)
    result = reliability.of_elo(verdicts, 0.1, 5, np.random.default_rng(0))
    scores = reliability._fit(verdicts, np.ones(verdicts.shape, dtype=bool), 0.1)
    centred = strength - strength.mean(axis=1, keepdims=True)
    with_truth = (scores * centred).sum() / ((scores**2).sum() * (centred**2).sum()) ** 0.5
    assert result["both_orders"] == pytest.approx(with_truth**2, abs=0.06)
    assert result["both_orders"] > result["one_order"] > 0.3
    assert 0 < result["same_pair_one_order"] < 1


def test_elo_of_verdicts_by_chance_has_no_reliability():
    verdicts, _ = battles(spread=0.0)
    result = reliability.of_elo(verdicts, 0.1, 5, np.random.default_rng(0))
    assert abs(result["one_order"]) < 0.06
    none = reliability.of_elo(np.zeros((4, 3, 3)), 0.1, 2, np.random.default_rng(0))
    assert none["one_order"] is none["both_orders"] is None


# -- pairs


@pytest.mark.parametrize("rho", [0.0, 0.2, 0.5, 1.0])
def test_pairs_are_those_of_the_loop(rho):
    rng = np.random.default_rng(3)
    means = rng.integers(0, 4, (400, 5)) / 3.0
    means[rng.random(means.shape) < 0.2] = np.nan
    lengths, may = rng.integers(1, 4, means.shape), rng.random(means.shape) < 0.7
    chosen, rejected = sensitivity.select_pairs(means, lengths, rho, may)
    for p in range(len(means)):
        places = np.flatnonzero(~np.isnan(means[p]))
        expected = pairs.select_actor_pair(list(means[p, places]), list(lengths[p, places]), rho, list(may[p, places]))
        result = None if chosen[p] < 0 else (chosen[p], rejected[p])
        assert result == (expected and (places[expected[0]], places[expected[1]]))


def test_the_true_gap_and_the_best_n_are_those_of_the_simulation():
    """With normal scores the true gap grows as the square root of the reliability of a mean of n judgments."""
    scores, lengths, may, truth = simulated(prompts=4000)
    rows = sensitivity.of_k_and_n(scores, lengths, may, 0.0, 4, np.random.default_rng(0))
    of_n = {row["n"]: row for row in rows if row["k"] == 5}
    one = 1 / 5
    spread = float(np.mean(truth.max(axis=1) - truth.min(axis=1)))  # the gap without noise
    for n, row in of_n.items():
        expected = spread * reliability.spearman_brown(one, n) ** 0.5
        assert row["true_gap"] == pytest.approx(expected, rel=0.07), n
        assert row["apparent_gap"] > row["true_gap"]
    assert of_n[8]["same_pair"] == 1
    assert of_n[1]["same_pair"] < of_n[4]["same_pair"] < 1
    shares = {n: (reliability.spearman_brown(one, n) / reliability.spearman_brown(one, 8)) ** 0.5 for n in of_n}
    best = min(n for n, share in shares.items() if share >= 0.95)
    advice = sensitivity.recommend(rows, 100, 50)
    assert abs(advice["n"] - best) <= 1
    assert best < 8
    assert advice["cost"] == pytest.approx((100 + advice["n"] * 50) / (100 + 8 * 50))
    assert f"N = {advice['n']} instead of 8 keeps" in sensitivity.sentence(advice, 4000)


def test_more_responses_give_a_wider_true_gap():
    rows = sensitivity.of_k_and_n(*simulated()[:3], 0.0, 3, np.random.default_rng(0))
    gaps = [row["true_gap"] for row in rows if row["n"] == 4]
    assert gaps == sorted(gaps)


def test_a_judge_without_noise_needs_one_judgment():
    scores, lengths, may, _ = simulated(noise=1e-3)
    rows = sensitivity.of_k_and_n(scores, lengths, may, 0.0, 2, np.random.default_rng(0))
    assert sensitivity.recommend(rows, 100, 100)["n"] == 1


def test_a_guessing_judge_is_detected():
    scores, lengths, may, _ = simulated(signal=0.0)
    rows = sensitivity.of_k_and_n(scores, lengths, may, 0.0, 2, np.random.default_rng(0))
    row = next(row for row in rows if (row["k"], row["n"]) == (5, 4))
    assert row["apparent_gap"] > 1
    assert abs(row["true_gap"]) < 0.15


def test_a_wider_tier_shortens_what_is_chosen():
    scores, lengths, may, _ = simulated()
    rows = sensitivity.of_rho(scores, lengths, may, 0.0, [0.0, 0.2, 0.4])
    assert next(row["same_pair"] for row in rows) == 1
    chosen = [row["chosen_length"] for row in rows]
    assert chosen == sorted(chosen, reverse=True)
    assert rows[2]["shorter"] > rows[0]["shorter"]
    assert rows[0]["gap"] > rows[2]["gap"]


@pytest.mark.filterwarnings("error")
def test_small_and_empty_runs():
    scores = np.full((2, 3, 2), np.nan)
    lengths, may = np.ones((2, 3)), np.ones((2, 3), dtype=bool)
    rows = sensitivity.of_k_and_n(scores, lengths, may, 0.0, 2, np.random.default_rng(0))
    assert {row["with_pair"] for row in rows} == {0}
    assert sensitivity.recommend(rows, 1, 1) is None
    assert "no N can be recommended" in sensitivity.sentence(None, 2)
    assert sensitivity.of_rho(scores, lengths, may, 0.0, [0.0])[0]["gap"] is None
