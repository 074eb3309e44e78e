"""Ask a benchmark judge about a model's answers; the requests come from metarewarding/evaluation/<benchmark>.py."""

from metarewarding.evaluation import registry
from metarewarding.jobs.job import logged
from metarewarding.judges.asking import Asking, job_facts
from metarewarding.judges.client import connect
from metarewarding.records import write_json, write_jsonl


@logged
def main(job):
    p, benchmark = job.params, registry.get(job.params.benchmark)
    questions = registry.questions(benchmark, job.input.questions, p.subset)
    answers = benchmark.read_answers(job.input.answers)
    files = {name: job.input[name] for name in benchmark.judge_reads}
    weights = job.input.get("judge_weights")
    # a local judge's server runs while this block runs
    with connect(p.judge, weights, p.engine, f"{job.log[0]}.server") as judge:
        asking = Asking(judge, p.store, served_here=weights is not None)
        rows, facts = benchmark.judge(asking, questions, answers, files, p.settings, job.wildcards.model)
    facts = {"rule": job.rule} | asking.facts() | facts | {"questions": len(questions)}
    if str(job.output.verdicts).endswith(".jsonl"):
        who = {"judge": judge["name"], "judge_model": judge["model"]}
        write_jsonl(job.output.verdicts, [row | who for row in rows])
    else:  # rows in the format of a package
        write_json(job.output.verdicts, rows)
    write_json(job.output.stats, facts | job_facts(served_here=weights is not None))


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
