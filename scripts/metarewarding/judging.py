"""The judge: its prompt, and the score of a response (section 2.1 and appendix A.1)."""

from collections.abc import Iterable, Sequence

from metarewarding import templates
from metarewarding.engines import sampling
from metarewarding.records import Judgment, Response
from metarewarding.score_syntax import parse_score
from metarewarding.score_syntax import without_score as without_score  # a public name of this module


def mean_scores(judgments: Iterable[Judgment]) -> dict[str, float]:
    """Return {response_id: mean of its valid scores} (section 2.1); responses without one are absent."""
    return {response_id: sum(scores) / len(scores) for response_id, scores in valid_scores(judgments).items()}


def valid_scores(judgments: Iterable[Judgment]) -> dict[str, list[float]]:
    """Return {response_id: its valid scores, in the order of the rows}; responses without one are absent."""
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
    """Return ``n`` judgments of each response (section 2.1) and facts; callers remove duplicates (``distinct``).

    ``prompt_texts`` maps prompt ids to texts. Requests keep the order of ``responses``: rows of one prompt
    side by side, as in the files, use the engine's prefix cache.
    Adds to the facts: unparsed, parse_rate (None without judgments), max_score.
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
    return rows, facts | sampling.parse_facts(row["score"] for row in rows) | {"max_score": high}
