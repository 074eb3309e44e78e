"""A judge compares a model's answers with AlpacaEval's reference outputs, by the alpaca_eval package."""

import hashlib
import json
from importlib import metadata

from metarewarding.errors import UserError
from metarewarding.evaluation.alpaca import annotate, has_verdict, inert, read_rows, verdict_tokens
from metarewarding.evaluation.benchmark_files import questions
from metarewarding.jobs.job import elapsed, logged
from metarewarding.judges.client import ask, reached
from metarewarding.judges.store import read_store
from metarewarding.records import Response, read_jsonl, unique_by, write_json

# How a model that is served here is asked. The verdict is read from log-probabilities, which temperature does
# not change, but vLLM counts the token that was drawn as one of the likeliest; and a small model has other
# words among its five likeliest, so that one side's probability, or both, would be unknown.
LOCAL = {"temperature": 0.0, "top_logprobs": 20}


def model_outputs(answers: str, reference: str, subset: int | None, generator: str) -> list[dict]:
    """Return the rows of the file ``answers`` in the format of alpaca_eval."""
    given = unique_by(read_jsonl(answers, Response), "prompt_id", answers)
    rows = []
    for question in questions("alpaca_eval", reference, subset):
        answer = given.get(question["prompt_id"])
        if answer is None:
            raise UserError(f"{answers}: the question '{question['prompt_id']}' of {reference} has no answer.")
        rows.append(
            {
                "prompt_id": question["prompt_id"],
                "instruction": question["turns"][0],
                "output": answer["text"],
                "generator": generator,
            }
        )
    return rows


def requests_of(outputs, reference, annotator: str, judge: dict, changes, stored: list[dict]) -> dict[str, dict]:
    """{the body's hash: request} of all that the package would ask.

    A reply that held no verdict is never played back: its request gets the next number, and is asked again.
    """
    bodies: dict[str, dict] = {}

    def collect(body: dict) -> dict:
        bodies[digest(body)] = body
        return completion("m", {"content": [{"token": "m", "logprob": 0, "top_logprobs": []}]})

    annotate(outputs, reference, annotator, judge, collect, changes)
    tokens = verdict_tokens(annotator)
    fruitless = {row["id"] for row in stored if not has_verdict(row["logprobs"], tokens)}
    requests = {}
    for key, body in bodies.items():
        number = 0
        while f"{key[:16]}/{number}" in fruitless:
            number += 1
        fields = ("messages", "temperature", "max_tokens", "top_logprobs")
        requests[key] = {"id": f"{key[:16]}/{number}"} | {field: body[field] for field in fields}
    return requests


def digest(body: dict) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def completion(text: str, logprobs: dict | None, tokens: tuple[int, int] = (0, 0)) -> dict:
    """A reply in the form in which an OpenAI-compatible server gives it."""
    choice = {"index": 0, "finish_reason": "length", "logprobs": logprobs}
    usage = {"prompt_tokens": tokens[0], "completion_tokens": tokens[1], "total_tokens": sum(tokens)}
    return {
        "id": "",
        "object": "chat.completion",
        "created": 0,
        "model": "",
        "choices": [choice | {"message": {"role": "assistant", "content": text}}],
        "usage": usage,
    }


def judged(outputs, reference, annotator: str, judge: dict, store: str, changes: dict | None = None):
    """(annotations, facts); ``changes`` to what the annotator's config sends with a request."""
    shown = [row | {"output": inert(row["output"])} for row in outputs]
    against = [row | {"output": inert(row["output"])} for row in reference]
    stored = [row for row in read_store(store) if row["judge"] == judge["name"]]
    requests = requests_of(shown, against, annotator, judge, changes, stored)
    replies, facts = ask(list(requests.values()), judge, store)

    def answer(body: dict) -> dict:
        reply = replies[requests[digest(body)]["id"]]
        return completion(reply["text"], reply["logprobs"], (reply["prompt_tokens"], reply["output_tokens"]))

    rows = annotate(shown, against, annotator, judge, answer, changes)
    for output, texts in (("output_1", reference), ("output_2", outputs)):
        as_written = {row["instruction"]: row["output"] for row in texts}
        for row in rows:
            row[output] = as_written[row["instruction"]]
    dates = sorted(reply["date"] for reply in replies.values())
    return rows, facts | {
        "annotator": annotator,
        "served_models": sorted({reply["served_model"] for reply in replies.values()}),
        "first_date": dates[0] if dates else None,
        "last_date": dates[-1] if dates else None,
        "verdicts": sum(row["preference"] is not None for row in rows),
        "missing": sum(row["preference"] is None for row in rows),
    }


@logged
def main(job):
    p = job.params
    reference = read_rows(job.input.reference, "instruction", "output", "generator")
    outputs = model_outputs(job.input.answers, job.input.reference, p.subset, p.generator)
    weights = job.input.get("judge_weights")
    changes = None if weights is None else LOCAL
    with reached(p.judge, weights, p.engine, f"{job.log[0]}.server") as judge:
        rows, facts = judged(outputs, reference, p.annotator, judge, p.store, changes)
    if facts["missing"] > p.max_missing * len(rows):
        raise UserError(
            f"judge '{judge['name']}' gave no verdict on {facts['missing']} of {len(rows)} answers: neither of the two "
            "tokens that stand for the outputs was among its likeliest, and benchmarks.alpaca_eval.max_missing is "
            f"{p.max_missing}. The others are kept in {p.store}: run again to ask for the missing ones once more, "
            f"choose another benchmarks.judges.{judge['name']}.model, or raise max_missing."
        )
    write_json(job.output.annotations, rows)
    write_json(
        job.output.stats,
        facts
        | {"rule": job.rule, "alpaca-eval": metadata.version("alpaca-eval"), "process_seconds": round(elapsed(), 1)},
    )


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
