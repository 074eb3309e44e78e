"""Requests to a model, their order and their seeds; and the prompts of the actor (figure 1).

The prompts of the judge and the meta-judge are in their own modules, so that an edit there does not resample the
responses. An engine is anything with ``generate(requests) -> list of lists of Completion`` and ``usage() ->
(prompt tokens, cached prompt tokens)``, both since it started; ``metarewarding.engines`` has two.
"""

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from metarewarding.errors import UserError
from metarewarding.records import Message, Prompt, Response

# The i-th sample of a request has the seed ``seed + i``, so the seeds of two requests must differ by at least n;
# otherwise they would share samples.
SEED_SPACING = 1024


@dataclass(frozen=True)
class Decoding:
    """How one completion is drawn: ``temperature`` 0 is greedy; ``max_tokens`` counts new tokens."""

    temperature: float
    top_p: float
    max_tokens: int


def n_and_decoding(settings: dict) -> tuple[int, Decoding]:
    """Return the number of samples and how each is drawn, from a stage's entry under `sampling` in the config."""
    return settings["n"], Decoding(settings["temperature"], settings["top_p"], settings["max_tokens"])


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
    stored: bool = False  # drawn by an earlier job (completions.py)


# done(i, k, completion): called once for the k-th sample of the i-th request, as soon as it is drawn
Done = Callable[[int, int, Completion], None]


def identity_seed(seed: int, stage: str, identity: str) -> int:
    """Return a seed that depends only on the request, not on the time or the shard of it.

    A multiple of SEED_SPACING below 2**58.
    """
    digest = hashlib.sha256(f"{seed}/{stage}/{identity}".encode()).digest()
    return int.from_bytes(digest[:6], "big") * SEED_SPACING


def rng(seed: int, stage: str, identity: str = "") -> np.random.Generator:
    """Return a generator for one draw, the same in every run and with any number of shards."""
    return np.random.default_rng(identity_seed(seed, stage, identity))


def shard(rows: Sequence[dict], index: int, shards: int) -> list[dict]:
    """Return the ``index``-th of ``shards`` runs of ``rows``, with lengths that differ by one at most."""
    return list(rows[len(rows) * index // shards : len(rows) * (index + 1) // shards])


def sample(engine, requests: Sequence[Request]) -> tuple[dict[str, list[Completion]], dict]:
    """Return ({request id: its completions}, the facts of this call).

    Facts: requests, completions, from_store (completions that an earlier job had drawn), prompt_tokens and
    cached_prompt_tokens (of what the engine drew now; each of the n samples counts its prompt), output_tokens (of
    all completions), truncated (completions cut at the token limit), too_long (requests whose prompt does not fit
    the model's context; they get no completions), seconds (without the start of the engine's backend),
    tokens_per_second (output tokens drawn now).
    """
    ids = [request.id for request in requests]
    if len(set(ids)) != len(ids):
        raise ValueError("request ids must be unique")
    if any(not 1 <= request.n <= SEED_SPACING for request in requests):
        raise ValueError(f"n must be between 1 and {SEED_SPACING}")
    start, (prompt_before, cached_before) = time.monotonic() - _start_seconds(engine), engine.usage()
    completions = dict(zip(ids, engine.generate(requests) if requests else [], strict=True))
    seconds = time.monotonic() - start - _start_seconds(engine)
    prompt_tokens, cached = engine.usage()
    everything = [completion for row in completions.values() for completion in row]
    drawn_tokens = sum(completion.tokens for completion in everything if not completion.stored)
    facts = {
        "requests": len(requests),
        "completions": len(everything),
        "from_store": sum(completion.stored for completion in everything),
        "prompt_tokens": prompt_tokens - prompt_before,
        "cached_prompt_tokens": cached - cached_before,
        "output_tokens": sum(completion.tokens for completion in everything),
        "truncated": sum(completion.finish_reason == "length" for completion in everything),
        "too_long": sum(not row for row in completions.values()),
        "seconds": round(seconds, 2),
        "tokens_per_second": round(drawn_tokens / seconds, 1) if seconds else None,
    }
    return completions, facts


def _start_seconds(engine) -> float:
    # 0 for an engine without a start
    return getattr(engine, "start_seconds", 0.0)


def add_facts(calls: Sequence[dict]) -> dict:
    """Return the facts of several calls of ``sample`` as those of one, such as the turns of a benchmark."""
    sums = {key: sum(facts[key] for facts in calls) for key in calls[0] if key != "tokens_per_second"}
    drawn = sum((facts["tokens_per_second"] or 0) * facts["seconds"] for facts in calls)
    seconds = sums["seconds"] = round(sums["seconds"], 2)
    return sums | {"tokens_per_second": round(drawn / seconds, 1) if seconds else None}


def chat(text: str, system_prompt: str | None = None) -> list[Message]:
    """Return a chat of one user turn, after a system turn where there is a system prompt."""
    system = [{"role": "system", "content": system_prompt}] if system_prompt else []
    return [*system, {"role": "user", "content": text}]


# -- the actor


def respond(
    engine, prompts: Sequence[Prompt], n: int, decoding: Decoding, seed: int, system_prompt: str | None = None
) -> tuple[list[Response], dict]:
    """Return ``n`` responses to each prompt (section 2.1), in the order of prompt and draw."""
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
    """Return the responses without exact repeats of an earlier response to the same prompt."""
    seen: set[tuple[str, str]] = set()
    kept = []
    for response in responses:
        key = (response["prompt_id"], response["text"])
        if key not in seen:
            seen.add(key)
            kept.append(response)
    return kept


# -- shared by the judge and the meta-judge (judging.py, meta_judging.py)


def parse_facts(values) -> dict:
    """Return {unparsed: number of None, parse_rate: share of the others}."""
    values = list(values)
    unparsed = sum(value is None for value in values)
    return {"unparsed": unparsed, "parse_rate": round(1 - unparsed / len(values), 4) if values else None}


def text_of(prompt_texts: dict[str, str], row: dict) -> str:
    try:
        return prompt_texts[row["prompt_id"]]
    except KeyError:
        raise UserError(
            f"The row '{row['response_id']}' belongs to the prompt '{row['prompt_id']}', which is missing."
        ) from None
