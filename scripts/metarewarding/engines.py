"""The two engines behind ``sampling.sample``: vLLM in process (GPU or CPU), and plain transformers.

Both take chats, render them with the model's own chat template, and draw the i-th sample of a request
with the seed ``seed + i``.
"""

import asyncio
import atexit
import gc
import os
from collections.abc import Sequence
from functools import partial
from itertools import groupby
from pathlib import Path

from metarewarding.chat import inert
from metarewarding.errors import UserError
from metarewarding.progress import Progress
from metarewarding.sampling import Completion, Request


def open_engine(
    weights: str | Path,
    name: str,
    max_model_len: int,
    dtype: str = "bfloat16",
    batch_size: int = 16,
    gpu_memory_utilization: float = 0.9,
    cpu_cache_gb: int = 4,
    gpus: int = 1,
):
    """Start the engine ``name`` ("vllm" or "transformers") on the model folder ``weights``.

    ``max_model_len``: tokens of prompt and completion together. ``batch_size``: sequences at once,
    transformers only. ``gpu_memory_utilization`` and ``cpu_cache_gb`` (room for keys and values on a
    CPU): vLLM only. ``gpus``: cards of this job; vLLM runs a copy of the model on each and shares the requests
    out over them, transformers uses one.
    """
    if not (Path(weights) / "config.json").is_file():
        raise UserError(f"{weights} is no model folder: it has no config.json.")
    if name == "vllm":
        return VllmEngine(weights, max_model_len, dtype, gpu_memory_utilization, cpu_cache_gb, gpus)
    return TransformersEngine(weights, max_model_len, dtype, batch_size)


class VllmEngine:
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
        except ImportError as error:
            raise UserError(
                f"engine.name is vllm, and vLLM cannot be imported here ({error}). "
                "Install it, or set engine.name: transformers."
            ) from None
        finally:
            gc.enable()
        on_cpu = current_platform.is_cpu()
        self.max_model_len = max_model_len
        self.parameters, self.final = vllm.SamplingParams, vllm.sampling_params.RequestOutputKind.FINAL_ONLY
        # Seeded requests with chunked prefill stop vLLM's engine on a CPU.
        on_cpu_only = {
            "enforce_eager": True,
            "enable_chunked_prefill": False,
            "max_num_batched_tokens": max(max_model_len, 4096),
        }
        start = vllm.LLM if copies == 1 else partial(Copies, copies)
        self.llm = start(
            model=str(weights),
            dtype=dtype,
            max_model_len=max_model_len,
            enable_prefix_caching=True,
            gpu_memory_utilization=gpu_memory_utilization,
            disable_log_stats=False,  # counts the cached tokens
            **(on_cpu_only if on_cpu else {}),
        )
        self.tokenizer = self.llm.get_tokenizer()
        self.facts = {"engine": "vllm", "engine_version": vllm.__version__, "dtype": dtype}

    def generate(self, requests: Sequence[Request]) -> list[list[Completion]]:
        prompts = [render(self.tokenizer, request.messages) for request in requests]
        fits = [i for i, prompt in enumerate(prompts) if len(prompt) < self.max_model_len]
        results: list[list[Completion]] = [[] for _ in requests]
        if not fits:
            return results
        outputs = self.llm.generate(
            [{"prompt_token_ids": prompts[i]} for i in fits],
            [
                self.parameters(
                    n=requests[i].n,
                    seed=requests[i].seed,
                    temperature=requests[i].decoding.temperature,
                    top_p=requests[i].decoding.top_p,
                    max_tokens=requests[i].decoding.max_tokens,
                    output_kind=self.final,
                )
                for i in fits
            ],
            use_tqdm=Progress,
        )
        for i, output in zip(fits, outputs, strict=True):
            results[i] = [
                Completion(
                    completion.text.strip(),
                    len(completion.token_ids),
                    "length" if completion.finish_reason == "length" else "stop",
                )
                for completion in sorted(output.outputs, key=lambda completion: completion.index)
            ]
        return results

    def usage(self) -> tuple[int, int]:
        metrics = [metric for metric in self.llm.get_metrics() if hasattr(metric, "value")]

        def total(name: str) -> int:  # over the copies
            return int(sum(metric.value for metric in metrics if metric.name == f"vllm:{name}"))

        return total("prefix_cache_queries"), total("prefix_cache_hits")


