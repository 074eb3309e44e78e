"""Select the chosen and rejected responses and judgments (sections 2.1 and 2.2)."""

from collections.abc import Sequence

import numpy as np

from metarewarding.ties import TOLERANCE, compare, levels


def select_actor_pair(
    scores: Sequence[float], lengths: Sequence[int], rho: float, may_be_chosen: Sequence[bool] | None = None
) -> tuple[int, int] | None:
    """Return (index of chosen, index of rejected) among one prompt's responses, or None (section 2.1).

    ``scores`` are mean judge scores, ``lengths`` characters, 0 <= rho <= 1. Chosen is the shortest
    response of the top tier [(1 - rho) S_max + rho S_min, S_max]; rejected is the longest of the
    bottom tier [S_min, (1 - rho) S_min + rho S_max]. From rho 0.5 on the tiers overlap, and chosen may
    score lower than rejected: at 1 the length alone decides. Tiers come from all scores; ``may_be_chosen``
    (default: all) then restricts the choice. Within a tier equal lengths go by score (higher for
    chosen, lower for rejected), then by index.

    None when all scores are equal, when no member of the top tier may be chosen, when both would be
    the same response, or with fewer than two responses.
    """
    if len(scores) < 2 or compare(max(scores), min(scores)) == 0:
        return None
    top_tier, bottom_tier = tiers(scores, rho)
    if may_be_chosen is not None:
        top_tier = [i for i in top_tier if may_be_chosen[i]]
    if not top_tier:
        return None
    level = levels(scores)
    chosen = min(top_tier, key=lambda i: (lengths[i], -level[i], i))
    rejected = min(bottom_tier, key=lambda i: (-lengths[i], level[i], i))
    return None if chosen == rejected else (chosen, rejected)


def may_be_chosen(response: dict, allow_truncated: bool) -> bool:
    """Return whether a response may be chosen: it must not be empty, nor truncated unless that is allowed."""
    return bool(response["text"].strip()) and (allow_truncated or response["finish_reason"] != "length")


def tiers(scores: Sequence[float], rho: float) -> tuple[list[int], list[int]]:
    """Return (indices of the top tier, indices of the bottom tier) of one prompt's scores (section 2.1)."""
    high, low = max(scores), min(scores)
    # with a tolerance, as 0.7 * 5 + 0.3 * 1 and 3.8 are different floats
    top = (1 - rho) * high + rho * low - TOLERANCE
    bottom = (1 - rho) * low + rho * high + TOLERANCE
    return [i for i, score in enumerate(scores) if score >= top], [
        i for i, score in enumerate(scores) if score <= bottom
    ]


def select_response_to_meta_judge(
    scores_by_response: dict[str, Sequence[float]], rng: np.random.Generator
) -> str | None:
    """Return the response whose judge scores have the highest population variance (section 2.2).

    ``scores_by_response`` maps a response id to its valid scores. Ties are drawn by ``rng``. None
    when no response has two scores that differ.
    """
    variances = {
        response_id: float(np.var(scores))
        for response_id, scores in scores_by_response.items()
        if len(scores) >= 2 and max(scores) > min(scores)
    }
    if not variances:
        return None
    highest = max(variances.values())
    tied = [response_id for response_id, variance in variances.items() if compare(variance, highest) == 0]
    return tied[0] if len(tied) == 1 else tied[rng.integers(len(tied))]


def select_judge_pair(
    elo: Sequence[float], rng: np.random.Generator, may_be_chosen: Sequence[bool] | None = None
) -> tuple[int, int] | None:
    """Return (index of the highest Elo, index of the lowest), ties drawn by ``rng`` (section 2.2).

    ``may_be_chosen`` (default: all) restricts the choice among those tied for the highest Elo.
    None when all scores are equal (nothing was won, so nothing is preferred) or when no judgment of the highest Elo
    may be chosen.
    """
    if len(elo) < 2 or compare(max(elo), min(elo)) == 0:
        return None
    best = [i for i, score in enumerate(elo) if compare(score, max(elo)) == 0]
    if may_be_chosen is not None:
        best = [i for i in best if may_be_chosen[i]]
    if not best:
        return None
    worst = [i for i, score in enumerate(elo) if compare(score, min(elo)) == 0]
    return int(best[rng.integers(len(best))]), int(worst[rng.integers(len(worst))])
