"""A copy of the project to run the workflow in, and a way to run it."""

import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROJECT = ("Snakefile", "workflow", "scripts", "config", "envs", "profiles")


def copy_project(folder: Path) -> Path:
    """The project's files without results, at ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in PROJECT:
        source = ROOT / name
        if source.is_dir() and not source.is_symlink():
            shutil.copytree(source, folder / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, folder / name, follow_symlinks=False)
    return folder


def snakemake(folder: Path, *words: str, timeout: int = 900) -> subprocess.CompletedProcess:
    """Run the `snakemake` of this environment in ``folder``."""
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    return subprocess.run(
        [sys.executable, "-m", "snakemake", *map(str, words)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=timeout,
    )


def planned(folder: Path, *words: str) -> Counter:
    """{rule: jobs} of a dry-run; empty when there is nothing to do."""
    run = snakemake(folder, "-n", *words, "--quiet", "rules")
    assert run.returncode == 0, run.stdout + run.stderr
    text = run.stdout + run.stderr
    if "Nothing to be done" in text:
        return Counter()
    table = text[text.index("Job stats:") :].splitlines()[3:]
    rows = [line.split() for line in table[: table.index("")]] if "" in table else [line.split() for line in table]
    return Counter({rule: int(count) for rule, count in rows if rule not in ("all", "total")})


@pytest.fixture
def project(tmp_path):
    return copy_project(tmp_path)


@pytest.fixture(scope="session")
def finished_smoke(tmp_path_factory):
    """(The project with the finished results of the smoke config, what Snakemake said); for all tests, so copy it."""
    project = copy_project(tmp_path_factory.mktemp("smoke") / "project")
    finished = snakemake(project, "--configfile", "config/smoke.yaml")
    assert finished.returncode == 0, finished.stdout[-3000:] + finished.stderr[-6000:]
    return project, finished
