"""Measure the meta-judge's bias by score, position and length (table 5)."""

from metarewarding import bias
from metarewarding.jobs.job import logged
from metarewarding.jobs.logs import in_words, logger
from metarewarding.records import Judgment, MetaJudgment, read_jsonl, unique_by, write_json


@logged
def main(job):
    judgments = [row for path in job.input.judgments for row in read_jsonl(path, Judgment)]
    unique_by(judgments, "judgment_id", "the judgments")
    verdicts = [row for path in job.input.meta_judgments for row in read_jsonl(path, MetaJudgment)]
    result = bias.meta_judge_bias(verdicts, judgments) | {"benchmark": "meta_judge", "model": job.wildcards.model}
    logger.info(in_words(result))
    write_json(job.output[0], result)


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
