"""Ctrl-C while a run is at work: one line, the jobs end, no lock is left, and nothing finished is lost."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import kills
import pytest
from conftest import snakemake
from terminal import INTERRUPTED

from metarewarding.jobs.driver import descendants, identity

SMOKE = ("--configfile", "config/smoke.yaml")


@pytest.fixture(scope="module")
def finished(finished_smoke, tmp_path_factory):
    """A copy of the finished smoke run, of which each test deletes an output."""
    return shutil.copytree(finished_smoke[0], tmp_path_factory.mktemp("interrupted") / "project", symlinks=True)


def start_in_foreground(project: Path) -> subprocess.Popen:
    """Start Snakemake in a process group of its own, as a shell starts it in a terminal."""
    (project / "run.log").unlink(missing_ok=True)
    return kills.start(project, start_new_session=True)


def wait_for(condition) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def handles_hangup(pid: int) -> bool:
    """Whether the process has set its handlers, that of SIGHUP last, as it does when it reads the Snakefile."""
    status = Path(f"/proc/{pid}/status").read_text()
    return bool(int(status.partition("SigCgt:")[2].split()[0], 16) & 1 << (signal.SIGHUP - 1))


def interrupt(project: Path, process: subprocess.Popen) -> str:
    """Send SIGINT to the whole process group, as a terminal does; return what the run has printed."""
    jobs = descendants(process.pid)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(60) != 0
    assert [pid for pid in jobs if identity(pid)] == []
    return (project / "run.log").read_text()


def check_ending(project: Path, output: str, before: dict[str, str]) -> None:
    """Check that one line ends the output, that all of ``before`` is there, and that no lock is left."""
    assert output.count(INTERRUPTED) == 1
    assert output.endswith(INTERRUPTED)
    assert "Traceback" not in output
    assert kills.hashes(project) == before
    assert list(project.glob(".snakemake/locks/*")) == []


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0, 5])  # while the program imports its libraries, and while it is at work
@pytest.mark.parametrize(
    ("output", "rule"),
    [("m0/judgments/0.jsonl", "sample_and_judge"), ("self-rewarding/m1/weights", "train_dpo")],
)
def test_ctrl_c_ends_a_job_with_one_line(finished, output, rule, seconds):
    path = finished / kills.RESULTS / output
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    process = start_in_foreground(finished)
    wait_for(lambda: rule in kills.rules_of(descendants(process.pid)))
    time.sleep(seconds)
    before = kills.hashes(finished)
    check_ending(finished, interrupt(finished, process), before)


@pytest.mark.slow
def test_ctrl_c_before_the_first_job_is_one_line(finished):
    before = kills.hashes(finished)
    process = start_in_foreground(finished)
    wait_for(lambda: handles_hangup(process.pid))
    check_ending(finished, interrupt(finished, process), before)


@pytest.mark.slow
def test_a_run_goes_on_after_ctrl_c(finished, finished_smoke):
    # the whole run: other jobs were at work beside those that were waited for
    assert snakemake(finished, *SMOKE).returncode == 0
    assert kills.hashes(finished) == kills.hashes(finished_smoke[0])
