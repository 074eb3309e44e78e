"""Build a pool of prompts, from a file or as a model wrote it: checked and without repeats."""

from metarewarding.jobs.job import logged
from metarewarding.jobs.logs import logger
from metarewarding.prompt_checks import check_prompts
from metarewarding.records import Prompt, read_jsonl, write_jsonl


def pool(path, earlier=()) -> list[dict]:
    """Return the prompts of ``path`` without texts that came before, there or in ``earlier``.

    An id that stood in the file before is an error (``check_prompts``).
    """
    rows = check_prompts(path)
    seen, kept = {row["text"].strip() for row in earlier}, []
    for row in rows:
        if row["text"].strip() not in seen:
            seen.add(row["text"].strip())
            kept.append(row)
    return kept


@logged
def main(job):
    earlier = [row for file in job.input.earlier for row in read_jsonl(file, Prompt)]
    rows = pool(job.input.prompts, earlier)
    logger.info(f"{len(rows)} distinct prompts")
    write_jsonl(job.output[0], [{"prompt_id": row["prompt_id"], "text": row["text"]} for row in rows])


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
