"""Provenance for manifests and stats: hashes, packages, the kind of machine."""

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from metarewarding.engines.precision import resolve_dtype


def sha256(path: str | Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def weights_sha256(folder: str | Path) -> dict[str, str]:
    """Return {file name: sha256} of a model folder's weights."""
    return {file.name: sha256(file) for file in sorted(Path(folder).glob("*.safetensors"))}


def provenance() -> dict:
    """Return the provenance of a file, for its manifest: the config, the commit, the packages, the kind of machine.

    ``config`` (resolved) and ``git`` ({commit, dirty}; null outside a clone) come from the environment, where
    workflow/provenance.py has put them; they are null where a script runs by hand. They are not params, so that
    another commit, or a setting that a rule does not use, reruns nothing.
    """
    return {
        "config": json.loads(os.environ.get("METAREWARDING_CONFIG", "null")),
        "git": json.loads(os.environ.get("METAREWARDING_GIT", "null")),
        "packages": {"python": platform.python_version()}
        | {
            package.name.lower(): package.version
            for package in sorted(metadata.distributions(), key=lambda package: str(package.name).lower(), reverse=True)
            if package.name
        },
        "host": host(),
    }


def host() -> dict:
    """Return the kind of machine, not its name: {system, cpu, cores (of this job), memory_gb, gpus, auto_dtype}.

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
    """Return the names of the GPUs that this job may use."""
    torch = sys.modules.get("torch")
    if torch is not None:
        return [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    if not shutil.which("nvidia-smi"):
        return []
    try:
        words = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
        result = subprocess.run(words, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return result.stdout.strip().splitlines() if result.returncode == 0 else []


def _first_value(path: str, key: str) -> str | None:
    """Return the value of the first line `key : value` of a file of /proc."""
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return None
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), None)
