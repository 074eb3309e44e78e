"""Score a judge on preference rows: pointwise by its scores, pairwise by its verdicts in both orders."""

from collections.abc import Iterable, Sequence

import numpy as np

from metarewarding.errors import UserError
from metarewarding.intervals import clustered_interval
from metarewarding.ties import TOLERANCE

VERDICTS = ("1", "2", "tie", None)


def preference_scores(rows: Iterable[dict]) -> dict:
    """Return how often, in percent, the response with the highest pointwise score is the best one.

    A row has ``prompt_id``, ``scores`` (one a response, higher is better), ``best`` (an index, or a list of
    indices) and ``subset``. Returns

    - ``accuracy``: when k responses share the highest score, the row counts as the share of them that are best, which
      is 1/k for one best response and 1/2 for a tied pair;
    - ``accuracy_without_ties``: over the rows whose highest score belongs to one response;
    - ``accuracy_ties_wrong``: over all rows, with a shared highest score counted as wrong;
    - ``ties``: the number of rows whose highest score is shared; ``n``: the number of rows;
    - ``ci_low``, ``ci_high``: 95 % interval of the accuracy, clustered by prompt (see ``clustered_interval``);
    - ``by_subset``: {subset: the same}.

    RewardBench 2's published accuracies of best of four are ``accuracy``; JudgeBench's are ``accuracy_ties_wrong``.
    Scores closer than ``ties.TOLERANCE`` are equal. A score of None (nothing could be read) expresses no preference:
    such a row is a tie of all its responses. A value that is undefined is None. Raise UserError for a row without two
    responses, with an index out of range, or with a score that is not finite.
    """
    rows = list(rows)
    counted = [_credit(row, number) for number, row in enumerate(rows, start=1)]
    prompts = [row["prompt_id"] for row in rows]
    subsets = [row.get("subset") or "" for row in rows]
    by_subset = {}
    for subset in dict.fromkeys(subsets):
        places = [i for i, name in enumerate(subsets) if name == subset]
        by_subset[subset] = _summary([counted[i] for i in places], [prompts[i] for i in places])
    return _summary(counted, prompts) | {"by_subset": by_subset}


def _credit(row: dict, number: int) -> tuple[float, bool]:
    """Return (share of the row that counts as right, whether its highest score is shared)."""
    where = f"preference row {number} (prompt_id {row.get('prompt_id')!r})"
    scores, best = row["scores"], row["best"]
    best = {best} if isinstance(best, int | np.integer) else set(best)
    if len(scores) < 2:
        raise UserError(f"{where}: `scores` has {len(scores)} values; two responses or more are needed.")
    if not best or not all(0 <= i < len(scores) for i in best):
        raise UserError(
            f"{where}: `best` is {row['best']!r}; it must be one or more indices from 0 to {len(scores) - 1}."
        )
    if any(score is not None and not np.isfinite(score) for score in scores):
        raise UserError(f"{where}: `scores` has a value that is not finite; use null for a missing score.")
    if any(score is None for score in scores):
        top = set(range(len(scores)))
    else:
        top = {i for i, score in enumerate(scores) if score > max(scores) - TOLERANCE}
    return len(top & best) / len(top), len(top) > 1


def _summary(counted: Sequence[tuple[float, bool]], prompts: Sequence) -> dict:
    credits = [credit for credit, _ in counted]
    decided = [credit for credit, tied in counted if not tied]
    low, high = clustered_interval(credits, prompts)
    return {
        "accuracy": _percent(credits),
        "accuracy_without_ties": _percent(decided),
        "accuracy_ties_wrong": _percent([0.0 if tied else credit for credit, tied in counted]),
        "ties": len(credits) - len(decided),
        "n": len(credits),
        "ci_low": low,
        "ci_high": high,
    }


def _percent(values: Sequence[float]) -> float | None:
    return 100 * float(np.mean(values)) if len(values) else None


def pairwise_scores(rows: Iterable[dict]) -> dict:
    """Return the accuracy and the consistency of verdicts on pairs that were shown in both orders.

    A row has ``label``, ``verdict`` and ``verdict_swapped``: "1", "2", "tie" or None (nothing could be read), each
    naming the response and not the position. Returns in percent

    - ``average``: accuracy over both orders, a tie counted as one half where the label names a response, None as wrong;
    - ``both``: rows whose two verdicts equal the label;
    - ``agreement``: rows whose two verdicts are the same, with None as a separate verdict;

    and ``kappa``, Cohen's kappa of the two orders (in [-1, 1]; None where one verdict is the only one), and ``n``.
    The same call gives the agreement of two annotators, as its two verdicts. Raise UserError for another verdict.
    """
    triples = [tuple(row[key] for key in ("label", "verdict", "verdict_swapped")) for row in rows]
    for number, triple in enumerate(triples, start=1):
        for key, value in zip(("label", "verdict", "verdict_swapped"), triple, strict=True):
            if value not in VERDICTS or (key == "label" and value is None):
                raise UserError(f'preference row {number}: `{key}` is {value!r}; "1", "2" or "tie" is expected.')
    if not triples:
        return {"average": None, "both": None, "agreement": None, "kappa": None, "n": 0}
    average = [(_verdict_credit(label, a) + _verdict_credit(label, b)) / 2 for label, a, b in triples]
    return {
        "average": _percent(average),
        "both": _percent([label == a == b for label, a, b in triples]),
        "agreement": _percent([a == b for _, a, b in triples]),
        "kappa": cohen_kappa([a for _, a, _ in triples], [b for _, _, b in triples]),
        "n": len(triples),
    }


def _verdict_credit(label: str, verdict: str | None) -> float:
    return 1.0 if verdict == label else 0.5 if verdict == "tie" else 0.0


def cohen_kappa(first: Sequence, second: Sequence) -> float | None:
    """Return two raters' agreement beyond chance; None without rows or where both give one category only."""
    if not len(first):
        return None
    observed = float(np.mean([a == b for a, b in zip(first, second, strict=True)]))
    categories = set(first) | set(second)
    expected = (
        sum(sum(a == category for a in first) * sum(b == category for b in second) for category in categories)
        / len(first) ** 2
    )
    return None if expected == 1 else (observed - expected) / (1 - expected)
