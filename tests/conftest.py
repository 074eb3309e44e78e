"""A copy of the project for the workflow, and functions that run it."""

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

# Before torch is imported: the models of the tests are tiny, and two threads that wait for each other beside another
# busy process took several times as long. The programs that tests start get it, too.
os.environ.setdefault("OMP_NUM_THREADS", "1")

ROOT = Path(__file__).parent.parent
os.environ["PYTHONPATH"] = f"{ROOT}/scripts"  # as envs/run and the rules set it

from jobs import prompts, refused, weights  # noqa: E402, F401

PROJECT = ("Snakefile", "workflow", "scripts", "config", "envs", "profiles")


def copy_project(folder: Path) -> Path:
    """Copy the project's files without results to ``folder``, and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in PROJECT:
        source = ROOT / name
        if source.is_dir() and not source.is_symlink():
            shutil.copytree(source, folder / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, folder / name, follow_symlinks=False)
    return folder


def environment() -> dict:
    return os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


def snakemake(folder: Path, *words: str, timeout: int = 900) -> subprocess.CompletedProcess:
    """Run the `snakemake` of this environment in ``folder``; a dry-run (first word "-n") in a fork of one process."""
    words = [str(word) for word in words]
    if words[0] == "-n":
        return dry_run(folder, words)
    return subprocess.run(
        [sys.executable, "-m", "snakemake", *words],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=timeout,
    )


@cache
def dry_run_server() -> subprocess.Popen:
    words = [sys.executable, ROOT / "tests/support/dry_runs.py"]
    # it ends when pytest does, and its standard input with it
    return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment(), text=True)


def dry_run(folder: Path, words: list[str]) -> subprocess.CompletedProcess:
    server = dry_run_server()
    with TemporaryDirectory() as scratch:
        output = Path(scratch) / "output"
        server.stdin.write(json.dumps([str(folder), words, str(output)]) + "\n")
        server.stdin.flush()
        status = int(server.stdout.readline())
        return subprocess.CompletedProcess(words, status, output.read_text(), "")


def job_counts(text: str) -> Counter:
    """Return {rule: jobs} from the output of a dry-run; empty when there is nothing to do."""
    if "Nothing to be done" in text:
        return Counter()
    table = text[text.index("Job stats:") :].splitlines()[3:]
    rows = [line.split() for line in table[: table.index("")]] if "" in table else [line.split() for line in table]
    return Counter({rule: int(count) for rule, count in rows if rule not in ("all", "total")})


def planned(folder: Path, *words: str) -> Counter:
    """Return {rule: jobs} of a dry-run; empty when there is nothing to do."""
    run = snakemake(folder, "-n", *words, "--quiet", "rules")
    assert run.returncode == 0, run.stdout + run.stderr
    return job_counts(run.stdout + run.stderr)


@pytest.fixture
def project(tmp_path):
    return copy_project(tmp_path)


@pytest.fixture(scope="session")
def finished_smoke(tmp_path_factory):
    """Return (the project with the finished smoke run, Snakemake's output); shared by all tests, so copy it."""
    project = copy_project(tmp_path_factory.mktemp("smoke") / "project")
    finished = snakemake(project, "--configfile", "config/smoke.yaml")
    assert finished.returncode == 0, finished.stdout[-3000:] + finished.stderr[-6000:]
    return project, finished
