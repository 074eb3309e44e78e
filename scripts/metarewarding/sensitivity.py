"""The effect of K responses, N judgments and rho, from the scores of a finished run: no new sampling.

Scores are arrays of shape (prompts, K, N), NaN where a judgment is missing or unparsed or a prompt has fewer distinct
responses; lengths (characters) and ``may_be_chosen`` have the shape (prompts, K).
"""

import numpy as np

from metarewarding.reliability import of_one_judgment, spearman_brown
from metarewarding.ties import TOLERANCE

KEEP = 0.95  # share of the gap that a recommended N must keep


def select_pairs(
    means: np.ndarray, lengths: np.ndarray, rho: float, may_be_chosen: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return ``pairs.select_actor_pair`` of all prompts at once: (indices of chosen, of rejected), -1 without a pair.

    ``means``: shape (prompts, K), NaN for a response without a score, which takes no part.
    """
    scored = ~np.isnan(means)
    high = np.where(scored, means, -np.inf).max(axis=1)
    low = np.where(scored, means, np.inf).min(axis=1)
    apart = (scored.sum(axis=1) >= 2) & (high - low >= TOLERANCE)
    high, low = np.where(apart, high, 0.0)[:, None], np.where(apart, low, 0.0)[:, None]
    top = scored & (means >= (1 - rho) * high + rho * low - TOLERANCE)
    bottom = scored & (means <= (1 - rho) * low + rho * high + TOLERANCE)
    chosen = _first(top & may_be_chosen, lengths, -means)
    rejected = _first(bottom, -lengths, means)
    none = ~apart | ~(top & may_be_chosen).any(axis=1) | (chosen == rejected)
    return np.where(none, -1, chosen), np.where(none, -1, rejected)


def _first(allowed: np.ndarray, *keys: np.ndarray) -> np.ndarray:
    """Return each row's first index among ``allowed`` by the keys in order, lowest first; 0 where none is allowed."""
    for key in keys:
        values = np.where(allowed, key, np.inf)
        allowed = allowed & (values < values.min(axis=1, keepdims=True) + TOLERANCE)
    return allowed.argmax(axis=1)


def of_k_and_n(
    scores: np.ndarray,
    lengths: np.ndarray,
    may_be_chosen: np.ndarray,
    rho: float,
    draws: int,
    rng: np.random.Generator,
) -> list[dict]:
    """Return a row for each K from 2 and each N, the mean over ``draws`` random subsets of responses and judgments.

    - ``with_pair``: prompts that give a pair;
    - ``same_pair``: of the prompts with a pair from all K and N, those that give the same one;
    - ``apparent_gap``: mean score of chosen minus rejected, by the judgments that they were chosen by;
    - ``true_gap``: the same by the other judgments of both, which had no part in the choice, so that the regression to
      the mean is taken out. All N judgments leave none: see ``with_full_n``;
    - ``mean_gap``: ``with_pair`` times ``true_gap``, what a prompt gives on average.

    Subsets are nested within a draw. A value is None where no prompt counts.
    """
    prompts, most_k, most_n = scores.shape
    full = select_pairs(_means(scores), lengths, rho, may_be_chosen)
    sums: dict[tuple[int, int], list] = {}
    for _ in range(draws):
        shuffled = np.take_along_axis(scores, rng.random(scores.shape).argsort(axis=2), axis=2)
        valid = ~np.isnan(shuffled)
        total = np.where(valid, shuffled, 0).cumsum(axis=2)
        count = valid.cumsum(axis=2)
        order = np.where(np.isnan(scores).all(axis=2), 1, 0) + rng.random((prompts, most_k))  # absent ones last
        rank = order.argsort(axis=1).argsort(axis=1)
        for n in range(1, most_n + 1):
            with np.errstate(invalid="ignore"):
                means = total[..., n - 1] / np.where(count[..., n - 1], count[..., n - 1], np.nan)
                left = count[..., -1] - count[..., n - 1]
                others = (total[..., -1] - total[..., n - 1]) / np.where(left, left, np.nan)
            for k in range(2, most_k + 1):
                pair = select_pairs(np.where(rank < k, means, np.nan), lengths, rho, may_be_chosen)
                sums.setdefault((k, n), []).append(_facts(pair, full, means, others))
    rows = []
    for (k, n), facts in sorted(sums.items()):
        row = {"k": k, "n": n} | {key: _mean([of[key] for of in facts]) for key in facts[0]}
        row["mean_gap"] = None if row["true_gap"] is None else row["with_pair"] * row["true_gap"]
        rows.append(row)
    return with_full_n(rows, of_one_judgment(scores))


def _facts(pair, full, means: np.ndarray, others: np.ndarray) -> dict:
    has, had = pair[0] >= 0, full[0] >= 0
    same = (pair[0] == full[0]) & (pair[1] == full[1])
    places = np.flatnonzero(has)
    chosen, rejected = pair[0][has], pair[1][has]
    gaps = others[places, chosen] - others[places, rejected]
    gaps = gaps[~np.isnan(gaps)]
    return {
        "with_pair": float(has.mean()) if len(has) else None,
        "same_pair": float(same[had].mean()) if had.any() else None,
        "apparent_gap": float((means[places, chosen] - means[places, rejected]).mean()) if len(places) else None,
        "true_gap": float(gaps.mean()) if len(gaps) else None,
    }


def with_full_n(rows: list[dict], reliability: float | None) -> list[dict]:
    """Return ``rows`` with the true gap of the largest N, which leaves no judgment to measure it by.

    It is that of N - 1 times the growth that the reliability foretells: the apparent gap times the reliability of a
    mean of n judgments (Spearman-Brown) is the expected true gap of normal scores.
    """
    most = max(row["n"] for row in rows)
    before = {row["k"]: row for row in rows if row["n"] == most - 1}
    for row in rows:
        smaller = before.get(row["k"])
        if row["n"] < most or not smaller or not reliability or not smaller["apparent_gap"] or not row["apparent_gap"]:
            continue
        if smaller["true_gap"] is None:
            continue
        shrunk = [of["apparent_gap"] * spearman_brown(reliability, of["n"]) for of in (smaller, row)]
        row["true_gap"] = smaller["true_gap"] * shrunk[1] / shrunk[0]
        row["mean_gap"] = row["with_pair"] * row["true_gap"]
    return rows


def of_rho(
    scores: np.ndarray, lengths: np.ndarray, may_be_chosen: np.ndarray, rho: float, grid: list[float]
) -> list[dict]:
    """Return for each rho of ``grid``: with_pair, same_pair (as with ``rho``), gap (mean score), chosen_length,
    rejected_length and shorter (share of the pairs whose chosen response is the shorter one)."""
    means = _means(scores)
    reference = select_pairs(means, lengths, rho, may_be_chosen)
    rows = []
    for value in grid:
        pair = select_pairs(means, lengths, value, may_be_chosen)
        places = np.flatnonzero(pair[0] >= 0)
        chosen, rejected = pair[0][places], pair[1][places]
        of_chosen, of_rejected = lengths[places, chosen], lengths[places, rejected]
        facts = _facts(pair, reference, means, means)
        rows.append(
            {
                "rho": value,
                "with_pair": facts["with_pair"],
                "same_pair": facts["same_pair"],
                "gap": facts["apparent_gap"],
                "chosen_length": _mean(of_chosen.tolist()),
                "rejected_length": _mean(of_rejected.tolist()),
                "shorter": _mean((of_chosen < of_rejected).tolist()),
            }
        )
    return rows


def cost(k: int, n: int, response_chars: float, judgment_chars: float) -> float:
    """Return the characters of a prompt's responses and judgments, as the cost of sampling with K and N."""
    return k * (response_chars + n * judgment_chars)


def recommend(rows: list[dict], response_chars: float, judgment_chars: float, keep: float = KEEP) -> dict | None:
    """Return {n, kept, same_pair, cost} of the smallest N that keeps the share ``keep`` of the mean gap, with all K.

    ``kept`` and ``cost`` are shares of those of all K and N. None where the gap of all is not known or not positive.
    """
    k = max(row["k"] for row in rows)
    most = max(row["n"] for row in rows)
    of_n = {row["n"]: row for row in rows if row["k"] == k}
    whole = of_n[most]["mean_gap"]
    if not whole or whole <= 0:
        return None
    # an N is enough when all larger ones are enough, too
    enough = [n for n in of_n if all((of_n[m]["mean_gap"] or 0) >= keep * whole for m in of_n if m >= n)]
    n = min(enough)
    return {
        "k": k,
        "n": n,
        "of_n": most,
        "kept": of_n[n]["mean_gap"] / whole,
        "same_pair": of_n[n]["same_pair"],
        "cost": cost(k, n, response_chars, judgment_chars) / cost(k, most, response_chars, judgment_chars),
    }


def sentence(advice: dict | None, prompts: int) -> str:
    """Return the recommendation in one sentence."""
    if advice is None:
        return f"From {prompts} prompts no N can be recommended: the true gap is not above 0, or not known."
    small = f" ({prompts} prompts: within noise)" if prompts < 200 else ""
    if advice["n"] == advice["of_n"]:
        share = f"{100 * KEEP:.0f} %"
        return f"With this judge no N below {advice['of_n']} keeps {share} of the true gap of its pairs{small}."
    kept = "the whole" if advice["kept"] >= 1 else f"{100 * advice['kept']:.0f} % of the"
    return (
        f"With this judge N = {advice['n']} instead of {advice['of_n']} keeps {kept} true gap between chosen and "
        f"rejected at {100 * advice['cost']:.0f} % of the sampling cost{small}."
    )


def _means(scores: np.ndarray) -> np.ndarray:
    counts = (~np.isnan(scores)).sum(axis=2)
    return np.nansum(scores, axis=2) / np.where(counts, counts, np.nan)


def _mean(values) -> float | None:
    values = [value for value in values if value is not None]
    return float(np.mean(values)) if values else None
