"""Sample the EFT annotator's n judgments of each ranked reply of one shard, with the judge's prompt of the loop."""

from metarewarding import judging, templates
from metarewarding.engines import sampling
from metarewarding.engines.engine import open_engine
from metarewarding.engines.facts import engine_facts
from metarewarding.jobs.job import logged
from metarewarding.records import RankedReply, read_jsonl, write_json, write_jsonl


@logged
def main(job):
    p = job.params
    replies = read_jsonl(job.input.replies, RankedReply)
    prompts = sampling.shard(
        list(dict.fromkeys(row["prompt_id"] for row in replies)), int(job.wildcards.shard), p.shards
    )
    replies = [row for row in replies if row["prompt_id"] in set(prompts)]
    texts = {row["prompt_id"]: row["prompt"] for row in replies}
    template = templates.load(job.input.template, "judge")
    engine = open_engine(job.input.weights, gpus=job.resources.get("gpu", 1), store=p.store, **p.engine)
    decoding = sampling.Decoding(p.temperature, p.top_p, p.max_tokens)
    rows, facts = judging.judge(engine, texts, replies, template, p.n, decoding, p.seed, p.max_score)
    write_jsonl(job.output.judgments, rows)
    write_json(job.output.stats, engine_facts(engine, facts, job))


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
