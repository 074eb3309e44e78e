"""Elo scores of judgments: a weighted, regularised Bradley-Terry fit (section 2.2)."""

import numpy as np


def fit(battles: np.ndarray, l2: float = 1e-3, tolerance: float = 1e-10, max_steps: int = 200) -> np.ndarray:
    """Return the scores e of mean 0 that maximise sum B[m, n] log sigmoid(e_m - e_n) - l2 / 2 sum e^2.

    ``battles``: shape (..., n, n), B[m, n] the weight of m's wins over n, any leading batch shape.
    Returns shape (..., n). The prior (ours; the paper has none) makes the maximum finite and unique where a
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
        raise ValueError(f"l2 must be positive, not {l2}: without it the maximum may not exist")
    n = battles.shape[-1]
    if battles.size == 0:
        return np.zeros(battles.shape[:-1])
    shape, battles = battles.shape[:-1], battles.reshape(-1, n, n)
    # One column for each pair i < j, as the objective depends on score differences only; the diagonal does not count.
    i, j = np.triu_indices(n, k=1)
    wins, losses = battles[:, i, j], battles[:, j, i]
    games = wins + losses
    sides = np.zeros((len(i), n))  # sums over pairs to sums over judgments
    sides[np.arange(len(i)), i], sides[np.arange(len(i)), j] = 1, -1
    both = np.abs(sides)
    diagonal = np.arange(n)
    scores = np.zeros((len(battles), n))
    probability, value = _evaluate(scores, i, j, wins, losses, l2)
    for _ in range(max_steps):
        gradient = (wins - games * probability) @ sides - l2 * scores
        if np.abs(gradient).max() < tolerance:
            break
        information = games * probability * (1 - probability)
        hessian = np.zeros((len(battles), n, n))  # of the negated objective
        hessian[:, i, j] = hessian[:, j, i] = -information
        hessian[:, diagonal, diagonal] = information @ both + l2
        step = np.linalg.solve(hessian, gradient[..., None])[..., 0]
        # Halve the step of those matrices whose objective it would lower: far from the maximum the
        # curvature of separable battles is tiny and a full Newton step overshoots.
        size = np.ones((len(scores), 1))
        for _ in range(60):
            trial = scores + size * step
            probability, trial_value = _evaluate(trial, i, j, wins, losses, l2)
            worse = trial_value < value - 1e-12 * np.abs(value)
            if not worse.any():
                break
            size[worse] /= 2
        scores, value = trial, trial_value
    scores -= scores.mean(axis=1, keepdims=True)
    return scores.reshape(shape)


def _evaluate(scores, i, j, wins, losses, l2: float) -> tuple[np.ndarray, np.ndarray]:
    """Return (P(i beats j) for each pair, the objective) of each row of ``scores``."""
    difference = scores[:, i] - scores[:, j]
    small = np.exp(-np.abs(difference))  # does not overflow; the larger probability is 1 / (1 + small)
    probability = np.where(difference >= 0, 1.0, small) / (1 + small)
    # -log sigmoid(d) is log(1 + small), and -d more where d < 0
    loss = (wins + losses) * np.log1p(small) + np.where(difference >= 0, losses, wins) * np.abs(difference)
    return probability, -loss.sum(axis=1) - l2 / 2 * (scores**2).sum(axis=1)
