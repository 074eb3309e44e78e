"""Check the user's inputs and the engine once, in the environment of the jobs.

The output never changes, and jobs use it as `ancient`, so checking again reruns nothing. Each start of a run also reads
the inputs (workflow/start_checks.py).
"""

from pathlib import Path

from metarewarding.engines.engine import engine_version
from metarewarding.errors import UserError
from metarewarding.input_checks import faults
from metarewarding.jobs.job import logged


@logged
def main(job):
    messages = faults(job.params.checks)
    try:
        engine_version(job.params.engine)
    except UserError as error:
        messages.append(str(error))
    if messages:
        raise UserError("\n".join(messages))
    Path(job.output[0]).mkdir(parents=True, exist_ok=True)
    (Path(job.output[0]) / "passed").write_text("The inputs were read without a fault.\n", encoding="utf-8")


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
