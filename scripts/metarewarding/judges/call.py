"""The requests of one run to a judge's server: cost, retries, and conditions that stop the run."""

import asyncio
import email.utils
import json
import logging
import os
import random
import time
from collections.abc import Sequence
from pathlib import Path

import httpx

from metarewarding.errors import UserError
from metarewarding.jobs.progress import Progress
from metarewarding.judges.store import end_last_line, lacks_logprobs, now
from metarewarding.records import Reply

logger = logging.getLogger(__name__)

LONGEST_WAIT = 60.0  # seconds between two tries, unless the server asks for more


class _TryAgain(Exception):
    """A fault that may pass; ``wait``: the seconds that the server asked to wait."""

    def __init__(self, reason: str, wait: float = 0.0):
        super().__init__(reason)
        self.wait = wait


def estimate(requests: Sequence[dict], judge: dict) -> dict:
    """Return what ``requests`` may cost: {requests, prompt_tokens, most_output_tokens, cost_low, cost_high}.

    Prompt tokens are estimated as characters / 4, about right for English. The low cost has no output tokens, the high
    cost all that ``max_tokens`` allows; in US dollars.
    """
    prompt = sum(len(message["content"]) for request in requests for message in request["messages"]) // 4
    output = sum(request["max_tokens"] for request in requests)
    return {
        "requests": len(requests),
        "prompt_tokens": prompt,
        "most_output_tokens": output,
        "cost_low": prompt * judge["price_in"] / 1e6,
        "cost_high": (prompt * judge["price_in"] + output * judge["price_out"]) / 1e6,
    }


