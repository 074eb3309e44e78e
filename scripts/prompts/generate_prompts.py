"""Generate the prompts of one pool: rounds of candidates, each filtered, until the pool is full.

A round shows accepted prompts of earlier rounds as demonstrations. A killed job draws only the completions that its
store does not have.
"""

from collections import Counter
from itertools import chain

from metarewarding import prompt_generation, templates
from metarewarding.engines import sampling
from metarewarding.engines.engine import open_engine
from metarewarding.engines.facts import engine_facts
from metarewarding.errors import UserError
from metarewarding.jobs.job import logged
from metarewarding.jobs.logs import in_words, logger
from metarewarding.records import Prompt, RankedReply, read_jsonl, write_json, write_jsonl


@logged
def main(job):
    p, w = job.params, job.wildcards
    ift = prompt_generation.demonstration_prompts(read_jsonl(job.input.demonstrations, RankedReply))
    if not ift:
        raise UserError(
            f"{job.input.demonstrations}: no prompts to show as demonstrations. "
            "Give eft.ift_prompts at least prompts.generation.demonstrations, or set prompts.source: file."
        )
    earlier = list(chain.from_iterable(read_jsonl(file, Prompt) for file in job.input.earlier))
    template = templates.load(job.input.template, "generate")
    decoding = sampling.Decoding(p.temperature, p.top_p, p.max_tokens)
    engine = open_engine(job.input.weights, gpus=job.resources.get("gpu", 1), store=p.store, **p.engine)
    pool, candidates, refused, facts = [], [], [], []
    for number in range(1, p.rounds + 1):
        rows, facts_of_round = prompt_generation.generate(
            engine,
            prompt_generation.candidate_ids(w.pool, number, p.per_round),
            ift,
            earlier + pool,
            p.demonstrations,
            p.generated_demonstrations,
            template,
            decoding,
            p.seed,
        )
        accepted, refused_of_round = prompt_generation.select(
            rows,
            ift,
            earlier + pool,
            p.size - len(pool),
            p.max_rouge_l,
            p.min_words,
            p.max_words,
            p.excluded_words,
        )
        pool += accepted
        candidates += rows
        refused += refused_of_round
        facts.append(facts_of_round)
        logger.info(f"round {number}: {len(accepted)} of {len(rows)} accepted, the pool has {len(pool)} of {p.size}")
        if len(pool) == p.size:
            break
    for row in refused:
        similar = f" ({row.rouge_l:.3f}) to {row.similar_to}" if row.similar_to else ""
        logger.info(f"{row.prompt_id}: {row.reason}{similar}")
    outcome = {"accepted": len(pool)} | dict(sorted(Counter(row.reason for row in refused).items()))
    logger.info(in_words(outcome))
    if len(pool) < p.size:
        raise UserError(
            f"prompts.generation: {p.rounds} rounds gave {len(pool)} prompts, and the pool needs {p.size} (size). "
            "Raise prompts.generation.rounds, and the next run continues from these completions, or lower "
            "prompts.generation.size."
        )
    write_jsonl(job.output.candidates, candidates)
    write_jsonl(job.output.accepted, pool)
    total = sampling.add_facts(facts) | sampling.parse_facts(row["text"] for row in candidates)
    write_json(job.output.stats, engine_facts(engine, total | {"rounds": len(facts), "outcome": outcome}, job))


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
