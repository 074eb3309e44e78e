"""Sample the seed's responses to the prompts of table 3, as in the loop (section 3.4)."""

from metarewarding.engines import sampling
from metarewarding.engines.engine import open_engine
from metarewarding.engines.facts import engine_facts
from metarewarding.jobs.job import logged
from metarewarding.records import Prompt, read_jsonl, write_json, write_jsonl


@logged
def main(job):
    p = job.params
    engine = open_engine(job.input.weights, gpus=job.resources.get("gpu", 1), store=p.store, **p.engine)
    n, decoding = sampling.n_and_decoding(p.responses)
    rows, facts = sampling.respond(engine, read_jsonl(job.input.prompts, Prompt), n, decoding, p.seed, p.system_prompt)
    write_jsonl(job.output.responses, rows)
    write_json(job.output.stats, engine_facts(engine, facts, job))


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
