"""Lock a results folder against a second Snakemake, also while jobs of an earlier one still run.

Snakemake's own lock is in the folder of the Snakefile: `--unlock` removes it, and another clone does not see it. The
kernel releases these two locks when their processes end, also by a kill. On NFS, Linux passes them on to the server.
"""

import fcntl
import os
import socket
from pathlib import Path

from metarewarding.errors import UserError
from metarewarding.jobs import driver
from metarewarding.jobs.logs import logger
from metarewarding.row_checks import results_root

DRIVER, JOBS = ".driver.lock", ".jobs.lock"
_held = []  # a lock lasts as long as its file is open


def lock_as_driver() -> None:
    """Lock the results folder until this process ends; raise UserError where another run, or a job of one, has it."""
    results = results_root()
    results.mkdir(parents=True, exist_ok=True)
    own, jobs = _open(results / DRIVER), _open(results / JOBS)
    fix = "Wait until it ends, or stop it; --unlock does not. Or give this run its own folder: pathvars.results."
    if not _lock(own, fcntl.LOCK_EX | fcntl.LOCK_NB):
        own.seek(0)
        raise UserError(f"{results}: another Snakemake ({own.read().strip()}) runs in this folder. {fix}")
    if not _lock(jobs, fcntl.LOCK_EX | fcntl.LOCK_NB):
        raise UserError(f"{results}: a job of an earlier run still runs in this folder. {fix}")
    jobs.close()
    own.truncate(0)
    own.write(f"process {os.getpid()} on {socket.gethostname()}\n")
    own.flush()
    _held.append(own)


def lock_as_job() -> None:
    """Share a lock on the results folder until this process ends; without effect in a job that is run by hand."""
    if os.environ.get(driver.VARIABLE) and results_root().is_dir():
        jobs = _open(results_root() / JOBS)
        _lock(jobs, fcntl.LOCK_SH)
        _held.append(jobs)


def _open(path: Path):
    return open(path, "a+", encoding="utf-8")


def _lock(file, kind: int) -> bool:
    """Return whether the lock was granted; a file system without locks grants it, with a warning."""
    try:
        fcntl.flock(file, kind)
    except BlockingIOError:
        return False
    except OSError as error:
        logger.warning("%s cannot be locked (%s): start no second Snakemake in this folder.", file.name, error)
    return True
