"""What a model is asked, in which order and with which seed, for its three roles.

The actor answers prompts, the judge scores answers, the meta-judge compares judgments (figure 1).
An engine is anything with ``generate(requests) -> list of lists of Completion`` and ``usage() ->
(prompt tokens, cached prompt tokens)``, both since it started; ``metarewarding.engines`` has two.
"""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from metarewarding import judging, meta_judging, pairs, templates
from metarewarding.errors import UserError
from metarewarding.records import Judgment, Message, MetaJudgment, Prompt, Response

# An engine gives the i-th sample of a request the seed ``seed + i``, so seeds of two requests must be
# at least n apart, or one request's samples would repeat another's.
SEED_SPACING = 1024


@dataclass(frozen=True)
class Decoding:
    """How one completion is drawn: ``temperature`` 0 is greedy; ``max_tokens`` counts new tokens."""

    temperature: float
    top_p: float
    max_tokens: int


@dataclass(frozen=True)
class Request:
    """``n`` completions of one chat, drawn with the seeds ``seed`` .. ``seed + n - 1``."""

    id: str
    messages: list[Message]
    n: int
    seed: int
    decoding: Decoding


@dataclass(frozen=True)
class Completion:
    text: str
    tokens: int
    finish_reason: str  # "stop", or "length" when it was cut at the token limit


def identity_seed(seed: int, stage: str, identity: str) -> int:
    """A seed that depends on what is asked, never on when or in which shard it is asked.

    A multiple of SEED_SPACING below 2**58.
    """
    digest = hashlib.sha256(f"{seed}/{stage}/{identity}".encode()).digest()
    return int.from_bytes(digest[:6], "big") * SEED_SPACING


def rng(seed: int, stage: str, identity: str = "") -> np.random.Generator:
    """A generator for one draw, the same on every run and shard layout."""
    return np.random.default_rng(identity_seed(seed, stage, identity))


