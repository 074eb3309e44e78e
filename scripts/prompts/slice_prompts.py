"""Slice one iteration's prompts: the t-th run of ``per_iteration`` prompts of one seeded permutation of its pool."""

from metarewarding.engines.sampling import rng
from metarewarding.errors import UserError
from metarewarding.jobs.job import logged
from metarewarding.records import Prompt, read_jsonl, write_jsonl


def slice_of(pool: list[dict], iteration: int, per_iteration: int, seed: int) -> list[dict]:
    """Return the prompts of ``iteration``, its depth from M0 counted from 1 (in a later pool, from that pool's first).

    Slices of different iterations share no prompt (section 3.1). Raise UserError when the pool has too few prompts.
    """
    last = iteration * per_iteration
    if last > len(pool):
        raise UserError(
            f"prompts: iteration {iteration} needs the prompts up to number {last}, and the pool has {len(pool)}. "
            "Give a larger pool (prompts.path), fewer prompts.per_iteration, or fewer iterations."
        )
    pool = sorted(pool, key=lambda row: row["prompt_id"])
    order = rng(seed, "prompt slices").permutation(len(pool))
    return [pool[i] for i in sorted(order[last - per_iteration : last])]


@logged
def main(job):
    p = job.params
    rows = slice_of(read_jsonl(job.input.pool, Prompt), p.slice, p.per_iteration, p.seed)
    write_jsonl(job.output[0], rows)


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
