"""Checks at each start of a run, before its first job; a dry-run skips them.

A rule would not be enough: once its output exists, a file that breaks later would not stop training.
"""

from snakemake.exceptions import WorkflowError

from metarewarding.errors import UserError
from metarewarding.input_checks import faults
from metarewarding.jobs.disk import disk_fault
from metarewarding.jobs.lock import lock_as_driver


def check(given: dict) -> None:
    """Lock the results folder and read the user's files; raise WorkflowError with all that is wrong."""
    try:
        lock_as_driver()
    except UserError as error:
        raise WorkflowError(str(error)) from None
    except OSError as error:  # the folder cannot be made or written
        raise WorkflowError(disk_fault(error) or str(error)) from None
    if messages := faults(given):
        raise WorkflowError("\n".join(messages))
