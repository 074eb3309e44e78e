"""The actor: n responses to each prompt of one shard of the next iteration's prompts."""

from job import engine_facts, logged
from metarewarding import sampling
from metarewarding.engines import open_engine
from metarewarding.records import Prompt, read_jsonl, write_json, write_jsonl


@logged
def main(job):
    p = job.params
    prompts = sampling.shard(read_jsonl(job.input.prompts, Prompt), int(job.wildcards.shard), p.shards)
    engine = open_engine(job.input.weights, gpus=job.resources.get("gpu", 1), **p.engine)
    rows, facts = sampling.respond(
        engine, prompts, p.n, sampling.Decoding(p.temperature, p.top_p, p.max_tokens), p.seed, p.system_prompt
    )
    write_jsonl(job.output.responses, rows)
    write_json(job.output.stats, engine_facts(engine, facts))


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
