"""How consistent the meta-judge is: on the same question again, and on the same pair in the other order."""

from collections.abc import Iterable

from metarewarding.evaluation.preference import cohen_kappa
from metarewarding.records import MetaJudgment


def of_repeats(meta_judgments: Iterable[MetaJudgment], repeats: Iterable[MetaJudgment]) -> dict:
    """Return how often verdicts on the same two judgments agree: shares in [0, 1], None where no verdict counts.

    - ``retest``: of the presentations with a verdict both times, those whose two verdicts agree: same order, another
      seed; ``retest_kappa`` is Cohen's kappa of the two;
    - ``order``: of the repeated pairs with a verdict in both orders, those that the same judgment wins in both (one
      sampling of each order);
    - ``retest_swapped``: verdicts on the repeat in the other order against those of the first time.

    ``order`` far below ``retest`` means position bias; both low means noise. Also ``presentations`` (repeated ones) and
    ``both_times`` (those with a verdict both times).
    """
    repeated = _winners(repeats)
    before = {key: winner for key, winner in _winners(meta_judgments).items() if key in repeated}
    again = [(key, before[key], winner) for key, winner in repeated.items() if before.get(key) and winner]
    first_won = [(a == first, b == first) for (first, _), a, b in again]
    orders = [
        (winner, before[second, first])
        for (first, second), winner in before.items()
        if first < second and winner and before.get((second, first))
    ]
    swapped = [
        (winner, before[second, first])
        for (first, second), winner in repeated.items()
        if winner and before.get((second, first))
    ]
    return {
        "retest": _agreement(first_won),
        "retest_kappa": cohen_kappa([a for a, _ in first_won], [b for _, b in first_won]),
        "order": _agreement(orders),
        "retest_swapped": _agreement(swapped),
        "presentations": len(repeated),
        "both_times": len(again),
    }


def _winners(rows: Iterable[MetaJudgment]) -> dict[tuple[str, str], str | None]:
    """Return {(first, second): id of the judgment that won, or None}."""
    return {(row["first"], row["second"]): row["winner"] and row[row["winner"]] for row in rows}


def _agreement(pairs: list[tuple]) -> float | None:
    return sum(a == b for a, b in pairs) / len(pairs) if pairs else None
