"""AlpacaEval 2 (tables 1 and 4, figures 3 and 4): GPT-4 Turbo's answers are the reference, 805 instructions.

The alpaca_eval package writes the judge's prompts, reads the verdicts and scores them; the judge is asked here.
"""

import hashlib
import json
from importlib import metadata
from pathlib import Path

from metarewarding.errors import UserError
from metarewarding.evaluation import shared
from metarewarding.evaluation.alpaca_package import annotate, has_verdict, inert, verdict_tokens
from metarewarding.evaluation.alpaca_scores import (
    FULL,
    HUB_REVISION,
    alpaca_eval_scores,
    category_win_rates,
    read_rows,
)
from metarewarding.evaluation.registry import JUDGED_ANSWERS, Benchmark
from metarewarding.records import Question, read_json, unique_by

REVISION = "tatsu-lab/alpaca_eval/cd543a149df89434d8a54582c0151c0b945c3d20"
# Changes of the request for a model that is served here. The verdict is read from log-probabilities, which temperature
# does not change, but vLLM lists the drawn token among the likeliest ones. A small model often has other words among
# its five likeliest, so that the probability of one or both sides would be unknown.
SERVED_HERE = {"temperature": 0.0, "top_logprobs": 20}


@shared.published_format
def read_questions(path: str | Path) -> list[Question]:
    """Return the instructions; they have no ids of their own: theirs is the start of the instruction's sha256."""
    return [
        Question(
            prompt_id=hashlib.sha256(row["instruction"].encode()).hexdigest()[:16],
            category=row.get("dataset", ""),
            turns=[row["instruction"]],
        )
        for row in read_json(path)
    ]


# -- verdicts


def model_outputs(answers, questions, generator: str) -> list[dict]:
    """Return the rows of ``answers`` in the format of alpaca_eval."""
    given, rows = unique_by(answers, "prompt_id", "the model's answers"), []
    for question in questions:
        answer = given.get(question["prompt_id"])
        if answer is None:
            raise UserError(f"the model's answers: the question '{question['prompt_id']}' has no answer.")
        rows.append(
            {"prompt_id": question["prompt_id"], "instruction": question["turns"][0]}
            | {"output": answer["text"], "generator": generator}
        )
    return rows


def requests_of(outputs, reference, annotator: str, judge: dict, changes, stored: list[dict]) -> dict[str, dict]:
    """Return {the body's hash: request} of all requests of the package.

    A stored reply without a verdict is not used again: its request gets the next number, and is sent again.
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
    """Return a reply in the form in which an OpenAI-compatible server gives it."""
    choice = {"index": 0, "finish_reason": "length", "logprobs": logprobs}
    usage = {"prompt_tokens": tokens[0], "completion_tokens": tokens[1], "total_tokens": sum(tokens)}
    choices = [choice | {"message": {"role": "assistant", "content": text}}]
    return {"id": "", "object": "chat.completion", "created": 0, "model": "", "choices": choices, "usage": usage}


def judge(asking, questions, answers, files, own, model) -> tuple[list[dict], dict]:
    """Return alpaca_eval's annotations of a model's answers against the reference's, and facts for their stats."""
    reference = read_rows(files["reference"], "instruction", "output", "generator")
    outputs = model_outputs(answers, questions, model)
    annotator, changes = own["annotator"], SERVED_HERE if asking.served_here else None
    shown, against = ([row | {"output": inert(row["output"])} for row in rows] for rows in (outputs, reference))
    requests = requests_of(shown, against, annotator, asking.judge, changes, asking.stored())
    replies = asking(list(requests.values()))

    def answer(body: dict) -> dict:
        reply = replies[requests[digest(body)]["id"]]
        return completion(reply["text"], reply["logprobs"], (reply["prompt_tokens"], reply["output_tokens"]))

    rows = annotate(shown, against, annotator, asking.judge, answer, changes)
    for output, texts in (("output_1", reference), ("output_2", outputs)):
        as_written = {row["instruction"]: row["output"] for row in texts}
        for row in rows:
            row[output] = as_written[row["instruction"]]
    missing = sum(row["preference"] is None for row in rows)
    if missing > own["max_missing"] * len(rows):
        raise UserError(
            f"judge '{asking.judge['name']}' gave no verdict on {missing} of {len(rows)} answers: neither of the two "
            "tokens that name the outputs was among its likeliest, and benchmarks.alpaca_eval.max_missing is "
            f"{own['max_missing']}. The others are kept in {asking.store}: run again to ask for the missing ones once "
            f"more, choose another benchmarks.judges.{asking.judge['name']}.model, or raise max_missing."
        )
    facts = {"annotator": annotator, "verdicts": len(rows) - missing, "missing": missing}
    return rows, facts | {"alpaca-eval": metadata.version("alpaca-eval")}


# -- the score


