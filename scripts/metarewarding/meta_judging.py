"""The meta-judge: which of two judgments is better, and who beat whom (section 2.2, figure 2)."""

import re
from collections.abc import Iterable, Sequence
from itertools import permutations

import numpy as np

from metarewarding.records import Judgment, MetaJudgment

# A line such as "Winner: Judgment A", "**Winner:** [Judgement B]", "Winner: B.".
_WINNER_LINE = re.compile(
    r"^.*?(?<![^\W_])winner(?![^\W_])[\s*_`\"']*(?::|is(?![^\W_]))(?P<answer>.*)$", re.IGNORECASE | re.MULTILINE
)
_OPTION = re.compile(
    r"(?<![^\W_])(?P<word>judge?ments?[\s*_`\"'\[\](){}<>:]*)?(?P<option>[AB])(?![^\W_]|'|\s+(?:tie|draw)\b)",
    re.IGNORECASE,
)


def presentations(judgments: Sequence[Judgment]) -> list[tuple[Judgment, Judgment]]:
    """Every ordered pair of judgments with different texts: both orders of each pair (section 2.2).

    ``judgments`` are the valid judgments of one response; the pairs come in their order, first by
    the judgment shown first.
    """
    return [(m, n) for m, n in permutations(judgments, 2) if m["text"] != n["text"]]


def one_order(
    presentations: Sequence[tuple[Judgment, Judgment]], rng: np.random.Generator
) -> list[tuple[Judgment, Judgment]]:
    """One presentation of each pair, drawn with even odds from both orders of all pairs of a response."""
    ids = [(m["judgment_id"], n["judgment_id"]) for m, n in presentations]
    kept = {(m, n) if rng.random() < 0.5 else (n, m) for m, n in sorted(pair for pair in ids if pair[0] < pair[1])}
    return [pair for pair, of_pair in zip(presentations, ids, strict=True) if of_pair in kept]


def parse_winner(text: str) -> str | None:
    """ "A" (the judgment shown first), "B", or None, from the last winner line of ``text``.

    Judgment or Judgement, brackets and bold are accepted. A last line that quotes both options, as
    the prompt does, names no winner.
    """
    lines = list(_WINNER_LINE.finditer(text))
    if not lines:
        return None
    options = _options(lines[-1]["answer"])
    return options.pop() if len(options) == 1 else None


def _options(answer: str) -> set[str]:
    # A lone lower-case "a" is an English article, not an option.
    return {match["option"].upper() for match in _OPTION.finditer(answer) if match["word"] or match["option"].isupper()}


def position_weights(meta_judgments: Iterable[MetaJudgment]) -> tuple[float, float]:
    """(omega1, omega2), the weight of a win in the first and in the second position.

    omega1 = win2nd / (win1st + win2nd) and omega2 = win1st / (win1st + win2nd): a win in the slot
    that wins less often counts for more (section 2.2). 0.5 each when nothing was won.
    """
    wins = {"first": 0, "second": 0, None: 0}
    for row in meta_judgments:
        wins[row["winner"]] += 1
    total = wins["first"] + wins["second"]
    if total == 0:
        return 0.5, 0.5
    return wins["second"] / total, wins["first"] / total


def battle_matrix(
    judgment_ids: Sequence[str], meta_judgments: Iterable[MetaJudgment], omega1: float, omega2: float
) -> np.ndarray:
    """B[m, n] = omega1 * 1[r_mn = 1] + omega2 * 1[r_nm = -1], shape (n, n) (section 2.2).

    r_mn is the verdict on the presentation with m first: m's win there counts omega1 for (m, n), and
    n's win omega2 for (n, m). Verdicts that flip with the order are kept; a presentation without a
    verdict adds nothing and leaves the other order alone. Rows are joined by judgment id; an id that
    is not in ``judgment_ids`` raises KeyError.
    """
    index = {judgment_id: i for i, judgment_id in enumerate(judgment_ids)}
    battles = np.zeros((len(index), len(index)))
    for row in meta_judgments:
        first, second = index[row["first"]], index[row["second"]]
        if row["winner"] == "first":
            battles[first, second] += omega1
        elif row["winner"] == "second":
            battles[second, first] += omega2
        elif row["winner"] is not None:
            raise ValueError(f"a winner is first, second or None, not {row['winner']!r}")
    return battles
