"""A pool of prompts: from a file, checked and without repeats, or from the rounds that wrote it."""

from metarewarding.errors import UserError
from metarewarding.jobs.job import logged
from metarewarding.jobs.logs import logger
from metarewarding.prompt_checks import check_prompts
from metarewarding.records import Prompt, read_jsonl, write_jsonl


def pool(path, earlier=()) -> list[dict]:
    """The prompts of ``path``; a prompt whose text stood before, there or in ``earlier``, is left out.

    An id that stood in the file before is an error (``check_prompts``).
    """
    rows = check_prompts(path)
    seen, kept = {row["text"].strip() for row in earlier}, []
    for row in rows:
        if row["text"].strip() not in seen:
            seen.add(row["text"].strip())
            kept.append(row)
    return kept


def generated(files, size) -> list[dict]:
    """The first ``size`` of the prompts that the rounds accepted."""
    rows = [row for file in files for row in read_jsonl(file, Prompt)]
    if len(rows) < size:
        raise UserError(
            f"prompts.generation: {len(files)} rounds gave {len(rows)} prompts, and the pool needs {size} (size). "
            "Raise prompts.generation.rounds, and the next run goes on from the rounds that are there, or lower "
            "prompts.generation.size."
        )
    return rows[:size]


@logged
def main(job):
    # prompts.source: generate has the rounds of a pool as its input, prompts.source: file the file
    if "accepted" in job.input.keys():
        rows = generated(job.input.accepted, job.params.size)
    else:
        earlier = [row for file in job.input.get("earlier", []) for row in read_jsonl(file, Prompt)]
        rows = pool(job.input.prompts, earlier)
    logger.info(f"{len(rows)} distinct prompts")
    write_jsonl(job.output[0], [{"prompt_id": row["prompt_id"], "text": row["text"]} for row in rows])


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
