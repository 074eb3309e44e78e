"""The judge: n judgments of each distinct response of one shard."""

from job import engine_facts, logged
from metarewarding import judging, sampling, templates
from metarewarding.engines import open_engine
from metarewarding.records import Prompt, Response, read_jsonl, write_json, write_jsonl


@logged
def main(job):
    p = job.params
    texts = {row["prompt_id"]: row["text"] for row in read_jsonl(job.input.prompts, Prompt)}
    responses = sampling.distinct(read_jsonl(job.input.responses, Response))
    template = templates.load(job.input.template, "judge")
    engine = open_engine(job.input.weights, gpus=job.resources.get("gpu", 1), **p.engine)
    decoding = sampling.Decoding(p.temperature, p.top_p, p.max_tokens)
    rows, facts = judging.judge(engine, texts, responses, template, p.n, decoding, p.seed, p.max_score)
    write_jsonl(job.output.judgments, rows)
    write_json(job.output.stats, engine_facts(engine, facts))


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
