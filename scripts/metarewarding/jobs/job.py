"""What every script does around its work: write to the rule's log file, and report errors in one message."""

import atexit
import functools
import os
import sys
import time
from collections.abc import Iterable
from contextlib import contextmanager, nullcontext
from pathlib import Path

from metarewarding.errors import UserError
from metarewarding.jobs.disk import disk_fault
from metarewarding.jobs.driver import end_with_driver
from metarewarding.jobs.kept import keep
from metarewarding.jobs.lock import lock_as_job
from metarewarding.jobs.logs import logger, messages_of
from metarewarding.jobs.progress import Progress

STARTED = time.time()

# Read by libgomp when torch is imported, after this module. Threads wait for each other thousands of times a second. By
# default a waiting thread keeps its core busy, which another process may need. Measured on two cores without bfloat16
# in hardware, PASSIVE against the default. With one other busy process: a training step 6.9 s against 14.4 s, vLLM 46
# tokens a second against 24. Without it, no clear difference (2.8 to 4.1 s against 2.9 to 3.2 s; 92 against 93).
# Intel's OpenMP library gave 5.1 s and 47 busy, 3.6 s and 104 quiet, which does not justify preloading it; one thread
# took 6.3 s busy and 4.6 s quiet.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def logged(main):
    """Send the messages of ``main(job)``, and what its libraries and child processes print, to ``job.log``.

    Snakemake leaves a script's log file empty unless the script itself writes there. A UserError ends
    the job with its message alone; any other exception is logged with its traceback.
    """

    @functools.wraps(main)
    def wrapper(job):
        if os.isatty(2):
            Progress.terminal = os.fdopen(os.dup(2), "w")
            Progress.about = " ".join(map(str, (job.rule, *job.wildcards)))
        with output_to(job.log[0]) if job.log else nullcontext(), reporting(job.rule, job.output):
            main(job)
            if hasattr(job.params, "store"):  # only where an engine or a judge was used
                keep(job.output)
        if type(job).__module__.startswith("snakemake."):  # not in a test
            # All outputs are written. A normal exit would spend one to two seconds on torch and the engine.
            atexit._run_exitfuncs()
            os._exit(0)

    return wrapper


@contextmanager
def output_to(path: str | Path):
    """Send standard output and error to the file ``path`` while the block runs, also those of child processes."""
    sys.stdout.flush()
    sys.stderr.flush()
    before = os.dup(1), os.dup(2)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for copy, original in zip(before, (1, 2), strict=True):
            os.dup2(copy, original)
            os.close(copy)


@contextmanager
def reporting(rule: str, outputs: Iterable[str] = ()):
    """Log to standard error while the block runs, and its seconds at the end; end the process at an exception.

    The status is 1. Of a UserError and of a fault of the disk, only the message is written, of any other exception the
    traceback too. The process also ends when the Snakemake that started it is gone. ``outputs``: what the block writes,
    for the message about a full disk.
    """
    end_with_driver()
    with messages_of(rule):
        try:
            lock_as_job()
            yield
            logger.info("done in %.0f s", elapsed())
        except UserError as error:
            logger.error("%s", error)
            sys.exit(1)
        except KeyboardInterrupt:
            logger.error("interrupted")
            sys.exit(130)
        except Exception as error:
            if fault := disk_fault(error, outputs):
                logger.error("%s", fault)
            else:
                logger.exception("stopped by a fault in the program")
            sys.exit(1)


def elapsed() -> float:
    """Return the seconds since this process began its work."""
    return time.time() - STARTED
