"""Meta-judge bias: how verdicts depend on the judgments' scores, position and length (table 5)."""

from collections.abc import Iterable

from metarewarding.intervals import clustered_interval
from metarewarding.records import Judgment, MetaJudgment


def meta_judge_bias(meta_judgments: Iterable[MetaJudgment], judgments: Iterable[Judgment]) -> dict:
    """Return shares in [0, 1], None where no verdict counts.

    - ``higher_score_wins``, ``lower_score_wins``: of the pairs of different scores whose two verdicts agree, those that
      the judgment of higher (lower) score wins (table 5).
    - ``higher_score_wins_all_verdicts``: of all verdicts on two judgments of different scores. A pair whose verdict
      flips gives one win to each side, so this is at most 1 - flips / 2: 71.9 % in the paper's second iteration, where
      it prints 97.68 %. The paper's figure therefore cannot be this one.
    - ``position_bias``: of the pairs with a verdict in both orders, those whose verdict flips with the order (table 5);
      ``_same_score`` and ``_different_score`` split the pairs.
    - ``first_wins``: of all verdicts, those for the judgment shown first.
    - ``longer_wins``: of the verdicts on judgments of different length in characters.

    The shares of pairs have a 95 % interval in percent, ``<share>_ci``, clustered by response, because a response's
    pairs are of the same few judgments. Also ``presentations``, ``verdicts``, ``pairs`` (those with a verdict in both
    orders), ``pairs_of_same_score`` and ``agreeing_pairs`` (those of different scores whose two verdicts agree). Rows
    are joined by judgment id; a verdict on an unknown judgment raises KeyError.
    """
    by_id = {row["judgment_id"]: row for row in judgments}
    presentations = higher = lower = longer = shorter = first_wins = 0
    winners: dict[tuple[str, str], str] = {}
    for row in meta_judgments:
        presentations += 1
        if row["winner"] is None:
            continue
        if (row["first"], row["second"]) in winners:
            raise ValueError(f"the presentation of {row['first']} and {row['second']} occurs twice")
        won, lost = (row["first"], row["second"]) if row["winner"] == "first" else (row["second"], row["first"])
        winners[row["first"], row["second"]] = won
        first_wins += row["winner"] == "first"
        higher += by_id[won]["score"] > by_id[lost]["score"]
        lower += by_id[won]["score"] < by_id[lost]["score"]
        longer += len(by_id[won]["text"]) > len(by_id[lost]["text"])
        shorter += len(by_id[won]["text"]) < len(by_id[lost]["text"])
    flips: dict[bool, list] = {True: [], False: []}  # (whether the verdict flips, response) of each pair
    agreed = []  # (whether the higher score wins, response) of each pair of different scores without a flip
    for (a, b), won in winners.items():
        if a < b and (b, a) in winners:
            same_score, flip = by_id[a]["score"] == by_id[b]["score"], won != winners[b, a]
            response = by_id[a]["response_id"]
            flips[same_score].append((flip, response))
            if not same_score and not flip:
                agreed.append((by_id[won]["score"] == max(by_id[a]["score"], by_id[b]["score"]), response))
    return {
        **_with_interval("higher_score_wins", agreed),
        **_with_interval("lower_score_wins", [(not won, response) for won, response in agreed]),
        "higher_score_wins_all_verdicts": _share(higher, higher + lower),
        **_with_interval("position_bias_same_score", flips[True]),
        **_with_interval("position_bias_different_score", flips[False]),
        **_with_interval("position_bias", flips[True] + flips[False]),
        "first_wins": _share(first_wins, len(winners)),
        "longer_wins": _share(longer, longer + shorter),
        "presentations": presentations,
        "verdicts": len(winners),
        "pairs": len(flips[True] + flips[False]),
        "pairs_of_same_score": len(flips[True]),
        "agreeing_pairs": len(agreed),
    }


def _with_interval(name: str, pairs: list[tuple[bool, str]]) -> dict:
    values, responses = [value for value, _ in pairs], [response for _, response in pairs]
    return {name: _share(sum(values), len(values)), f"{name}_ci": clustered_interval(values, responses)}


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
