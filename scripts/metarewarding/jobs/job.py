"""What every script does around its work: log to the rule's log file, and say errors in one message."""

import atexit
import functools
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import time
import traceback
from importlib import metadata
from pathlib import Path

from metarewarding.engines.precision import resolve_dtype
from metarewarding.errors import UserError
from metarewarding.jobs.progress import Progress

STARTED = time.time()

# Read by libgomp when torch is imported, after this module. Threads wait for each other thousands of times a second; by
# default a thread that waits keeps its core busy, which another process may need. Measured on two cores without
# bfloat16 in hardware, PASSIVE against the default. Beside one busy process: a training step 6.9 s against 14.4 s, vLLM
# 46 tokens a second against 24. Quiet: no clear difference (2.8 to 4.1 s against 2.9 to 3.2 s; 92 against 93). Intel's
# OpenMP library gave 5.1 s and 47 busy, 3.6 s and 104 quiet, not enough to preload it; one thread 6.3 s busy, 4.6 s
# quiet.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def logged(main):
    """Send what ``main(job)`` prints, and what its libraries and child processes print, to ``job.log``.

    Snakemake leaves a script's log file empty unless the script itself writes there. A UserError ends
    the job with its message alone; any other exception is logged with its traceback.
    """

    @functools.wraps(main)
    def wrapper(job):
        before = os.dup(1), os.dup(2)
        if os.isatty(2):
            Progress.terminal = os.fdopen(os.dup(2), "w")
        if job.log and "METAREWARDING_TERMINAL" not in os.environ:  # set by workflow/run_script.py
            Path(job.log[0]).parent.mkdir(parents=True, exist_ok=True)
            with open(job.log[0], "w") as file:
                os.dup2(file.fileno(), 1)
                os.dup2(file.fileno(), 2)
        try:
            with report_user_errors():
                main(job)
                print(f"done in {elapsed():.0f} s", flush=True)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for copy, original in zip(before, (1, 2), strict=True):
                os.dup2(copy, original)
                os.close(copy)
        if type(job).__module__.startswith("snakemake."):  # not where a test calls it
            # All outputs are written. The interpreter would take apart torch and the engine for one to two seconds.
            atexit._run_exitfuncs()
            os._exit(0)

    return wrapper


class report_user_errors:
    """A block in which a UserError is printed without a traceback and ends the process with status 1."""

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if isinstance(error, UserError):
            print(f"error: {error}", file=sys.stderr, flush=True)
            sys.exit(1)
        if isinstance(error, Exception):
            traceback.print_exception(error)
            sys.exit(1)
        return False


def elapsed() -> float:
    """Seconds since this process began its work."""
    return time.time() - STARTED


def sha256(path: str | Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def weights_sha256(folder: str | Path) -> dict[str, str]:
    """{file name: sha256} of a model folder's weights."""
    return {file.name: sha256(file) for file in sorted(Path(folder).glob("*.safetensors"))}


def provenance() -> dict:
    """Whence a file comes, for its manifest: the config, the commit, the packages, the kind of machine.

    ``config`` (resolved) and ``git`` ({commit, dirty}; null outside a clone) are what the workflow has put in the
    environment (rules/provenance.smk), null where a script runs by hand. They are no params: another commit, or
    another setting that a rule does not use, reruns nothing.
    """
    return {
        "config": json.loads(os.environ.get("METAREWARDING_CONFIG", "null")),
        "git": json.loads(os.environ.get("METAREWARDING_GIT", "null")),
        "packages": {"python": platform.python_version()}
        | {
            found.name.lower(): found.version
            for found in sorted(metadata.distributions(), key=lambda found: str(found.name).lower(), reverse=True)
            if found.name
        },
        "host": host(),
    }


def host() -> dict:
    """The kind of machine, not its name: {system, cpu, cores (of this job), memory_gb, gpus, auto_dtype}.

    ``auto_dtype`` is what `dtype: auto` means there (metarewarding/engines/precision.py).
    """
    names = gpus()
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": _first_value("/proc/cpuinfo", "model name"),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(int((_first_value("/proc/meminfo", "MemTotal") or "0 kB").split()[0]) / 1e6, 1),
        "gpus": names,
        "auto_dtype": resolve_dtype("auto", gpu=bool(names)),
    }


def gpus() -> list[str]:
    """The names of the GPUs that this job may use."""
    torch = sys.modules.get("torch")
    if torch is not None:
        return [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    if not shutil.which("nvidia-smi"):
        return []
    try:
        words = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
        said = subprocess.run(words, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return said.stdout.strip().splitlines() if said.returncode == 0 else []


def _first_value(path: str, key: str) -> str | None:
    """The value of the first line `key : value` of a file of /proc."""
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return None
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), None)


def versions(*packages: str) -> dict[str, str]:
    """{package: installed version} of those that are installed, with Python's own."""
    found = {"python": platform.python_version()}
    for package in packages:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def engine_facts(engine, facts: dict, job) -> dict:
    """Return ``facts`` of one stage of a sampling job, with what the engine and the job add; print them.

    ``process_seconds`` are those since the job's start, or since its previous stage; ``rule`` and ``log`` name the
    job, as several stages may belong to one.
    """
    print(
        "{requests} requests, {from_store} of {completions} completions from the store, {prompt_tokens} tokens in "
        "({cached_prompt_tokens} cached), {output_tokens} tokens out, parse rate {rate}, "
        "{tokens_per_second} tokens a second".format(
            rate="-" if facts.get("parse_rate") is None else f"{facts['parse_rate']:.0%}", **facts
        ),
        flush=True,
    )
    if facts["too_long"]:
        print(f"warning: {facts['too_long']} prompts do not fit engine.max_model_len and were left out", flush=True)
    seconds, _stages["seconds"] = elapsed() - _stages["seconds"], elapsed()
    return (
        facts
        | engine.facts
        | {"rule": job.rule, "log": str(job.log[0]), "process_seconds": round(seconds, 1), "host": host()}
    )


_stages = {"seconds": 0.0}  # since the start of the process, up to the end of the last stage
