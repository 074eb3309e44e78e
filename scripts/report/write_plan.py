"""Write the plan of the run, compared with what was measured."""

from metarewarding.jobs.job import logged
from metarewarding.records import write_json
from metarewarding.reporting.measured import measure


@logged
def main(job):
    write_json(job.output[0], measure(job.params.plan, job.params.root))


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
