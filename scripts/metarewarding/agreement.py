"""How well a judge's scores agree with people's rankings (section 3.4, table 7)."""

from collections.abc import Sequence
from itertools import combinations

from scipy.stats import rankdata


def pairwise(judge_scores: Sequence[float], human_ranks: Sequence[float]) -> dict:
    """Agreement on one prompt's replies: scores (higher = better) against ranks (0 = best).

    Returns ``agreement`` (share of reply pairs ordered as people order them, the judge's ties as
    0.5), ``agreement_without_ties`` (over the pairs that the judge does not tie), ``spearman``
    (positive when judge and people agree), ``pairs`` (pairs that people order) and ``ties`` (those
    that the judge ties). A value that is undefined is None. Pairs that people tie do not count.
    """
    judge_scores, human_ranks = [float(score) for score in judge_scores], [float(rank) for rank in human_ranks]
    if len(judge_scores) != len(human_ranks):
        raise ValueError(f"{len(judge_scores)} scores for {len(human_ranks)} ranks")
    right = wrong = ties = 0
    for a, b in combinations(range(len(judge_scores)), 2):
        if human_ranks[a] == human_ranks[b]:
            continue
        better, worse = (a, b) if human_ranks[a] < human_ranks[b] else (b, a)
        right += judge_scores[better] > judge_scores[worse]
        wrong += judge_scores[better] < judge_scores[worse]
        ties += judge_scores[better] == judge_scores[worse]
    pairs = right + wrong + ties
    return {
        "agreement": (right + ties / 2) / pairs if pairs else None,
        "agreement_without_ties": right / (right + wrong) if right + wrong else None,
        "spearman": _spearman(judge_scores, [-rank for rank in human_ranks]),
        "pairs": pairs,
        "ties": ties,
    }


def over_prompts(results: Sequence[dict]) -> dict:
    """Many prompts together: agreement pools the pairs, Spearman is averaged over the prompts that have one."""
    pairs = sum(result["pairs"] for result in results)
    ties = sum(result["ties"] for result in results)
    right = sum(result["agreement"] * result["pairs"] - result["ties"] / 2 for result in results if result["pairs"])
    spearmans = [result["spearman"] for result in results if result["spearman"] is not None]
    return {
        "agreement": (right + ties / 2) / pairs if pairs else None,
        "agreement_without_ties": right / (pairs - ties) if pairs > ties else None,
        "spearman": sum(spearmans) / len(spearmans) if spearmans else None,
        "pairs": pairs,
        "ties": ties,
        "prompts": len(results),
        "prompts_with_spearman": len(spearmans),
    }


def _spearman(x: Sequence[float], y: Sequence[float]) -> float | None:
    # Pearson on average ranks; scipy.stats.spearmanr warns for a constant judge, which is no fault here.
    if len(x) < 2:
        return None
    a, b = rankdata(x) - (len(x) + 1) / 2, rankdata(y) - (len(y) + 1) / 2
    norm = float((a @ a) * (b @ b)) ** 0.5
    return float(a @ b) / norm if norm else None
