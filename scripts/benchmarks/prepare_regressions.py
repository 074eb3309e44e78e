"""Fetch the data of lm-evaluation-harness's tasks into the hub's cache, on the machine that has internet access."""

from metarewarding.evaluation import harness
from metarewarding.jobs.job import logged
from metarewarding.jobs.logs import in_words, logger
from metarewarding.records import write_json


@logged
def main(job):
    versions = harness.fetch(job.params.tasks, job.params.folder)
    logger.info(in_words(versions))
    write_json(job.output[0], versions)


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
