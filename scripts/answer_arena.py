"""A model's answers to the arena's prompts, one each."""

from job import engine_facts, logged
from metarewarding import sampling
from metarewarding.engines import open_engine
from metarewarding.records import Prompt, read_jsonl, unique_by, write_json, write_jsonl


@logged
def main(job):
    p = job.params
    prompts = read_jsonl(job.input.prompts, Prompt)
    unique_by(prompts, "prompt_id", "the arena's prompts")
    engine = open_engine(job.input.weights, gpus=job.resources.get("gpu", 1), **p.engine)
    decoding = sampling.Decoding(p.temperature, p.top_p, p.max_tokens)
    answers, facts = sampling.respond(engine, prompts, 1, decoding, p.seed, p.system_prompt)
    write_jsonl(job.output.answers, answers)
    write_json(job.output.stats, engine_facts(engine, facts))


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
