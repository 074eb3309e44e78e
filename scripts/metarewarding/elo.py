"""Elo scores of judgments: a weighted, regularised Bradley-Terry fit (section 2.2)."""

import numpy as np


def fit(battles: np.ndarray, l2: float = 1e-3, tolerance: float = 1e-10, max_steps: int = 200) -> np.ndarray:
    """Scores e that maximise sum B[m, n] log sigmoid(e_m - e_n) - l2 / 2 sum e^2, of mean 0.

    ``battles``: shape (..., n, n), B[m, n] the weight of m's wins over n, any leading batch shape.
    Returns shape (..., n). The prior (protocol, row 3) makes the maximum finite and unique where a
    judgment won or lost everything, or was never compared; without battles all scores are 0.

    Damped Newton steps on the whole batch at once. The objective is strictly concave, and its
    gradient sums to -l2 * sum e, so the maximum itself has mean 0.

    Raises ValueError for a matrix that is not square, is negative or not finite, or l2 <= 0.
    """
    battles = np.asarray(battles, dtype=float)
    if battles.ndim < 2 or battles.shape[-1] != battles.shape[-2]:
        raise ValueError(f"battles must have the shape (..., n, n), not {battles.shape}")
    if not np.isfinite(battles).all() or (battles < 0).any():
        raise ValueError("battles must be finite and not negative")
    if l2 <= 0:
        raise ValueError(f"l2 must be positive, not {l2}: without it the maximum need not exist")
    n = battles.shape[-1]
    if battles.size == 0:
        return np.zeros(battles.shape[:-1])
    wins = battles.reshape(-1, n, n) * (1 - np.eye(n))  # a judgment does not play itself
    games = wins + wins.transpose(0, 2, 1)
    scores = np.zeros(wins.shape[:2])
    value = _objective(scores, wins, l2)
    for _ in range(max_steps):
        probability = _sigmoid(scores[:, :, None] - scores[:, None, :])
        gradient = (wins - games * probability).sum(axis=2) - l2 * scores
        if np.abs(gradient).max() < tolerance:
            break
        information = games * probability * (1 - probability)
        hessian = -information  # of the negated objective
        diagonal = np.arange(n)
        hessian[:, diagonal, diagonal] += information.sum(axis=2) + l2
        step = np.linalg.solve(hessian, gradient[..., None])[..., 0]
        # Halve the step of those matrices whose objective it would lower: far from the maximum the
        # curvature of separable battles is tiny and a full Newton step overshoots.
        size = np.ones((len(scores), 1))
        for _ in range(60):
            trial = scores + size * step
            trial_value = _objective(trial, wins, l2)
            worse = trial_value < value - 1e-12 * np.abs(value)
            if not worse.any():
                break
            size[worse] /= 2
        scores, value = trial, trial_value
    scores -= scores.mean(axis=1, keepdims=True)
    return scores.reshape(battles.shape[:-1])


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 0.5 * (1 + np.tanh(x / 2))


def _objective(scores: np.ndarray, wins: np.ndarray, l2: float) -> np.ndarray:
    difference = scores[:, :, None] - scores[:, None, :]
    return -(wins * np.logaddexp(0, -difference)).sum(axis=(1, 2)) - l2 / 2 * (scores**2).sum(axis=1)
