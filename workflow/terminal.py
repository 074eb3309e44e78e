"""The terminal output of a run: one line for each finished job, and the scoreboard even without any job.

Snakemake's own log file (.snakemake/log) keeps the long form. A logger plugin would have to be an installed package, so
this is a filter and a formatter on Snakemake's own handler.
"""

import logging
import os
import signal
import sys
import time

from snakemake.logging import logger
from snakemake_interface_logger_plugins.common import LogEvent

from metarewarding.jobs import driver

HANDLER = "DefaultStreamHandler"
INTERRUPTED = "\nInterrupted: the jobs end, and what is finished stays. Run the same command again to go on.\n"


class OneLineAJob(logging.Filter):
    """Replace Snakemake's messages at the start and end of a job by one line with the progress.

    ``at_end()``: text to print where there is nothing to do. A dry-run keeps Snakemake's long form; ``is_dry_run()`` is
    called for each message, because the answer is not known while Snakemake reads the Snakefile.
    """

    interrupted = False  # by Ctrl-C

    def __init__(self, handler: logging.Handler, at_end, is_dry_run):
        super().__init__()
        self.usual, self.at_end, self.is_dry_run = handler.formatter, at_end, is_dry_run
        self.jobs: dict[int, tuple[float, str]] = {}  # {id: (start, name)}
        self.ended: list[str] = []

    def filter(self, record: logging.LogRecord) -> bool:
        if self.interrupted:  # each job that was ended is an error to Snakemake
            return record.levelno == logging.WARNING
        if self.is_dry_run():
            return True
        event = getattr(record, "event", None)
        if event == LogEvent.JOB_INFO:
            self.jobs[record.jobid] = time.time(), name(record.rule_name, record.wildcards)
        elif event == LogEvent.JOB_FINISHED and record.job_id in self.jobs:
            start, what = self.jobs.pop(record.job_id)
            self.ended.append(f"{time.time() - start:6,.0f} s  {what}")
        return event not in (LogEvent.JOB_INFO, LogEvent.JOB_FINISHED, LogEvent.JOB_STARTED) and not (
            event is None and str(record.msg).startswith("Select jobs to execute")
        )

    def format(self, record: logging.LogRecord) -> str:
        if self.is_dry_run():
            return self.usual.format(record)
        event = getattr(record, "event", None)
        if event == LogEvent.PROGRESS:
            count = f"{time.strftime('%H:%M:%S')}  {record.done:4} of {record.total}"
            lines, self.ended = self.ended, []
            return "\n".join(f"{count}  {line}" for line in lines)
        if event is None and str(record.msg).startswith("Nothing to be done"):
            return f"{record.msg}\n{self.at_end()}"
        return self.usual.format(record)


def interrupt(number, frame) -> None:
    """Handle Ctrl-C: end the jobs of this machine, print one line, and let Snakemake end as it does.

    The jobs ignore Ctrl-C themselves (rules/resources.smk): one that still imports torch would print a traceback. A
    second Ctrl-C ends a job that was about to start at the first.
    """
    first, OneLineAJob.interrupted = not OneLineAJob.interrupted, True
    for pid in driver.descendants(os.getpid()):
        driver.kill(pid, signal.SIGTERM)
    if first:
        sys.excepthook = hide_interrupt
        os.write(2, INTERRUPTED.encode())  # what was interrupted may hold the lock of sys.stderr
        raise KeyboardInterrupt


def hide_interrupt(kind, value, trace) -> None:
    """Print no traceback of a KeyboardInterrupt: Snakemake catches it only while jobs run."""
    if kind is not KeyboardInterrupt:
        sys.__excepthook__(kind, value, trace)


def name(rule: str, wildcards: dict) -> str:
    """Return `meta_judge  meta-rewarding/m1  shard 0`, in columns."""
    left = {key: str(value) for key, value in wildcards.items()}
    model = left.pop("model", "")
    if "method" in left and "iteration" in left:
        model = f"{left.pop('method')}/m{left.pop('iteration')}"
    others = ", ".join(f"{key} {value}" for key, value in left.items())
    return f"{rule:<22}  {model:<20}  {others}".rstrip()


def install(at_end, is_dry_run) -> None:
    """Use the short form from now on; where Snakemake has no such handler (a plugin, ``--quiet``), change nothing."""
    for handler in logger.handlers:
        if handler.name == HANDLER:
            short = OneLineAJob(handler, at_end, is_dry_run)
            handler.addFilter(short)
            handler.setFormatter(short)
