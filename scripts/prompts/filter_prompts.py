"""One round's candidates -> the prompts that join the pool, with a count of each reason for refusal."""

from collections import Counter
from itertools import chain

from metarewarding import prompt_generation
from metarewarding.jobs.job import logged
from metarewarding.jobs.logs import in_words, logger
from metarewarding.records import Candidate, Prompt, RankedReply, read_jsonl, write_json, write_jsonl


@logged
def main(job):
    p = job.params
    ift = prompt_generation.demonstration_prompts(read_jsonl(job.input.demonstrations, RankedReply))
    # files in the order of pools and rounds: the last ones are this pool's
    earlier = [read_jsonl(file, Prompt) for file in job.input.earlier]
    in_pool = sum(map(len, earlier[len(earlier) - p.earlier_of_pool :]))
    candidates = [row for file in job.input.candidates for row in read_jsonl(file, Candidate)]
    accepted, refused = prompt_generation.select(
        candidates,
        ift,
        list(chain.from_iterable(earlier)),
        p.size - in_pool,
        p.max_rouge_l,
        p.min_words,
        p.max_words,
        p.excluded_words,
    )
    for row in refused:
        similar = f" ({row.rouge_l:.3f}) to {row.similar_to}" if row.similar_to else ""
        logger.info(f"{row.prompt_id}: {row.reason}{similar}")
    facts = {
        "candidates": len(candidates),
        "accepted": len(accepted),
        "in_pool": in_pool + len(accepted),
        "size": p.size,
        "outcome": {"accepted": len(accepted)} | dict(sorted(Counter(row.reason for row in refused).items())),
    }
    logger.info(in_words(facts))
    write_jsonl(job.output.accepted, accepted)
    write_json(job.output.stats, {"rule": job.rule} | facts)


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
