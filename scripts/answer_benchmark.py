"""A model answers one shard of a benchmark's questions; a second turn's chat holds the first turn's answer."""

from job import engine_facts, logged
from metarewarding import benchmark_files, sampling
from metarewarding.engines import open_engine
from metarewarding.errors import UserError
from metarewarding.records import Response, Turn, write_json, write_jsonl


def answer(engine, questions, decoding, seed, system_prompt) -> tuple[list[Turn], list[dict]]:
    """(a row for each turn of each question, the facts of each turn's sampling).

    ``decoding(category)`` says how an answer is drawn. A chat that does not fit the model's context gets an
    empty answer, so that every question has one.
    """
    chats = {question["prompt_id"]: sampling.chat("", system_prompt)[:-1] for question in questions}
    rows, facts = [], []
    for turn in range(1, max((len(question["turns"]) for question in questions), default=0) + 1):
        asked = [question for question in questions if len(question["turns"]) >= turn]
        for question in asked:
            chats[question["prompt_id"]].append({"role": "user", "content": question["turns"][turn - 1]})
        requests = [
            sampling.Request(
                f"{question['prompt_id']}/t{turn}",
                list(chats[question["prompt_id"]]),
                1,
                sampling.identity_seed(seed, "benchmark answer", f"{question['prompt_id']}/t{turn}"),
                decoding(question["category"]),
            )
            for question in asked
        ]
        completions, of_turn = sampling.sample(engine, requests)
        facts.append(of_turn)
        for question, request in zip(asked, requests, strict=True):
            done = (completions[request.id] or [sampling.Completion("", 0, "length")])[0]
            chats[question["prompt_id"]].append({"role": "assistant", "content": done.text})
            rows.append(
                Turn(
                    prompt_id=question["prompt_id"],
                    turn=turn,
                    text=done.text,
                    tokens=done.tokens,
                    finish_reason=done.finish_reason,
                )
            )
    return rows, facts


def first_turns(rows) -> list[Response]:
    """The rows of a benchmark of one turn, as responses."""
    return [
        Response(
            prompt_id=row["prompt_id"],
            response_id=f"{row['prompt_id']}/r0",
            text=row["text"],
            tokens=row["tokens"],
            finish_reason=row["finish_reason"],
        )
        for row in rows
    ]


@logged
def main(job):
    p = job.params
    questions = benchmark_files.questions(p.benchmark, job.input.questions, p.subset)
    questions = sampling.shard(questions, int(job.wildcards.shard), p.shards)

    if isinstance(p.temperature, dict):
        for question in questions:
            if question["category"] not in p.temperature:
                raise UserError(
                    f"{job.input.questions}: the question '{question['prompt_id']}' is of the category "
                    f"'{question['category']}'; known are {', '.join(p.temperature)}."
                )

    def decoding(category):
        temperature = p.temperature[category] if isinstance(p.temperature, dict) else p.temperature
        return sampling.Decoding(temperature, p.top_p, p.max_tokens)

    engine = open_engine(job.input.weights, gpus=job.resources.get("gpu", 1), **p.engine)
    rows, facts = answer(engine, questions, decoding, p.seed, p.system_prompt)
    write_jsonl(job.output.answers, rows if p.benchmark == "mt_bench" else first_turns(rows))
    write_json(job.output.stats, {"turns": [engine_facts(engine, of_turn) for of_turn in facts]})


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
