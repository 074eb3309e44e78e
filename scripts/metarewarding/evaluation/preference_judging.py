"""Pairwise verdicts of a judge on preference rows, in both orders, and the score of both readings."""

import re
from collections.abc import Iterable, Sequence
from typing import Literal, TypedDict

from metarewarding import judging, templates
from metarewarding.engines import sampling
from metarewarding.errors import UserError
from metarewarding.evaluation.preference import pairwise_scores, preference_scores
from metarewarding.evaluation.preference_rows import PreferenceItem, responses_of
from metarewarding.records import Judgment
from metarewarding.winner_syntax import parse_winner

_RESPONSE = re.compile(r"\b(?:responses?|answers?|outputs?)(?=[\s*_\[(\"']+[ABab]\b)", re.IGNORECASE)
_TIE = re.compile(
    r"^[\W_]*(?:the\s+|final\s+|overall\s+)*winner\b[\W_]*(?:is\s+)?[\W_]*(?:a\s+)?(?:tie|draw)\b", re.I | re.M
)


class PairwiseVerdict(TypedDict):
    """A model's verdict on one presentation of two responses, in the order shown."""

    item_id: str
    first: str  # response ids
    second: str
    text: str
    winner: Literal["first", "second", "tie"] | None


def parse_verdict(text: str) -> str | None:
    """Return "A" (the response shown first), "B", "tie" or None, from the last winner line (see ``parse_winner``)."""
    winner = parse_winner(_RESPONSE.sub("Judgment", text))
    return winner or ("tie" if _TIE.search(text) else None)


def shown_pair(row: PreferenceItem, seed: int) -> tuple[str, str]:
    """Return the two responses of a row that are shown: both of two; else the first best and, by seed, one that is not.

    Where all of more than two are best, the first two.
    """
    ids = [response["response_id"] for response in row["responses"]]
    others = [identity for identity in ids if identity not in row["best"]]
    if len(ids) == 2 or not others:
        return ids[0], ids[1]
    other = others[sampling.rng(seed, "pairwise", row["item_id"]).integers(len(others))]
    return row["best"][0], other


def judge_pairs(
    engine, items: Sequence[PreferenceItem], template: str, max_tokens: int, seed: int
) -> tuple[list[PairwiseVerdict], dict]:
    """Return (a verdict for each of both orders of one pair a row, facts); greedy decoding, as LLMBar's judges."""
    decoding = sampling.Decoding(0.0, 1.0, max_tokens)
    requests, shown = [], []
    for row in items:
        texts = {response["response_id"]: response["text"] for response in row["responses"]}
        a, b = shown_pair(row, seed)
        for first, second in ((a, b), (b, a)):
            identity = f"{first} {second}"
            messages = templates.fill(template, prompt=row["prompt"], response_a=texts[first], response_b=texts[second])
            requests.append(
                sampling.Request(identity, messages, 1, sampling.identity_seed(seed, "pairwise", identity), decoding)
            )
            shown.append((row["item_id"], first, second))
    completions, facts = sampling.sample(engine, requests)
    winners = {"A": "first", "B": "second", "tie": "tie", None: None}
    rows = [
        PairwiseVerdict(
            item_id=item_id,
            first=first,
            second=second,
            text=completion.text,
            winner=winners[parse_verdict(completion.text)],
        )
        for request, (item_id, first, second) in zip(requests, shown, strict=True)
        for completion in completions[request.id]
    ]
    return rows, facts | sampling.parse_facts(row["winner"] for row in rows)


def score(
    items: Sequence[PreferenceItem], judgments: Iterable[Judgment], verdicts: Iterable[PairwiseVerdict] | None
) -> dict:
    """Return {pointwise, responses, responses_without_score, pairwise} of one model.

    ``pointwise``: ``preference_scores`` of mean scores over the rows that are not ties by their label; ``pairwise``:
    ``pairwise_scores`` over the rows that were shown in both orders, None without ``verdicts``.
    """
    means = judging.mean_scores(judgments)
    ids = {response["response_id"] for response in responses_of(items)}
    if unknown := set(means) - ids:
        raise UserError(f"the judgments contain the response '{min(unknown)}', which is in no row of the benchmark.")
    rows = []
    for row in items:
        of_row = [response["response_id"] for response in row["responses"]]
        if len(row["best"]) < len(of_row):
            rows.append(
                {
                    "prompt_id": row["prompt_id"],
                    "subset": row["subset"],
                    "scores": [means.get(identity) for identity in of_row],
                    "best": [k for k, identity in enumerate(of_row) if identity in row["best"]],
                }
            )
    return {
        "pointwise": preference_scores(rows),
        "responses": len(ids),
        "responses_without_score": len(ids - set(means)),
        "pairwise": None if verdicts is None else pairwise_scores(_by_response(items, verdicts)),
    }


def _by_response(items: Sequence[PreferenceItem], verdicts: Iterable[PairwiseVerdict]) -> list[dict]:
    """Return rows for ``pairwise_scores``; "1" is the response that comes first in its row of the benchmark."""
    by_pair: dict[tuple[str, str, str], PairwiseVerdict] = {}
    for row in verdicts:
        by_pair[row["item_id"], row["first"], row["second"]] = row
    items_by_id = {row["item_id"]: row for row in items}
    rows = []
    for (item_id, first, second), verdict in by_pair.items():
        item = items_by_id[item_id]
        order = [response["response_id"] for response in item["responses"]]
        swapped = by_pair.get((item_id, second, first))
        if order.index(first) > order.index(second) or swapped is None:
            continue
        best = [side for side, identity in (("1", first), ("2", second)) if identity in item["best"]]
        rows.append(
            {
                "label": best[0] if len(best) == 1 else "tie",
                "verdict": {"first": "1", "second": "2"}.get(verdict["winner"], verdict["winner"]),
                "verdict_swapped": {"first": "2", "second": "1"}.get(swapped["winner"], swapped["winner"]),
            }
        )
    return rows
