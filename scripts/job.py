"""What every script does around its work: log to the rule's log file, and say errors in one message."""

import functools
import hashlib
import os
import platform
import sys
import time
import traceback
from importlib import metadata
from pathlib import Path

from metarewarding.errors import UserError
from metarewarding.progress import Progress

STARTED = time.time()


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
        if job.log:
            Path(job.log[0]).parent.mkdir(parents=True, exist_ok=True)
            with open(job.log[0], "w") as file:
                os.dup2(file.fileno(), 1)
                os.dup2(file.fileno(), 2)
        try:
            with spoken_errors():
                main(job)
                print(f"done in {elapsed():.0f} s", flush=True)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for copy, original in zip(before, (1, 2), strict=True):
                os.dup2(copy, original)
                os.close(copy)

    return wrapper


class spoken_errors:
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


def versions(*packages: str) -> dict[str, str]:
    """{package: installed version} of those that are installed, with Python's own."""
    found = {"python": platform.python_version()}
    for package in packages:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def engine_facts(engine, facts: dict) -> dict:
    """``facts`` of a sampling stage, printed, with the engine's own and the whole process's seconds."""
    print(
        "{requests} requests, {prompt_tokens} tokens in ({cached_prompt_tokens} cached), {output_tokens} tokens out, "
        "parse rate {rate}, {tokens_per_second} tokens a second".format(
            rate="-" if facts.get("parse_rate") is None else f"{facts['parse_rate']:.0%}", **facts
        ),
        flush=True,
    )
    if facts["too_long"]:
        print(f"warning: {facts['too_long']} prompts do not fit engine.max_model_len and were left out", flush=True)
    return facts | engine.facts | {"process_seconds": round(elapsed(), 1)}
