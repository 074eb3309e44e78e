"""The judge: what it is asked, and how a response is scored (section 2.1 and appendix A.1)."""

import re
from collections.abc import Iterable, Sequence

from metarewarding import sampling, templates
from metarewarding.records import Judgment, Response

# "Score:", "**Score:**", "_Score_ =": what labels a score. Not "Scores:" or "Underscore:".
_LABEL = re.compile(r"(?<![^\W_])score(?![^\W_])[ \t*_`\"']*[:=]", re.IGNORECASE)
# The number behind a label, in marks or brackets, with the scale that it may name. "45", "4th", "80%",
# "3-4", "3 or 4" and "1 + 1" are no scores of this form.
_NUMBER = re.compile(
    r"[\s*_`\"'<\[({]*(?P<value>[+-]?\d+(?:[.,]\d+)?)(?![^\W_]|\s*%|[.,]\d)[*_`\"'>\])}]*+"
    r"(?![\s,]*(?:[-–—+]|to\b|or\b|maybe\b)[\s*_`<\[({]*\d)(?:[\s*_(\[]*(?:/|out\s+of)[\s*_]*(?P<total>\d+(?:\.\d+)?))?",
    re.IGNORECASE,
)


def parse_score(text: str, low: float = 0, high: float = 5) -> float | None:
    """The score that a judgment ends with: the number behind the last "Score:" of ``text``, on its line.

    Decimals are accepted. The last label decides alone: when no number in [low, high] follows it, or
    one on another scale ("Score: 8/10"), the judgment does not follow the form and has no score
    (section 2.1: such judgments are discarded). What stands earlier, for instance quoted from the
    prompt, never takes its place.
    """
    labels = list(_LABEL.finditer(text))
    if not labels:
        return None
    number = _NUMBER.match(text[labels[-1].end() :].split("\n", 1)[0])
    if number is None or (number["total"] and float(number["total"]) != high):
        return None
    value = float(number["value"].replace(",", "."))
    return value if low <= value <= high else None


def without_score(text: str) -> str:
    """``text`` without the lines that name a score, for a meta-judge that must not see them."""
    lines = text.split("\n")
    return "\n".join(line for line in lines if not re.search(_LABEL.pattern + r"[\W_]*\d", line, re.IGNORECASE)).strip()


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


def judge(
    engine,
    prompt_texts: dict[str, str],
    responses: Sequence[Response],
    template: str,
    n: int,
    decoding: sampling.Decoding,
    seed: int,
    high: float = 5,
) -> tuple[list[Judgment], dict]:
    """``n`` judgments of each response (section 2.1); callers leave duplicates out (``distinct``).

    ``prompt_texts`` maps prompt ids to texts. Requests keep the order of ``responses``: rows of one prompt
    side by side, as the files hold them, use the engine's prefix cache.
    Adds to the facts: unparsed, parse_rate (None without judgments).
    """
    requests = [
        sampling.Request(
            response["response_id"],
            templates.fill(template, prompt=sampling.text_of(prompt_texts, response), response=response["text"]),
            n,
            sampling.identity_seed(seed, "judgment", response["response_id"]),
            decoding,
        )
        for response in responses
    ]
    completions, facts = sampling.sample(engine, requests)
    rows = [
        Judgment(
            prompt_id=response["prompt_id"],
            response_id=response["response_id"],
            judgment_id=f"{response['response_id']}/j{k}",
            text=completion.text,
            score=parse_score(completion.text, high=high),
            finish_reason=completion.finish_reason,
        )
        for response in responses
        for k, completion in enumerate(completions[response["response_id"]])
    ]
    return rows, facts | sampling.parse_facts(row["score"] for row in rows)
