"""The prompt writer: one candidate for each id of one shard of a round of a pool of prompts."""

from itertools import chain
from types import SimpleNamespace

from metarewarding import prompt_generation, templates
from metarewarding.engines import sampling
from metarewarding.engines.engine import open_engine
from metarewarding.engines.facts import engine_facts
from metarewarding.errors import UserError
from metarewarding.jobs.job import logged
from metarewarding.jobs.logs import logger
from metarewarding.records import Prompt, RankedReply, read_jsonl, write_json, write_jsonl

# Stands where an engine would when there is nothing to ask: hashing the weights takes seconds.
NO_ENGINE = SimpleNamespace(facts={}, usage=lambda: (0, 0))


@logged
def main(job):
    p, w = job.params, job.wildcards
    ift = prompt_generation.demonstration_prompts(read_jsonl(job.input.demonstrations, RankedReply))
    # files in the order of pools and rounds: the last ones are this pool's
    earlier = [read_jsonl(file, Prompt) for file in job.input.earlier]
    in_pool = sum(map(len, earlier[len(earlier) - p.earlier_of_pool :]))
    if not ift:
        raise UserError(
            f"{job.input.demonstrations}: no prompts to show as demonstrations. "
            "Give eft.ift_prompts at least prompts.generation.demonstrations, or set prompts.source: file."
        )
    template = templates.load(job.input.template, "generate")
    ids = sampling.shard(prompt_generation.candidate_ids(w.pool, w.round, p.per_round), int(w.shard), p.shards)
    if in_pool >= p.size:
        logger.info(f"the pool has its {p.size} prompts: nothing is asked")
        ids = []
    engine = NO_ENGINE
    if ids:
        engine = open_engine(job.input.weights, gpus=job.resources.get("gpu", 1), store=p.store, **p.engine)
    decoding = sampling.Decoding(p.temperature, p.top_p, p.max_tokens)
    rows, facts = prompt_generation.generate(
        engine,
        ids,
        ift,
        list(chain.from_iterable(earlier)),
        p.demonstrations,
        p.generated_demonstrations,
        template,
        decoding,
        p.seed,
    )
    write_jsonl(job.output.candidates, rows)
    write_json(job.output.stats, engine_facts(engine, facts, job))


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