def shard(rows: Sequence[dict], index: int, shards: int) -> list[dict]:
    """The ``index``-th of ``shards`` runs of ``rows``, of lengths that differ by one at most."""
    return list(rows[len(rows) * index // shards : len(rows) * (index + 1) // shards])


def sample(engine, requests: Sequence[Request]) -> tuple[dict[str, list[Completion]], dict]:
    """({request id: its completions}, the facts of this call).

    Facts: requests, prompt_tokens and cached_prompt_tokens (each of the n samples counts its prompt),
    output_tokens, truncated (completions cut at the token limit), too_long (requests whose prompt does
    not fit the model's context; they get no completions), seconds, tokens_per_second (output).
    """
    ids = [request.id for request in requests]
    if len(set(ids)) != len(ids):
        raise ValueError("request ids must be unique")
    if any(not 1 <= request.n <= SEED_SPACING for request in requests):
        raise ValueError(f"n must lie between 1 and {SEED_SPACING}")
    start, (prompt_before, cached_before) = time.monotonic(), engine.usage()
    completions = dict(zip(ids, engine.generate(requests) if requests else [], strict=True))
    seconds = time.monotonic() - start
    prompt_tokens, cached = engine.usage()
    everything = [completion for row in completions.values() for completion in row]
    output_tokens = sum(completion.tokens for completion in everything)
    facts = {
        "requests": len(requests),
        "completions": len(everything),
        "prompt_tokens": prompt_tokens - prompt_before,
        "cached_prompt_tokens": cached - cached_before,
        "output_tokens": output_tokens,
        "truncated": sum(completion.finish_reason == "length" for completion in everything),
        "too_long": sum(not row for row in completions.values()),
        "seconds": round(seconds, 2),
        "tokens_per_second": round(output_tokens / seconds, 1) if seconds else None,
    }
    return completions, facts


def chat(text: str, system_prompt: str | None = None) -> list[Message]:
    """One user turn, after a system turn where there is a system prompt."""
    system = [{"role": "system", "content": system_prompt}] if system_prompt else []
    return [*system, {"role": "user", "content": text}]


# -- the actor


def respond(
    engine, prompts: Sequence[Prompt], n: int, decoding: Decoding, seed: int, system_prompt: str | None = None
) -> tuple[list[Response], dict]:
    """``n`` responses to each prompt (section 2.1), in the order of prompt and draw."""
    requests = [
        Request(
            prompt["prompt_id"],
            chat(prompt["text"], system_prompt),
            n,
            identity_seed(seed, "response", prompt["prompt_id"]),
            decoding,
        )
        for prompt in prompts
    ]
    completions, facts = sample(engine, requests)
    rows = [
        Response(
            prompt_id=prompt["prompt_id"],
            response_id=f"{prompt['prompt_id']}/r{k}",
            text=completion.text,
            tokens=completion.tokens,
            finish_reason=completion.finish_reason,
        )
        for prompt in prompts
        for k, completion in enumerate(completions[prompt["prompt_id"]])
    ]
    return rows, facts


def distinct(responses: Sequence[Response]) -> list[Response]:
    """The responses without those that repeat an earlier response to the same prompt, text for text."""
    seen: set[tuple[str, str]] = set()
    kept = []
    for response in responses:
        key = (response["prompt_id"], response["text"])
        if key not in seen:
            seen.add(key)
            kept.append(response)
    return kept


# -- the judge


def judge(
    engine,
    prompt_texts: dict[str, str],
    responses: Sequence[Response],
    template: str,
    n: int,
    decoding: Decoding,
    seed: int,
    high: float = 5,
) -> tuple[list[Judgment], dict]:
    """``n`` judgments of each response (section 2.1); callers leave duplicates out (``distinct``).

    ``prompt_texts`` maps prompt ids to texts. Requests keep the order of ``responses``: rows of one prompt
    side by side, as the files hold them, use the engine's prefix cache.
    Adds to the facts: unparsed, parse_rate (None without judgments).
    """
    requests = [
        Request(
            response["response_id"],
            templates.fill(template, prompt=_text(prompt_texts, response), response=response["text"]),
            n,
            identity_seed(seed, "judgment", response["response_id"]),
            decoding,
        )
        for response in responses
    ]
    completions, facts = sample(engine, requests)
    rows = [
        Judgment(
            prompt_id=response["prompt_id"],
            response_id=response["response_id"],
            judgment_id=f"{response['response_id']}/j{k}",
            text=completion.text,
            score=judging.parse_score(completion.text, high=high),
            finish_reason=completion.finish_reason,
        )
        for response in responses
        for k, completion in enumerate(completions[response["response_id"]])
    ]
    return rows, facts | parse_facts(row["score"] for row in rows)


# -- the meta-judge


def select_for_meta_judging(responses: Sequence[Response], judgments: Sequence[Judgment], seed: int) -> dict[str, str]:
    """{prompt_id: the response of highest judgment variance} (section 2.2); prompts without one are absent."""
    scores = judging.valid_scores(judgments)
    by_prompt: dict[str, dict[str, list[float]]] = {}
    for response in responses:
        if response["response_id"] in scores:
            by_prompt.setdefault(response["prompt_id"], {})[response["response_id"]] = scores[response["response_id"]]
    selected = {}
    for prompt_id, of_prompt in by_prompt.items():
        response_id = pairs.select_response_to_meta_judge(of_prompt, rng(seed, "highest variance", prompt_id))
        if response_id is not None:
            selected[prompt_id] = response_id
    return selected


def meta_judge(
    engine,
    prompt_texts: dict[str, str],
    responses: Sequence[Response],
    judgments: Sequence[Judgment],
    template: str,
    decoding: Decoding,
    seed: int,
    strip_scores: bool = False,
    orders: str = "both",
) -> tuple[list[MetaJudgment], dict]:
    """Both orders of every pair of differing valid judgments of each prompt's selected response.

    With ``strip_scores`` the judgments are shown without their score lines (protocol, row 5); with
    ``orders`` "one" each pair is shown once, in an order drawn by seed. Adds to the facts: unparsed,
    parse_rate (None without presentations).
    """
    text_of = {response["response_id"]: response["text"] for response in responses}
    valid: dict[str, list[Judgment]] = {}
    for judgment in judgments:
        if judgment["score"] is not None:
            shown = judging.without_score(judgment["text"]) if strip_scores else judgment["text"]
            valid.setdefault(judgment["response_id"], []).append({**judgment, "text": shown})
    presented = []
    for response_id in select_for_meta_judging(responses, judgments, seed).values():
        shown = meta_judging.presentations(valid[response_id])
        if orders == "one":
            shown = meta_judging.one_order(shown, rng(seed, "presentation order", response_id))
        for first, second in shown:
            messages = templates.fill(
                template,
                prompt=_text(prompt_texts, first),
                response=text_of[response_id],
                judgment_a=first["text"],
                judgment_b=second["text"],
            )
            presented.append((f"{first['judgment_id']} {second['judgment_id']}", first, second, messages))
    requests = [
        Request(identity, messages, 1, identity_seed(seed, "meta-judgment", identity), decoding)
        for identity, _, _, messages in presented
    ]
    completions, facts = sample(engine, requests)
    winners = {"A": "first", "B": "second", None: None}
    rows = [
        MetaJudgment(
            prompt_id=first["prompt_id"],
            response_id=first["response_id"],
            first=first["judgment_id"],
            second=second["judgment_id"],
            text=completion.text,
            winner=winners[meta_judging.parse_winner(completion.text)],
        )
        for identity, first, second, _ in presented
        for completion in completions[identity]
    ]
    return rows, facts | parse_facts(row["winner"] for row in rows)


def parse_facts(values) -> dict:
    """{unparsed: how many are None, parse_rate: the share that is not}."""
    values = list(values)
    unparsed = sum(value is None for value in values)
    return {"unparsed": unparsed, "parse_rate": round(1 - unparsed / len(values), 4) if values else None}


def _text(prompt_texts: dict[str, str], row: dict) -> str:
    try:
        return prompt_texts[row["prompt_id"]]
    except KeyError:
        raise UserError(
            f"The row '{row['response_id']}' belongs to the prompt '{row['prompt_id']}', which is not there."
        ) from None
