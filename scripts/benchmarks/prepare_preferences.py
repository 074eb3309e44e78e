"""Convert the rows of a preference benchmark from its pinned files to one common form."""

from collections import Counter

from metarewarding.evaluation import registry
from metarewarding.evaluation.preference_rows import subset_of
from metarewarding.jobs.job import logged
from metarewarding.jobs.logs import logger
from metarewarding.records import write_jsonl


@logged
def main(job):
    p = job.params
    benchmark = registry.get(job.wildcards.preference)
    rows = subset_of(benchmark.read_rows(dict(job.input.items())), p.subset)
    subsets = ", ".join(f"{name or 'all'} {count}" for name, count in Counter(row["subset"] for row in rows).items())
    logger.info("%s, licence %s: rows %s", benchmark.title, benchmark.licence, subsets)
    write_jsonl(job.output[0], rows)


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
