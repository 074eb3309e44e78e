"""A pool of prompts: from a file, checked and without repeats, or from the rounds that wrote it."""

from job import logged
from metarewarding.errors import UserError
from metarewarding.records import Prompt, read_jsonl, unique_by, write_jsonl


def pool(path) -> list[dict]:
    """The prompts of ``path``; a prompt whose text stood before is left out, an id that did is an error."""
    rows = list(unique_by(read_jsonl(path, Prompt), "prompt_id", str(path)).values())
    for row in rows:
        if not row["text"].strip():
            raise UserError(f"{path}: the prompt '{row['prompt_id']}' has no text.")
        if "/" in row["prompt_id"] or " " in row["prompt_id"]:
            raise UserError(
                f"{path}: the prompt_id '{row['prompt_id']}' holds a slash or a space; ids of rows are built on it."
            )
    first: dict[str, dict] = {}
    for row in rows:
        first.setdefault(row["text"].strip(), row)
    return list(first.values())


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
        rows = pool(job.input.prompts)
    print(f"{len(rows)} distinct prompts", flush=True)
    write_jsonl(job.output[0], [{"prompt_id": row["prompt_id"], "text": row["text"]} for row in rows])


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