def score_files(own, model: str) -> dict[str, str]:
    """Return what the score is computed from; the length-controlled rate of all 805 answers needs `gamed`.

    Published answers are scored without categories.
    """
    folder, data = f"<results>/{model}/benchmarks/alpaca_eval", "<results>/data/benchmarks"
    files = {"annotations": f"{folder}/annotations.json", "stats": f"{folder}/annotations.stats.json"}
    files |= {"reference": f"{data}/alpaca_eval_reference"}
    if (own["subset"] or FULL) >= FULL:
        files["gamed"] = f"{data}/alpaca_eval_gamed"
    if own["categories"] is not None and not model.startswith("published/"):
        labelled = own["categories"] == "judge"
        files["categories"] = f"{data}/alpaca_eval_categories.json" if labelled else own["categories"]
    return files


def score(files, own, model: str, seed: int) -> dict:
    """Return the win rate and the length-controlled one, with the judge that gave the verdicts."""
    facts = read_json(files["stats"])
    scores = alpaca_eval_scores(files["annotations"], files.get("gamed"), files["reference"])
    if files.get("categories"):
        scores["categories"] = category_win_rates(files["annotations"], read_json(files["categories"]))
    scores |= {field: facts[field] for field in ("judge", "judge_model", "annotator", "missing", "cost")}
    return scores | {"complete": scores["lc_win_rate"] is not None}  # a subset's score is not comparable


BENCHMARK = Benchmark(
    name="alpaca_eval",
    title="AlpacaEval 2",
    kind=JUDGED_ANSWERS,
    description="AlpacaEval 2 (tables 1 and 4, figures 3 and 4), judged and scored by the alpaca_eval package.",
    settings={
        "judge": shared.judge("gpt-4-1106-preview", "; it must give log-probabilities"),
        "annotator": shared.text(
            "weighted_alpaca_eval_gpt4_turbo", "The package's annotator with the prompt and the parser."
        ),
        "subset": shared.subset(FULL, ". A subset has a win rate only, and is not comparable."),
        **shared.decoding(0.7, 0.9, 2048),
        "max_missing": {"type": "number", "minimum": 0, "maximum": 1, "default": 0.02}
        | {"description": "Largest share of answers without a verdict."},
        "categories": {"type": ["string", "null"], "default": "judge"}
        | {
            "description": "Win rates by category (figure 4). judge: the judge labels each instruction once for all "
            "models, with the 18 categories of the figure and `other`; or a JSON file {instruction: category}; null: "
            "none."
        },
        "category_template": shared.text(
            "config/prompts/category.txt",
            "Template of the request for these labels: placeholders {categories} and {prompt}.",
        ),
    },
    sources={
        "alpaca_eval_reference": (
            "github",
            f"{REVISION}/results/gpt4_1106_preview/model_outputs.json",
            "83db546b872ddebee8965fd05fa48461ee3c32bc695c62fb57f2d214ff741ec4",
        ),
        "alpaca_eval_gamed": (
            "hub",
            f"datasets/tatsu-lab/alpaca_eval/resolve/{HUB_REVISION}/df_gamed.csv",
            "97aeec3f1c7de6dee6fd31fe66f1702623f4614c3efe1c6fc5f4927cd5fd674d",
        ),
    },
    questions="alpaca_eval_reference",
    read_questions=read_questions,
    judge_reads={"reference": "alpaca_eval_reference"},
    judge_keys=("annotator", "max_missing"),
    judge=judge,
    verdict_file="annotations.json",
    score=score,
    score_files=score_files,
    columns=[
        ("Length-controlled win rate, %", "lc_win_rate", 1),
        ("standard error", "lc_win_rate_se", 1),
        ("Win rate, %", "win_rate", 1),
        ("standard error", "win_rate_se", 1),
        ("Mean characters", "avg_length", 1),
        ("Verdicts", "n", 1),
    ],
    board=[("LC win rate, %", "lc_win_rate", "{:.2f}"), ("win rate, %", "win_rate", "{:.2f}")],
    outcome=("lc_win_rate", "AlpacaEval 2 length-controlled win rate", " %"),
    length=("avg_length", "AlpacaEval answers"),
    # characters of a question and an answer (table 1); also: instructions (assumed) and the reference (2049)
    volume={"questions": FULL, "requests": 1, "question": 165, "answer": 1980, "context": 2000 + 2049, "verdict": 4},
    paper_tables={"Table 1": "AlpacaEval 2", "Table 4": "Length control"},
    labels={"lc_win_rate": "Length-controlled win rate", "win_rate": "Win rate", "avg_length": "Mean length"},
    paper_n={"": FULL},
    claims=[
        ("AlpacaEval 2: Meta-Rewarding gains over the seed", "lc_win_rate", "meta-rewarding/m4", "seed"),
        ("and over Self-Rewarding", "lc_win_rate", "meta-rewarding/m4", "self-rewarding/m4"),
        ("while answers stay as long", "avg_length", "meta-rewarding/m4", "m0"),
    ],
)
