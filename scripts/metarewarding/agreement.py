"""Measure how well a judge's scores agree with people's rankings (section 3.4, table 7)."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from metarewarding import ties
from metarewarding.intervals import clustered_interval


def pairwise(judge_scores: Sequence[float], human_ranks: Sequence[float]) -> dict:
    """Return the agreement on one prompt's replies: scores (higher = better) against ranks (0 = best).

    Returns ``agreement`` (share of reply pairs ordered as people order them, the judge's ties as
    0.5), ``agreement_without_ties`` (over the pairs that the judge does not tie), ``spearman``
    (positive when judge and people agree), ``pairs`` (pairs that people order) and ``ties`` (those
    that the judge ties: scores closer than ``ties.TOLERANCE``). An undefined value is None. Pairs that people tie do
    not count.
    """
    judge_scores, human_ranks = [float(score) for score in judge_scores], [float(rank) for rank in human_ranks]
    if len(judge_scores) != len(human_ranks):
        raise ValueError(f"{len(judge_scores)} scores for {len(human_ranks)} ranks")
    outcomes = {1: 0, 0: 0, -1: 0}  # of each pair: the judge agrees, ties, disagrees
    for a, b in combinations(range(len(judge_scores)), 2):
        if human_ranks[a] == human_ranks[b]:
            continue
        better, worse = (a, b) if human_ranks[a] < human_ranks[b] else (b, a)
        outcomes[ties.compare(judge_scores[better], judge_scores[worse])] += 1
    right, tied, wrong = outcomes.values()
    pairs = right + tied + wrong
    return {
        "agreement": (right + tied / 2) / pairs if pairs else None,
        "agreement_without_ties": right / (right + wrong) if right + wrong else None,
        "spearman": _spearman(judge_scores, [-rank for rank in human_ranks]),
        "pairs": pairs,
        "ties": tied,
    }


def over_prompts(results: Sequence[dict]) -> dict:
    """Return the agreement over many prompts: pairs are pooled, Spearman is averaged over the prompts that have one.

    ``agreement_ci``, ``agreement_without_ties_ci``: 95 % intervals in percent, clustered by prompt, because a prompt's
    pairs share replies.
    """
    pairs = sum(result["pairs"] for result in results)
    tied = sum(result["ties"] for result in results)
    # whole numbers, which a product of floats is not always
    right_of = [round(of["agreement"] * of["pairs"] - of["ties"] / 2) if of["pairs"] else 0 for of in results]
    right = sum(right_of)
    values, decided = [], []  # (value, prompt) of each pair
    for prompt, (of, count) in enumerate(zip(results, right_of, strict=True)):
        told_apart = [(1.0, prompt)] * count + [(0.0, prompt)] * (of["pairs"] - of["ties"] - count)
        values += told_apart + [(0.5, prompt)] * of["ties"]
        decided += told_apart
    spearmans = [result["spearman"] for result in results if result["spearman"] is not None]
    return {
        "agreement": (right + tied / 2) / pairs if pairs else None,
        "agreement_without_ties": right / (pairs - tied) if pairs > tied else None,
        "agreement_ci": clustered_interval(*zip(*values, strict=True)) if values else (None, None),
        "agreement_without_ties_ci": clustered_interval(*zip(*decided, strict=True)) if decided else (None, None),
        "spearman": sum(spearmans) / len(spearmans) if spearmans else None,
        "pairs": pairs,
        "ties": tied,
        "prompts": len(results),
        "prompts_with_spearman": len(spearmans),
    }


def _spearman(x: Sequence[float], y: Sequence[float]) -> float | None:
    # Pearson on average ranks. scipy.stats.spearmanr has no tolerance, and warns for a constant judge.
    if len(x) < 2:
        return None
    a, b = (_ranks(values) - (len(values) + 1) / 2 for values in (x, y))
    norm = float((a @ a) * (b @ b)) ** 0.5
    return float(a @ b) / norm if norm else None


def _ranks(values: Sequence[float]) -> np.ndarray:
    """Return average ranks, 1 for the lowest."""
    levels = np.array(ties.levels(values))
    return (levels[:, None] > levels).sum(axis=1) + ((levels[:, None] == levels).sum(axis=1) + 1) / 2