class Call:
    """One run over the missing requests: its cost, and the replies."""

    def __init__(self, judge: dict, store: Path, tries: int, first_wait: float, stored: list[Reply]):
        self.judge, self.store, self.tries, self.first_wait = judge, store, tries, first_wait
        self.where = f"benchmarks.judges.{judge['name']}"
        self.tokens = [sum(row[field] for row in stored) for field in ("prompt_tokens", "output_tokens")]
        self.replies: dict[str, Reply] = {}
        self.retries, self.last_said = 0, None
        self.key = judge.get("server_key")  # the key of a server that was started here
        self.started = time.monotonic()

    def open(self, missing: list[dict]) -> None:
        """Log what the missing replies may cost; raise UserError above the cost limit or without the key."""
        about, paid, ceiling = estimate(missing, self.judge), self.cost(), self.judge["max_cost"]
        logger.info(
            f"judge {self.judge['name']} ({self.judge['model']}): {about['requests']} requests to ask, "
            f"about {about['prompt_tokens']} prompt tokens (characters / 4), at most {about['most_output_tokens']} "
            f"output tokens: {about['cost_low']:.2f} to {about['cost_high']:.2f} US dollars, "
            f"{paid:.2f} paid before" + (f", ceiling {ceiling:.2f}" if ceiling is not None else "")
        )
        if ceiling is not None and paid + about["cost_low"] > ceiling:
            raise UserError(
                f"judge '{self.judge['name']}': {about['requests']} requests would cost at least "
                f"{about['cost_low']:.4g} US dollars for their prompts alone, with {paid:.4g} paid before, and "
                f"{self.where}.max_cost is {ceiling:.4g}. No request was sent. Raise max_cost, or send fewer requests."
            )
        if self.judge["api_key_env"]:
            self.key = os.environ.get(self.judge["api_key_env"], "").strip()
            fault = None if self.key else "is not set"
            if not self.key.isascii() or not self.key.isprintable():
                fault = "has characters that a key cannot have"
            if fault:
                raise UserError(
                    f"judge '{self.judge['name']}': the environment variable {self.judge['api_key_env']} "
                    f"({self.where}.api_key_env) {fault}. Set it to the server's key, or set api_key_env to null for"
                    " a server without a key. No request was sent."
                )
        self.base_url = self.judge["base_url"]() if callable(self.judge["base_url"]) else self.judge["base_url"]
        end_last_line(self.store)

    async def ask_all(self, todo: list[tuple[str, str, dict]]) -> None:
        """Send ``concurrency`` requests at once; after a permanent fault, wait for the open ones and stop."""
        self.stopped, faults, queue = asyncio.Event(), [], iter(todo)
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        limits = httpx.Limits(max_connections=self.judge["concurrency"])
        progress = Progress(total=len(todo), desc=f"Judge {self.judge['name']}")
        with progress, open(self.store, "ab", buffering=0) as file:
            # the environment's proxy does not apply to a server on this machine
            proxied = httpx.URL(self.base_url).host not in ("127.0.0.1", "::1", "localhost")
            async with httpx.AsyncClient(headers=headers, limits=limits, timeout=None, trust_env=proxied) as client:

                async def worker():
                    for identity, digest, body in queue:
                        if self.stopped.is_set():
                            return
                        try:
                            self.check_ceiling()
                            row = await self.reply(client, identity, digest, body)
                            if row is None:
                                return
                            file.write((json.dumps(row, ensure_ascii=False) + "\n").encode())
                            for place, field in enumerate(("prompt_tokens", "output_tokens")):
                                self.tokens[place] += row[field]
                            self.check_logprobs(row, body)
                        except UserError as fault:
                            faults.append(fault)
                            self.stopped.set()
                            return
                        self.replies[identity] = row
                        progress.update()

                await asyncio.gather(*(worker() for _ in range(self.judge["concurrency"])))
        if faults:
            raise faults[0]

    async def reply(self, client, identity: str, digest: str, body: dict) -> Reply | None:
        """Return the reply to one request, retried after passing faults; None when another one stopped the run."""
        for attempt in range(1, self.tries + 1):
            try:
                async with asyncio.timeout(
                    self.judge["timeout_s"]
                ):  # for the whole reply, so that a very slow one also times out
                    response = await client.post(self.base_url.rstrip("/") + "/chat/completions", json=body)
                return self.row(self.body_of(response), identity, digest, body)
            except TimeoutError:
                fault = _TryAgain(f"no reply within {self.judge['timeout_s']} s ({self.where}.timeout_s)")
            except (httpx.UnsupportedProtocol, httpx.InvalidURL):
                raise UserError(f"{self.where}.base_url: '{self.base_url}' is not a URL.") from None
            except httpx.RequestError as error:
                fault = _TryAgain(f"{type(error).__name__}: {error}")
            except _TryAgain as error:
                fault = error
            if attempt == self.tries:
                raise UserError(
                    f"judge '{self.judge['name']}' ({self.judge['model']} at {self.base_url}) gave no reply "
                    f"to '{identity}' in {self.tries} tries; the last error: {fault}. {self.replies_note()}"
                )
            self.retries += 1
            if str(fault) != self.last_said:
                self.last_said = str(fault)
                logger.warning(f"judge {self.judge['name']}: {fault}; retrying")
            # Jitter, so that requests that failed together are not repeated together.
            wait = min(LONGEST_WAIT, self.first_wait * 2 ** (attempt - 1)) * random.uniform(0.5, 1)
            try:
                await asyncio.wait_for(self.stopped.wait(), max(wait, fault.wait))
                return None
            except TimeoutError:
                pass
        return None

    def body_of(self, response: httpx.Response) -> dict:
        """Return the JSON of a good response; raise _TryAgain for a passing fault and UserError for a permanent one."""
        text, status = self.without_key(response.text), response.status_code
        if status == 200:
            try:
                return json.loads(text)
            except ValueError:
                raise _TryAgain(f"a reply that is not JSON: {text[:200]!r}") from None
        answer = f'it answered {status}: "{text[:500].strip()}"'
        # An account without credit also gets 429, but waiting does not help.
        if status >= 500 or (status in (408, 409, 425, 429) and "insufficient_quota" not in text):
            raise _TryAgain(answer, _retry_after(response.headers.get("retry-after", "")))
        if status in (401, 403):
            key = f"the environment variable {self.judge['api_key_env']}" if self.judge["api_key_env"] else "no key"
            fix = f"It was sent {key} ({self.where}.api_key_env): use a key that has access to this model."
        elif status == 404:
            fix = f"Is {self.where}.base_url ({self.base_url}) or {self.where}.model wrong?"
        elif status == 429:
            fix = f"The account behind {self.where}.api_key_env has no credit left: top it up, or use another key."
        else:
            fix = f"It refused the request: check {self.where}.model, and the server's message."
        raise UserError(f"judge '{self.judge['name']}' ({self.judge['model']}): {answer}. {fix} {self.replies_note()}")

    def row(self, reply, identity: str, digest: str, body: dict) -> Reply:
        try:
            choice, usage = reply["choices"][0], reply.get("usage") or {}
            # a lone surrogate is replaced
            text = (choice["message"]["content"] or "").encode(errors="replace").decode()
            return Reply(
                id=identity,
                request_sha256=digest,
                judge=self.judge["name"],
                model=self.judge["model"],
                served_model=str(reply.get("model")),
                date=now(),
                text=text,
                logprobs=choice.get("logprobs"),
                finish_reason=choice.get("finish_reason"),
                # a server that reports no counts: characters / 4, as in the estimate
                prompt_tokens=int(usage.get("prompt_tokens") or sum(len(m["content"]) for m in body["messages"]) // 4),
                output_tokens=int(usage.get("completion_tokens") or len(text) // 4),
            )
        except (KeyError, IndexError, TypeError, AttributeError, ValueError):
            raise _TryAgain(f"a reply without choices: {json.dumps(reply)[:200]}") from None

    def check_logprobs(self, row: Reply, body: dict) -> None:
        if lacks_logprobs(row, body):
            raise UserError(
                f"judge '{self.judge['name']}': {self.judge['model']} gives no log-probabilities, which this benchmark "
                f"needs. Set {self.where}.model to one that does. {self.replies_note()}"
            )

    def check_ceiling(self) -> None:
        if self.judge["max_cost"] is not None and self.cost() >= self.judge["max_cost"] and self.cost() > 0:
            raise UserError(
                f"judge '{self.judge['name']}' has cost {self.cost():.4g} US dollars, and {self.where}.max_cost is "
                f"{self.judge['max_cost']:.4g}. Raise it to continue. {self.replies_note()}"
            )

    def cost(self) -> float:
        return (self.tokens[0] * self.judge["price_in"] + self.tokens[1] * self.judge["price_out"]) / 1e6

    def replies_note(self) -> str:
        return f"All replies so far are kept in {self.store}; the next run asks only for the others."

    def without_key(self, text: str) -> str:
        """Return ``text`` without the key, which a server may repeat.

        A stand-in as short as "EMPTY" is an ordinary word and stays.
        """
        return text.replace(self.key, "***") if self.key and len(self.key) >= 8 else text


def _retry_after(value: str) -> float:
    """Return the seconds that a Retry-After header asks for, ten minutes at most; it may be a date."""
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(value).timestamp() - time.time()
        except (TypeError, ValueError):
            seconds = 0.0
    return min(max(seconds, 0.0), 600.0)
