"""Score a model on a benchmark; metarewarding/evaluation/<benchmark>.py defines the score."""

from metarewarding.evaluation import registry
from metarewarding.jobs.job import logged
from metarewarding.jobs.logs import in_words, logger
from metarewarding.records import write_json


@logged
def main(job):
    name, model = job.wildcards.benchmark, job.wildcards.model
    score = registry.get(name).score(job.input, job.params.settings, model, job.params.seed)
    logger.info(in_words({key: value for key, value in score.items() if not isinstance(value, dict)}))
    write_json(job.output[0], {"benchmark": name, "model": model} | score)


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
