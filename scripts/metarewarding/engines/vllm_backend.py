"""vLLM as an engine, on GPUs or a CPU. vLLM itself is imported when the engine starts."""

import asyncio
import atexit
import gc
import os
from collections.abc import Sequence
from functools import partial

from metarewarding.engines.sampling import Completion, Done, Request
from metarewarding.errors import UserError
from metarewarding.jobs.progress import Progress


class VllmBackend:
    """vLLM with prefix caching, on GPUs or a CPU: in this process, or with several ``copies`` in one process each."""

    def __init__(
        self,
        weights,
        max_model_len,
        dtype,
        gpu_memory_utilization,
        cpu_cache_gb,
        copies=1,
        max_num_seqs=None,
        max_num_batched_tokens=None,
        quantization=None,
        batch_invariant=False,
    ):
        # Read when vLLM is imported; the settings for CPU do nothing on a GPU.
        copies, cores = max(copies, 1), sorted(os.sched_getaffinity(0))
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
        os.environ.setdefault("VLLM_LOGGING_LEVEL", "WARNING")
        if copies == 1:
            # a second process would take 95 s to start on 2 cores
            os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
        if batch_invariant:
            os.environ["VLLM_BATCH_INVARIANT"] = "1"
        # vLLM's default leaves one core idle
        shares = [",".join(map(str, cores[i::copies])) for i in range(copies)]
        os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", "|".join(shares))
        gc.disable()  # imports create millions of objects, and garbage collection among them costs seconds
        try:
            import vllm
            from vllm.platforms import current_platform

            self.parameters, self.final = vllm.SamplingParams, vllm.sampling_params.RequestOutputKind.FINAL_ONLY
            # Seeded requests with chunked prefill stop vLLM's engine on a CPU.
            on_cpu_only = {
                "enforce_eager": True,
                "enable_chunked_prefill": False,
                "max_num_batched_tokens": max(max_model_len, 4096),
                "kv_cache_memory_bytes": int(cpu_cache_gb * 2**30),
                "block_size": 32,  # tokens; prefixes are shared by blocks, and the default of 128 is too long
            }
            chosen = {
                "max_num_seqs": max_num_seqs,
                "max_num_batched_tokens": max_num_batched_tokens,
                "quantization": quantization,
            }
            given = {key: value for key, value in chosen.items() if value is not None}
            start = OneCopy if copies == 1 else partial(Copies, copies)
            self.llm = start(
                model=str(weights),
                dtype=dtype,
                max_model_len=max_model_len,
                enable_prefix_caching=True,
                gpu_memory_utilization=gpu_memory_utilization,
                disable_log_stats=False,  # to count the cached tokens
                **given | (on_cpu_only if current_platform.is_cpu() else {}),
            )
        except ImportError as error:
            raise UserError(
                f"engine.name is vllm, but vLLM cannot be imported here ({error}). "
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

    def facts(self) -> dict:
        """Return vLLM's model runner and attention kernels, as the texts of a seed depend on both."""
        config = self.llm.config
        layers = config.compilation_config.static_forward_context.values()  # empty where the copies are other processes
        kernels = sorted({layer.attn_backend.get_name() for layer in layers if hasattr(layer, "attn_backend")})
        runner = "v2" if getattr(config, "use_v2_model_runner", False) else "v1"
        return {"model_runner": runner, "attention_backend": ", ".join(kernels) or None}

    def usage(self) -> tuple[int, int]:
        metrics = [metric for metric in self.llm.get_metrics() if hasattr(metric, "value")]

        def total(name: str) -> int:  # over the copies
            return int(sum(metric.value for metric in metrics if metric.name == f"vllm:{name}"))

        return total("prefix_cache_queries"), total("prefix_cache_hits")


class OneCopy:
    """vLLM's offline engine; unlike ``LLM.generate``, ``run`` passes on each output as soon as it is finished."""

    def __init__(self, **settings):
        import vllm

        self.llm = vllm.LLM(**settings)
        self.config = self.llm.llm_engine.vllm_config
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
        self.config = self.engine.vllm_config
        atexit.register(self.engine.shutdown)  # the copies' processes end with this one

    def run(self, prompts, parameters, finished) -> None:
        """Give each copy one run of neighbouring requests, as it computes their common prefix only once."""

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
