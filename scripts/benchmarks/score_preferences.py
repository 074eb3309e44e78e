"""How often a model's scores, and its pairwise verdicts, find the best response of a preference benchmark's rows."""

from metarewarding.evaluation import preference_judging
from metarewarding.evaluation.preference_rows import read_items
from metarewarding.evaluation.preference_table import PREFERENCES
from metarewarding.jobs.job import logged
from metarewarding.jobs.logs import in_words, logger
from metarewarding.records import Judgment, read_jsonl, write_json


@logged
def main(job):
    given = job.input
    verdicts = read_jsonl(given.verdicts[0], preference_judging.PairwiseVerdict) if given.verdicts else None
    result = preference_judging.score(read_items(given.preferences), read_jsonl(given.judgments, Judgment), verdicts)
    benchmark = PREFERENCES[job.params.benchmark]
    result |= {"benchmark": benchmark.name, "title": benchmark.title, "model": job.wildcards.model}
    logger.info(in_words(result))
    write_json(job.output[0], result)


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