class Copies:
    """vLLM's data parallelism behind the calls of its offline engine: a copy of the model on each card."""

    def __init__(self, copies: int, **settings):
        from vllm.engine.arg_utils import AsyncEngineArgs
        from vllm.v1.engine.async_llm import AsyncLLM

        self.copies, self.loop = copies, asyncio.new_event_loop()

        async def start():
            return AsyncLLM.from_engine_args(AsyncEngineArgs(data_parallel_size=copies, **settings))

        self.engine = self.loop.run_until_complete(start())
        atexit.register(self.engine.shutdown)  # the copies' processes end with this one

    def generate(self, prompts, parameters, use_tqdm) -> list:
        """Outputs in the order of ``prompts``.

        Each copy gets one run of neighbours: they begin alike, and a copy computes what they share once.
        """

        async def one(i: int):
            rank = i * self.copies // len(prompts)
            answers = self.engine.generate(prompts[i], parameters[i], str(i), data_parallel_rank=rank)
            outputs = [output async for output in answers]
            progress.update()
            return outputs[-1]

        async def together():
            return await asyncio.gather(*map(one, range(len(prompts))))

        with use_tqdm(total=len(prompts), desc="Requests") as progress:
            return self.loop.run_until_complete(together())

    def get_tokenizer(self):
        return self.engine.get_tokenizer()

    def get_metrics(self):
        from vllm.v1.metrics.reader import get_metrics_snapshot

        return get_metrics_snapshot()


class TransformersEngine:
    """Plain transformers, for machines without a vLLM build: slower, and the same interface."""

    def __init__(self, weights, max_model_len, dtype, batch_size):
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        import torch
        import transformers

        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(weights, padding_side="left")
        self.model = transformers.AutoModelForCausalLM.from_pretrained(weights, dtype=getattr(torch, dtype))
        self.model.to(self.device).eval()
        self.max_model_len, self.batch_size = max_model_len, batch_size
        self.prompt_tokens = 0
        self.facts = {"engine": "transformers", "engine_version": transformers.__version__, "dtype": dtype}

    def generate(self, requests: Sequence[Request]) -> list[list[Completion]]:
        prompts = [render(self.tokenizer, request.messages) for request in requests]
        results: list[list[Completion]] = [[] for _ in requests]
        # One row a sample. Rows of like length share a batch: less padding.
        rows = [
            (request.decoding, len(prompts[i]), i, k)
            for i, request in enumerate(requests)
            if len(prompts[i]) < self.max_model_len
            for k in range(request.n)
        ]
        rows.sort(key=lambda row: (row[0].temperature, row[0].top_p, row[0].max_tokens, *row[1:]))
        self.prompt_tokens += sum(row[1] for row in rows)
        drawn = {}
        with Progress(total=len(rows), desc="Completions") as progress:
            for decoding, same in groupby(rows, key=lambda row: row[0]):
                same = list(same)
                for start in range(0, len(same), self.batch_size):
                    batch = same[start : start + self.batch_size]
                    seeds = [requests[i].seed + k for _, _, i, k in batch]
                    texts = self._complete([prompts[i] for _, _, i, _ in batch], seeds, decoding)
                    drawn.update(zip([(i, k) for _, _, i, k in batch], texts, strict=True))
                    progress.update(len(batch))
        for i, k in sorted(drawn):
            results[i].append(drawn[i, k])
        return results

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
        limit = min(decoding.max_tokens, self.max_model_len - width)
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
        for row in output[:, width:].tolist():
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
