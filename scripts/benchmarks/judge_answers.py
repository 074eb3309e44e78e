"""Have M0 judge a model's answers to the arena's prompts, n judgments an answer."""

from metarewarding import judging, templates
from metarewarding.engines import sampling
from metarewarding.engines.engine import open_engine
from metarewarding.engines.facts import engine_facts
from metarewarding.jobs.job import logged
from metarewarding.records import Prompt, Response, read_jsonl, write_json, write_jsonl


@logged
def main(job):
    p = job.params
    texts = {row["prompt_id"]: row["text"] for row in read_jsonl(job.input.prompts, Prompt)}
    answers = read_jsonl(job.input.answers, Response)
    template = templates.load(job.input.template, "judge")
    engine = open_engine(job.input.weights, gpus=job.resources.get("gpu", 1), store=p.store, **p.engine)
    n, decoding = sampling.n_and_decoding(p.judgments)
    rows, facts = judging.judge(engine, texts, answers, template, n, decoding, p.seed, p.judgments["max_score"])
    write_jsonl(job.output.verdicts, rows)
    write_json(job.output.stats, engine_facts(engine, facts, job))


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
