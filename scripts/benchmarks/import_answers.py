"""Convert answers that others published, in alpaca_eval's or Arena-Hard's format, to rows of this project."""

from metarewarding.errors import UserError
from metarewarding.evaluation import arena_hard_files, registry
from metarewarding.evaluation.alpaca_scores import read_rows
from metarewarding.jobs.job import logged
from metarewarding.records import Response, write_jsonl


@logged
def main(job):
    p = job.params
    questions = registry.questions(registry.get(p.benchmark), job.input.questions, p.subset)
    if p.benchmark == "alpaca_eval":
        texts = {row["instruction"]: row["output"] for row in read_rows(job.input.published, "instruction", "output")}
        given = {question["prompt_id"]: texts.get(question["turns"][0]) for question in questions}
    else:
        _, given = arena_hard_files.published_answers(job.input.published)
    rows = []
    for question in questions:
        text = given.get(question["prompt_id"])
        if text is None:
            raise UserError(f"{job.input.published}: no answer to the question '{question['prompt_id']}'.")
        identity = f"{question['prompt_id']}/r0"
        # the number of tokens is not published
        rows.append(
            Response(prompt_id=question["prompt_id"], response_id=identity, text=text, tokens=0, finish_reason="stop")
        )
    write_jsonl(job.output[0], rows)


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
