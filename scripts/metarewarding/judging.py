"""The judge: how a response is scored (section 2.1 and appendix A.1)."""

import re
from collections.abc import Iterable

from metarewarding.records import Judgment

# "Score: 4", "**Score:** 4.5", "_Score: 4_", "Score: 4/5", "Score: <4>". What follows the number must not
# go on as a number, a word or a range: "Score: 45", "Score: 4th" and "Score: 3-4" are no scores.
_SCORE = re.compile(
    r"(?<![^\W_])score(?![^\W_])[\s*_`\"']*[:=\-][\s*_`\"'<\[({]*"
    r"(?P<value>[+-]?\d+(?:[.,]\d+)?)(?![^\W_]|%|[.,]\d|\s*[-–]\s*\d)"
    r"(?:\s*(?:/|out\s+of)\s*(?P<total>\d+(?:\.\d+)?))?",
    re.IGNORECASE,
)


def parse_score(text: str, low: float = 0, high: float = 5) -> float | None:
    """The score that a judgment ends with: the last ``Score: <number>`` in ``text``.

    Decimals are accepted. The last match decides alone: when it lies outside [low, high], or names
    another scale ("Score: 8/10"), the judgment does not follow the scale and there is no score
    (section 2.1: such judgments are discarded). A text that quotes a score earlier, for instance
    from the prompt, is read by its last one.
    """
    matches = list(_SCORE.finditer(text))
    if not matches:
        return None
    last = matches[-1]
    if last["total"] and float(last["total"]) != high:
        return None
    value = float(last["value"].replace(",", "."))
    return value if low <= value <= high else None


def without_score(text: str) -> str:
    """``text`` without the lines that name a score, for a meta-judge that must not see them."""
    return "\n".join(line for line in text.splitlines() if not _SCORE.search(line)).rstrip()


def mean_scores(judgments: Iterable[Judgment]) -> dict[str, float]:
    """{response_id: mean of its valid scores} (section 2.1); responses without one are absent."""
    return {response_id: sum(scores) / len(scores) for response_id, scores in valid_scores(judgments).items()}


def valid_scores(judgments: Iterable[Judgment]) -> dict[str, list[float]]:
    """{response_id: its valid scores, in the order of the rows}; responses without one are absent."""
    scores: dict[str, list[float]] = {}
    for judgment in judgments:
        if judgment["score"] is not None:
            scores.setdefault(judgment["response_id"], []).append(judgment["score"])
    return scores
