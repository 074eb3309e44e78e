"""Ask a judge for the category (figure 4) of each AlpacaEval instruction, once for all models."""

from collections import Counter

from metarewarding import templates
from metarewarding.errors import UserError
from metarewarding.evaluation import alpaca_categories, alpaca_eval, registry
from metarewarding.jobs.job import logged
from metarewarding.jobs.logs import in_words, logger
from metarewarding.judges.asking import job_facts
from metarewarding.judges.client import ask, connect
from metarewarding.records import write_json


@logged
def main(job):
    p = job.params
    rows = registry.questions(alpaca_eval.BENCHMARK, job.input.reference, p.subset)
    requests = alpaca_categories.requests(rows, templates.load(job.input.template, "category"))
    weights = job.input.get("judge_weights")
    with connect(p.judge, weights, p.engine, f"{job.log[0]}.server") as judge:
        replies, facts = ask(requests, judge, p.store)
    read = {row["turns"][0]: alpaca_categories.read_category(replies[row["prompt_id"]]["text"]) for row in rows}
    labels = {instruction: category for instruction, category in read.items() if category is not None}
    facts |= {"questions": len(rows), "unread": len(rows) - len(labels), "labels": Counter(labels.values())}
    logger.info(in_words(facts))
    if facts["unread"] > p.max_missing * len(rows):
        raise UserError(
            f"judge '{judge['name']}' gave no category of the list for {facts['unread']} of {len(rows)} instructions, "
            f"and benchmarks.alpaca_eval.max_missing is {p.max_missing}. Its answers are kept in {p.store}. Choose "
            "another judge, change benchmarks.alpaca_eval.category_template, or set benchmarks.alpaca_eval.categories "
            "to a file or null."
        )
    write_json(job.output.categories, labels)
    write_json(job.output.stats, {"rule": job.rule} | facts | job_facts(served_here=weights is not None))


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
