"""End jobs with the Snakemake that started them: an orphan would write to the same files as a job of the next run."""

import os
import select
import signal
import threading
import time
from pathlib import Path

from metarewarding.jobs.logs import logger

VARIABLE = "METAREWARDING_DRIVER"  # "<pid> <start>", set by workflow/rules/common.smk on the same machine
GRACE = 20.0  # seconds for children to end by themselves


def identity(pid: int) -> str | None:
    """Return "<pid> <start time>", unique to a living process; None where it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else f"{pid} {fields[19]}"


def end_with_driver() -> None:
    """Start a thread that ends this process and its children when the driver has ended, for whatever reason."""
    driver = os.environ.get(VARIABLE)
    if driver and hasattr(os, "pidfd_open") and threading.current_thread() is threading.main_thread():
        threading.Thread(target=_watch, args=(driver,), name="driver", daemon=True).start()


def _watch(driver: str) -> None:
    pid = int(driver.split()[0])
    try:
        handle = os.pidfd_open(pid)
    except OSError:  # a kernel without pidfd, or a process of another machine
        return
    if identity(pid) != driver:
        return
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    poll.poll()  # blocks until the driver ends
    logger.error("Snakemake was killed, and this job ends with it.")
    end_tree()


def end_tree() -> None:
    """End the children of this process, first with SIGTERM and then with SIGKILL, and then this process."""
    for kind, wait in ((signal.SIGTERM, GRACE), (signal.SIGKILL, 1.0)):
        for pid in descendants(os.getpid()):
            kill(pid, kind)
        deadline = time.monotonic() + wait
        while time.monotonic() < deadline and descendants(os.getpid()):
            time.sleep(0.1)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE)
    os.kill(os.getpid(), signal.SIGKILL)


def descendants(pid: int) -> list[int]:
    """Return the living children of ``pid``, and their children."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if state != "Z":
            children.setdefault(int(parent), []).append(int(folder.name))
    pids, waiting = [], [pid]
    while waiting:
        waiting += (own := children.get(waiting.pop(), []))
        pids += own
    return pids


def kill(pid: int, kind: int) -> None:
    try:
        os.kill(pid, kind)
    except ProcessLookupError:
        pass
