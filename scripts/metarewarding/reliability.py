"""Reliability of mean scores and of Elo scores: the share of their variance that is not noise.

Scores are arrays of shape (prompts, responses, judgments), NaN where a score is missing.
"""

import numpy as np

from metarewarding import elo


def spearman_brown(reliability: float, times: float) -> float:
    """Return the reliability of a measure that is ``times`` as long, from that of one (in [0, 1])."""
    return times * reliability / (1 + (times - 1) * reliability)


def of_one_judgment(scores: np.ndarray) -> float | None:
    """Return the reliability of one judgment: the variance between a prompt's responses over that of single scores.

    ``scores``: shape (prompts, K, N). One-way analysis of variance within prompts (intraclass correlation ICC(1)), so
    that a difference between prompts, which no pair depends on, does not count. At least 0. None where no response has
    two scores or no prompt two scored responses.
    """
    valid = ~np.isnan(scores)
    counts = valid.sum(axis=2)
    filled = np.where(valid, scores, 0)
    totals = filled.sum(axis=2)
    means = totals / np.maximum(counts, 1)
    of_prompt = counts.sum(axis=1)
    prompt_means = totals.sum(axis=1) / np.maximum(of_prompt, 1)
    within = float((np.where(valid, scores - means[..., None], 0) ** 2).sum())
    within_freedom = int((counts - 1).clip(0).sum())
    between = float((counts * (means - prompt_means[:, None]) ** 2).sum())
    between_freedom = int(((counts > 0).sum(axis=1) - 1).clip(0).sum())
    if not within_freedom or not between_freedom:
        return None
    # the effective number of judgments of a response, where the numbers differ
    size = float((of_prompt - (counts**2).sum(axis=1) / np.maximum(of_prompt, 1)).sum()) / between_freedom
    noise = within / within_freedom
    signal = max(0.0, (between / between_freedom - noise) / size)
    return signal / (signal + noise) if signal + noise else None


def of_elo(verdicts: np.ndarray, l2: float, draws: int, rng: np.random.Generator) -> dict:
    """Return the reliability of Elo scores from one order, from half of the pairs, and from both orders of all.

    ``verdicts``: shape (responses, n, n); [m, j] is 1 where m, shown first, won against j, -1 where j won, 0 without a
    verdict. Each design is split into two of equal size, whose Elo scores are correlated within responses: one order
    against the other, one half of the pairs against the other. ``both_orders`` is Spearman-Brown of ``one_order``.
    ``same_pair_*``: how often a design's highest and lowest judgment are those of all verdicts. A value is None where
    nothing varies.
    """
    count = verdicts.shape[-1]
    full = _fit(verdicts, np.ones_like(verdicts, dtype=bool), l2)
    first, second = np.triu_indices(count, k=1)
    correlations: dict[str, list] = {"one_order": [], "half_of_pairs": []}
    same: dict[str, list] = {"one_order": [], "half_of_pairs": []}
    for _ in range(draws):
        drawn = rng.random((len(verdicts), len(first)))
        one = np.zeros(verdicts.shape, dtype=bool)
        one[:, first, second] = drawn < 0.5
        one[:, second, first] = drawn >= 0.5
        half = np.zeros(verdicts.shape, dtype=bool)
        chosen = drawn.argsort(axis=1).argsort(axis=1) < len(first) // 2
        half[:, first, second] = half[:, second, first] = chosen
        rest = np.zeros(verdicts.shape, dtype=bool)
        rest[:, first, second] = rest[:, second, first] = ~chosen
        for name, mask, other in (("one_order", one, one.swapaxes(1, 2)), ("half_of_pairs", half, rest)):
            scores = _fit(verdicts, mask, l2)
            correlations[name].append(_correlation(scores, _fit(verdicts, other, l2)))
            same[name].append(_same_extremes(scores, full))
    result = {name: _mean(values) for name, values in correlations.items()}
    one_order = result["one_order"]
    result["both_orders"] = None if one_order is None else spearman_brown(max(0.0, one_order), 2)
    return result | {f"same_pair_{name}": _mean(values) for name, values in same.items()}


def _fit(verdicts: np.ndarray, mask: np.ndarray, l2: float) -> np.ndarray:
    """Return Elo scores of the verdicts in ``mask``, weighed by position as the loop does (section 2.2)."""
    first, second = (verdicts == 1) & mask, (verdicts == -1) & mask
    total = first.sum() + second.sum()
    omega1, omega2 = (second.sum() / total, first.sum() / total) if total else (0.5, 0.5)
    return elo.fit(omega1 * first + omega2 * second.swapaxes(1, 2), l2)


def _correlation(a: np.ndarray, b: np.ndarray) -> float | None:
    """Return Pearson's correlation, pooled over responses, each of mean 0."""
    norm = float((a**2).sum() * (b**2).sum()) ** 0.5
    return float((a * b).sum()) / norm if norm > 1e-12 else None


def _same_extremes(a: np.ndarray, b: np.ndarray) -> float | None:
    if not len(a):
        return None
    return float(np.mean((a.argmax(axis=1) == b.argmax(axis=1)) & (a.argmin(axis=1) == b.argmin(axis=1))))


def _mean(values: list) -> float | None:
    values = [value for value in values if value is not None]
    return float(np.mean(values)) if values else None
