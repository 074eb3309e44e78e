"""Threads: settings of OpenMP for a training step and for vLLM, on a quiet machine and beside one busy process."""

import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from measure import quiet, row, text

OURS = {"OMP_WAIT_POLICY": "PASSIVE"}  # as metarewarding/jobs/job.py sets it
OTHERS = {
    "waiting threads spin (the default)": {},
    "Intel's OpenMP": {"LD_PRELOAD": str(Path(sys.prefix, "lib/libiomp5.so"))},
    "one thread": OURS | {"OMP_NUM_THREADS": "1", "VLLM_CPU_OMP_THREADS_BIND": "0"},
}
CHANGED = ("OMP_WAIT_POLICY", "OMP_NUM_THREADS", "VLLM_CPU_OMP_THREADS_BIND", "LD_PRELOAD")


def training_step(model: Path) -> float:
    """Seconds of a forward and a backward pass over four texts, the median of three."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from metarewarding.engines.precision import resolve_dtype

    network = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    ids = AutoTokenizer.from_pretrained(model)([text(1200, "threads")], return_tensors="pt")["input_ids"].repeat(4, 1)
    seconds = []
    for _ in range(4):
        start = time.perf_counter()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=resolve_dtype("auto", gpu=False) == "bfloat16"):
            loss = network(input_ids=ids, labels=ids).loss
        loss.backward()
        seconds.append(time.perf_counter() - start)
    return median(seconds[1:])  # the first one allocates


def sampling(model: Path) -> float:
    """Seconds of 32 completions of 32 tokens by vLLM, the second time."""
    from metarewarding.engines.engine import open_engine
    from metarewarding.engines.sampling import Decoding, Request

    engine = open_engine(model, name="vllm", max_model_len=1024, dtype="auto", cpu_cache_gb=1)
    decoding = Decoding(temperature=1.0, top_p=1.0, max_tokens=32)
    for start_seed in (0, 100):
        start = time.perf_counter()
        engine.generate(
            [
                Request(f"p{i}", [{"role": "user", "content": text(400, f"threads {i}")}], 4, start_seed + i, decoding)
                for i in range(8)
            ]
        )
        seconds = time.perf_counter() - start
    return seconds


WORK = {"a training step": training_step, "vLLM, 32 completions": sampling}


@contextmanager
def load(busy: bool):
    """One busy process while the block runs, if ``busy``."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"]) if busy else None
    try:
        yield
    finally:
        if process:
            process.kill()
            process.wait()


def measure(work: str, model: Path, settings: dict) -> float:
    """Seconds of ``work`` in a process of its own, as OpenMP reads its settings once."""
    inherited = {name: value for name, value in os.environ.items() if name not in CHANGED}
    command = [sys.executable, __file__, work, str(model)]
    done = subprocess.run(command, env=inherited | settings, stdout=subprocess.PIPE, text=True, check=True)
    return float(done.stdout.split()[-1])


def threads(quick: bool, model: Path) -> list[dict]:
    """Ours against each other setting, in turn, twice."""
    rows = []
    for work in list(WORK)[: 1 if quick else None]:
        for busy in (False, True):
            seconds: dict[str, list] = {name: [] for name in ("ours", *OTHERS)}
            with load(busy):
                for _ in range(1 if quick else 2):
                    for name in seconds:
                        seconds[name].append(measure(work, model, OTHERS.get(name, OURS)))
            what = f"{work}, {'beside one busy process' if busy else 'quiet'}"
            rows += [row(what, median(seconds["ours"]), median(seconds[name]), name) for name in OTHERS]
    return rows


if __name__ == "__main__":
    with quiet():
        measured = WORK[sys.argv[1]](Path(sys.argv[2]))
    print(measured)
