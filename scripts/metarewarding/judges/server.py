"""A local judge: vLLM's OpenAI server, which runs only while it is needed."""

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

from metarewarding.engines.precision import resolve_dtype
from metarewarding.errors import UserError
from metarewarding.jobs.progress import Progress

logger = logging.getLogger(__name__)

START, STOP = 1800.0, 30.0  # seconds for a server to start, and to end after a signal


@contextmanager
def judge_server(
    weights: str | Path,
    name: str,
    engine: dict,
    log: str | Path,
    program: tuple[str, ...] = (sys.executable, "-m", "vllm.entrypoints.openai.api_server"),
    key: str | None = None,
):
    """Yield the base URL of a server of the model folder ``weights`` under ``name``, on a free local port.

    ``engine``: the settings of ``metarewarding.engines.open_engine``. The server's output goes to ``log``. With ``key``
    the server answers only requests that contain it, as other users of the machine can also reach a local port. The
    server and its children end with the block, also after Ctrl-C or SIGTERM.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    Path(log).parent.mkdir(parents=True, exist_ok=True)
    with open(log, "w") as output, ended_by_sigterm():
        process = subprocess.Popen(
            [*program, *arguments(weights, name, engine, port)],
            # not an argument, as other users of the machine can read those
            env=environment(engine) | ({"VLLM_API_KEY": key} if key else {}),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a process group of its own, so that its children can be stopped too
        )
        try:
            wait_until_healthy(process, port, log)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            stop(process)


def arguments(weights, name: str, engine: dict, port: int) -> list[str]:
    length = engine["max_model_len"]
    given = {
        "model": weights,
        "served-model-name": name,
        "host": "127.0.0.1",
        "port": port,
        "max-model-len": length,
        "dtype": resolve_dtype(engine.get("dtype", "auto")),
        "gpu-memory-utilization": engine.get("gpu_memory_utilization", 0.9),
        "tensor-parallel-size": engine.get("tensor_parallel", 1),
    }
    if on_cpu():  # as in engines.VllmEngine
        cache = int(engine.get("cpu_cache_gb", 4) * 2**30)
        given |= {"max-num-batched-tokens": max(length, 4096), "kv-cache-memory-bytes": cache, "block-size": 32}
    flags = ["--enforce-eager", "--no-enable-chunked-prefill"] if on_cpu() else []
    return [word for key, value in given.items() for word in (f"--{key}", str(value))] + flags


def on_cpu() -> bool:
    import torch

    return not torch.cuda.is_available()


def environment(engine: dict) -> dict:
    """Return the environment variables of the server, those of the engines; the user's own values stay."""
    cores = ",".join(map(str, sorted(os.sched_getaffinity(0))))
    return {
        "HF_HUB_OFFLINE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_CPU_OMP_THREADS_BIND": cores,
    } | os.environ


def wait_until_healthy(process: subprocess.Popen, port: int, log) -> None:
    # no proxy for an address on this machine
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    started = time.monotonic()
    with Progress(desc="Judge server starts", bar_format="{desc}: {elapsed}") as progress:
        while time.monotonic() - started < START:
            if process.poll() is not None:
                raise UserError(
                    f"the local judge's server ended with status {process.returncode} before it was ready. Its "
                    f"log is {log}; the last lines are:\n{tail(log)}"
                )
            try:
                opener.open(f"http://127.0.0.1:{port}/health", timeout=5).close()
            except (OSError, urllib.error.URLError):
                progress.update()
                time.sleep(0.5)
                continue
            logger.info(f"judge server ready after {time.monotonic() - started:.0f} s; its log is {log}")
            return
    raise UserError(f"the local judge's server was not ready after {START:.0f} s. Its log is {log}.")


def tail(log, lines: int = 5) -> str:
    return "\n".join(Path(log).read_text(errors="replace").splitlines()[-lines:])


def stop(process: subprocess.Popen) -> None:
    """End the process and its whole group, first with SIGTERM and then with SIGKILL."""
    for kind, wait in ((signal.SIGTERM, STOP), (signal.SIGKILL, STOP)):
        try:
            os.killpg(process.pid, kind)
        except ProcessLookupError:
            break
        deadline = time.monotonic() + wait
        while time.monotonic() < deadline and group_lives(process):
            time.sleep(0.1)
    process.wait()


def group_lives(process: subprocess.Popen) -> bool:
    process.poll()  # otherwise the ended process would stay in its group
    try:
        os.killpg(process.pid, 0)
    except ProcessLookupError:
        return False
    return True


@contextmanager
def ended_by_sigterm():
    """Turn SIGTERM into an exception while the block runs, as Ctrl-C is one, so that the server is stopped."""

    def end(number, frame):
        sys.exit(128 + number)

    if threading.current_thread() is not threading.main_thread():  # handlers can be set in the main thread only
        yield
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
