"""What sways the meta-judge beside the judgments' worth: their scores, their place, their length (table 5)."""

from collections.abc import Iterable

from metarewarding.records import Judgment, MetaJudgment


def meta_judge_bias(meta_judgments: Iterable[MetaJudgment], judgments: Iterable[Judgment]) -> dict:
    """Shares in [0, 1]; None where nothing counts towards one.

    - ``higher_score_wins``, ``lower_score_wins``: of the verdicts on two judgments of different scores.
    - ``position_bias``: of the pairs with a verdict in both orders, those whose verdict flips with the order, so that
      the place decides (protocol, row 30); ``_same_score`` and ``_different_score`` split the pairs.
    - ``first_wins``: of all verdicts, those for the judgment shown first.
    - ``longer_wins``: of the verdicts on judgments of different length in characters.

    With them ``presentations``, ``verdicts`` and ``pairs`` (those with a verdict in both orders). Rows are joined by
    judgment id; a verdict on a judgment that is not there raises KeyError.
    """
    by_id = {row["judgment_id"]: row for row in judgments}
    presentations = higher = lower = longer = shorter = first_wins = 0
    winners: dict[tuple[str, str], str] = {}
    for row in meta_judgments:
        presentations += 1
        if row["winner"] is None:
            continue
        if (row["first"], row["second"]) in winners:
            raise ValueError(f"the presentation of {row['first']} and {row['second']} stands there twice")
        won, lost = (row["first"], row["second"]) if row["winner"] == "first" else (row["second"], row["first"])
        winners[row["first"], row["second"]] = won
        first_wins += row["winner"] == "first"
        higher += by_id[won]["score"] > by_id[lost]["score"]
        lower += by_id[won]["score"] < by_id[lost]["score"]
        longer += len(by_id[won]["text"]) > len(by_id[lost]["text"])
        shorter += len(by_id[won]["text"]) < len(by_id[lost]["text"])
    flips: dict[bool, list[bool]] = {True: [], False: []}
    for (a, b), won in winners.items():
        if a < b and (b, a) in winners:
            flips[by_id[a]["score"] == by_id[b]["score"]].append(won != winners[b, a])
    return {
        "higher_score_wins": _share(higher, higher + lower),
        "lower_score_wins": _share(lower, higher + lower),
        "position_bias_same_score": _share(sum(flips[True]), len(flips[True])),
        "position_bias_different_score": _share(sum(flips[False]), len(flips[False])),
        "position_bias": _share(sum(flips[True] + flips[False]), len(flips[True] + flips[False])),
        "first_wins": _share(first_wins, len(winners)),
        "longer_wins": _share(longer, longer + shorter),
        "presentations": presentations,
        "verdicts": len(winners),
        "pairs": len(flips[True] + flips[False]),
        "pairs_of_same_score": len(flips[True]),
    }


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
