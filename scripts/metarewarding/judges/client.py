"""Requests to a judge behind an OpenAI-compatible server; each reply is stored on disk at once.

A judge is a dict: ``name`` (its key under ``benchmarks.judges``), ``base_url``, ``model``, ``api_key_env``
(the environment variable with the key, or None), ``concurrency``, ``price_in`` and ``price_out``
(US dollars for a million tokens), ``max_cost`` (US dollars, or None) and ``timeout_s``.
``connect`` adds what a judge that is served here needs.
A request is a dict: ``id``, ``messages``, ``temperature``, ``max_tokens``, and ``top_logprobs`` where
log-probabilities are wanted; other keys are the caller's own.
"""

import asyncio
import functools
import hashlib
import json
import logging
import secrets
import time
from collections.abc import Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from metarewarding.engines.chat import inert
from metarewarding.judges.call import Call
from metarewarding.judges.server import judge_server
from metarewarding.judges.store import lacks_logprobs, now, read_store
from metarewarding.records import Reply

logger = logging.getLogger(__name__)

TRIES = 10  # for one request, about five minutes with the waits up to call.LONGEST_WAIT


def ask(
    requests: Sequence[dict], judge: dict, store: str | Path, tries: int = TRIES, first_wait: float = 1.0
) -> tuple[dict[str, Reply], dict]:
    """Return ({request id: reply}, facts); only requests without a reply in ``store`` are sent.

    ``store`` is a JSONL file, to which each reply adds a line; it must not be a declared output of a rule, which
    Snakemake would delete before a rerun. A fault that may pass is tried ``tries`` times, after waits that
    double from ``first_wait`` seconds. Facts: asked, from_store, retries and seconds of this call;
    prompt_tokens, output_tokens and cost (US dollars) of all replies of this judge in the store.
    """
    bodies = {request["id"]: _body(request, judge) for request in requests}
    if len(bodies) != len(requests):
        raise ValueError("request ids must be unique")
    what = json.dumps(judge["weights"]) if "weights" in judge else ""
    hashes = {key: hashlib.sha256((json.dumps(body) + what).encode()).hexdigest() for key, body in bodies.items()}
    stored = [row for row in read_store(store) if row["judge"] == judge["name"]]
    answered = {(row["id"], row["request_sha256"]): row for row in stored}
    replies = {}
    for identity, body in bodies.items():
        row = answered.get((identity, hashes[identity]))
        # A reply without the requested log-probabilities was paid for, but is useless.
        if row is not None and not lacks_logprobs(row, body):
            replies[identity] = row
    unfit = _too_long(bodies, judge) if "tokenizer" in judge else {}
    replies |= unfit
    missing = [request for request in requests if request["id"] not in replies]
    call = Call(judge, Path(store), tries, first_wait, stored)
    facts = {"judge": judge["name"], "judge_model": judge["model"], "from_store": len(replies) - len(unfit)}
    if unfit:
        facts["too_long"] = len(unfit)
        logger.warning(
            f"{len(unfit)} requests do not fit the {judge['max_model_len']} tokens of judge '{judge['name']}' "
            f"(benchmarks.judges.{judge['name']}.max_model_len) and get no verdict"
        )
    if missing:
        call.open(missing)
        asyncio.run(call.ask_all([(r["id"], hashes[r["id"]], bodies[r["id"]]) for r in missing]))
    replies |= call.replies
    facts |= {
        "asked": len(call.replies),
        "retries": call.retries,
        "seconds": round(time.monotonic() - call.started, 2),
        "prompt_tokens": call.tokens[0],
        "output_tokens": call.tokens[1],
        "cost": round(call.cost(), 6),
    }
    return {request["id"]: replies[request["id"]] for request in requests}, facts


@contextmanager
def connect(judge: dict, weights: str | Path | None, engine: dict | None = None, log: str | Path | None = None):
    """Yield ``judge``, with a server of its own while the block runs where ``weights`` is a model folder.

    The server starts at the first request without a reply in the store. Special tokens in messages are made inert, as
    an answer could otherwise end its own turn.
    """
    if weights is None:
        yield judge
        return
    from transformers import AutoTokenizer

    length = judge.get("max_model_len") or engine["max_model_len"]
    engine = engine | {"max_model_len": length, "tensor_parallel": judge.get("tensor_parallel", 1)}
    key = secrets.token_urlsafe(24)  # a new key for each start
    with ExitStack() as stack:

        @functools.cache
        def start() -> str:
            return stack.enter_context(judge_server(weights, judge["model"], engine, log, key=key))

        # other weights under the same name are another judge, so stored replies do not apply to them
        digest = hashlib.sha256()
        for file in sorted(Path(weights).glob("*.safetensors")):
            with open(file, "rb") as content:
                digest.update(hashlib.file_digest(content, "sha256").digest())
        tokenizer = AutoTokenizer.from_pretrained(weights)
        served = {"base_url": start, "api_key_env": None, "server_key": key, "tokenizer": tokenizer}
        served |= {"weights": digest.hexdigest()}
        yield judge | served | {"max_model_len": engine["max_model_len"]}


def _too_long(bodies: dict[str, dict], judge: dict) -> dict[str, Reply]:
    """Return an empty reply for each request that does not fit the context of a judge that is served here."""
    replies = {}
    for identity, body in bodies.items():
        chat = judge["tokenizer"].apply_chat_template(
            body["messages"], add_generation_prompt=True, tokenize=True, return_dict=True
        )
        if len(chat["input_ids"]) + body["max_tokens"] > judge["max_model_len"]:
            replies[identity] = Reply(
                id=identity,
                request_sha256="",
                judge=judge["name"],
                model=judge["model"],
                served_model=judge["model"],
                date=now(),
                text="",
                logprobs=None,
                finish_reason="too_long",
                prompt_tokens=0,
                output_tokens=0,
            )
    return replies


def _body(request: dict, judge: dict) -> dict:
    """Return the body of a request, with its keys always in this order, as its hash identifies the request."""
    messages = request["messages"]
    if "tokenizer" in judge:
        messages = [{**message, "content": inert(message["content"], judge["tokenizer"])} for message in messages]
    body = {
        "model": judge["model"],
        "messages": messages,
        "temperature": request["temperature"],
        "max_tokens": request["max_tokens"],
    }
    if request.get("top_logprobs"):
        body |= {"logprobs": True, "top_logprobs": request["top_logprobs"]}
    return body
