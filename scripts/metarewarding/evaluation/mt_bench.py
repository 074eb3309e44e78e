"""MT-Bench as it was scored when the paper was written: two turns, graded one by one from 1 to 10 (table 6)."""

import re
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import TypedDict

from metarewarding.errors import UserError
from metarewarding.evaluation import shared
from metarewarding.evaluation.registry import JUDGED_ANSWERS, Benchmark
from metarewarding.records import Question, Rating, Turn, read_json, read_jsonl, unique_by

FULL = 80  # questions of the whole benchmark
REVISION = "lm-sys/FastChat/0e6d3e4beaab66f4d3f93db72541a4abab8af28d/fastchat/llm_judge/data"
NEEDS_REFERENCE = ("math", "reasoning", "coding")  # categories
_RATINGS = re.compile(r"\[\[(\d+\.?\d*)\]\]"), re.compile(r"\[(\d+\.?\d*)\]")
# how answers are drawn, as published
TEMPERATURES = {
    "writing": 0.7,
    "roleplay": 0.7,
    "extraction": 0.0,
    "math": 0.0,
    "coding": 0.0,
    "reasoning": 0.0,
    "stem": 0.1,
    "humanities": 0.1,
}


# -- published files


class _PublishedQuestion(TypedDict):
    question_id: int
    category: str
    turns: list


class _PublishedReference(TypedDict):
    question_id: int
    choices: list


class _PublishedPrompt(TypedDict):
    name: str
    system_prompt: str
    prompt_template: str


@shared.published_format
def read_questions(path: str | Path) -> list[Question]:
    rows = [
        Question(prompt_id=str(row["question_id"]), category=row["category"], turns=row["turns"])
        for row in read_jsonl(path, _PublishedQuestion)
    ]
    for row in rows:
        if len(row["turns"]) != 2:
            raise UserError(f"{path}: the question '{row['prompt_id']}' has {len(row['turns'])} turns, not 2.")
    return rows


@shared.published_format
def read_references(path: str | Path) -> dict[str, list[str]]:
    """Return {question id: the reference answer to each turn}."""
    rows = unique_by(read_jsonl(path, _PublishedReference), "question_id", str(path))
    return {str(identity): row["choices"][0]["turns"] for identity, row in rows.items()}


@shared.published_format
def read_prompts(path: str | Path) -> dict[str, dict]:
    """Return {name: judge prompt}."""
    return unique_by(read_jsonl(path, _PublishedPrompt), "name", str(path))


# -- the judge's requests


def requests(
    questions: Sequence[Question],
    answers: dict[tuple[str, int], str],
    references: dict[str, list[str]],
    prompts: dict[str, dict],
    max_tokens: int = 2048,
) -> list[dict]:
    """Return one request for each of the two turns of each question.

    ``answers``: {(question id, turn): text}; ``references``: {question id: text of each turn};
    ``prompts``: {name: judge prompt}. Categories in NEEDS_REFERENCE show the judge the reference answer.
    """
    wanted = {(question["prompt_id"], turn) for question in questions for turn in (1, 2)}
    shared.check_ids(wanted, set(answers), "the model's answers")
    with_reference = {q["prompt_id"] for q in questions if q["category"] in NEEDS_REFERENCE}
    shared.check_ids(with_reference, set(references), "the reference answers", True)
    built = []
    for question in questions:
        identity = question["prompt_id"]
        values = {}
        if identity in with_reference:
            values = {f"ref_answer_{turn}": text for turn, text in enumerate(references[identity], start=1)}
        for turn in (1, 2):
            values |= {f"question_{turn}": question["turns"][turn - 1], f"answer_{turn}": answers[identity, turn]}
        values |= {"question": values["question_1"], "answer": values["answer_1"]}
        for turn in (1, 2):
            name = f"single-{'math-' if identity in with_reference else ''}v1{'-multi-turn' if turn == 2 else ''}"
            built.append(
                {
                    "id": f"{identity}/turn{turn}",
                    "prompt_id": identity,
                    "turn": turn,
                    "category": question["category"],
                    "prompt": name,
                    "messages": shared.judge_chat(prompts[name], **values),
                    "temperature": 0.0,
                    "max_tokens": max_tokens,
                }
            )
    return built


def turns_by_id(answers: Sequence[Turn]) -> dict[tuple[str, int], str]:
    """Return {(question id, turn): text}; a duplicate is an error."""
    texts = {(row["prompt_id"], row["turn"]): row["text"] for row in answers}
    if len(texts) != len(answers):
        raise UserError(f"{len(answers)} answers have only {len(texts)} different ids; ids must be unique.")
    return texts


def rating(text: str) -> float | None:
    """Return the first ``[[rating]]`` of ``text``, else the first ``[rating]``; None when it is outside 1 to 10."""
    match = next(filter(None, (pattern.search(text) for pattern in _RATINGS)), None)
    value = float(match[1]) if match else None
    return value if value is not None and 1 <= value <= 10 else None


def judge(asking, questions, answers, files, own, model) -> tuple[list[dict], dict]:
    """Return the judge's rating of each turn, and facts for their stats."""
    from metarewarding.engines.sampling import parse_facts

    sent = requests(
        questions,
        turns_by_id(answers),
        read_references(files["references"]),
        read_prompts(files["judge_prompts"]),
        own["judge_max_tokens"],
    )
    replies = asking(sent)
    rows = [
        {key: request[key] for key in ("prompt_id", "turn", "category", "prompt")}
        | {"text": replies[request["id"]]["text"], "score": rating(replies[request["id"]]["text"])}
        for request in sent
    ]
    return rows, parse_facts(row["score"] for row in rows)


# -- the score


def mt_bench_score(judgments: Sequence[Rating]) -> dict:
    """Return {turn1, turn2, average, n} over the rows' ``turn`` and ``score``, without those of no rating (None, -1).

    The average is over all ratings, not over the two turns' means. A turn without ratings is None.
    """
    ratings = [(row["turn"], row["score"]) for row in judgments if row["score"] not in (None, -1)]
    of_turn = {turn: [score for t, score in ratings if t == turn] for turn in (1, 2)}
    return {
        "turn1": _mean(of_turn[1]),
        "turn2": _mean(of_turn[2]),
        "average": _mean([score for _, score in ratings]),
        "n": len(ratings),
    }


def _mean(values: Sequence[float]) -> float | None:
    return fmean(values) if values else None


def score(files, own, model: str, seed: int) -> dict:
    """Return the mean rating of each turn and of both, and by category, from one judge's ratings."""
    answers, ratings = read_jsonl(files["answers"], Turn), read_jsonl(files["verdicts"], Rating)
    facts = read_json(files["stats"])
    means = mt_bench_score(ratings)
    if means["average"] is None:
        raise UserError(f"no rating of the judge '{facts['judge']}' could be read; see {files['verdicts']}.")
    categories = sorted({row["category"] for row in ratings})
    return {
        **{key: facts[key] for key in ("judge", "judge_model")},
        **means,
        "by_category": {name: mt_bench_score([r for r in ratings if r["category"] == name]) for name in categories},
        "questions": facts["questions"],
        "complete": facts["questions"] == FULL,  # a subset's score is not comparable
        "unparsed": facts["unparsed"],
        "mean_length": shared.mean_length(answers),
        "cost": facts["cost"],
    }


BENCHMARK = Benchmark(
    name="mt_bench",
    title="MT-Bench",
    kind=JUDGED_ANSWERS,
    description="MT-Bench (table 6): two turns, graded one by one from 1 to 10.",
    settings={
        "judge": shared.judge("gpt-4-0613"),
        "subset": shared.subset(FULL, "; a subset is not comparable."),
        "max_tokens": shared.whole_number(
            1024, "Maximum number of new tokens of an answer. The category sets the temperature, as published."
        ),
        "judge_max_tokens": shared.whole_number(2048, "Maximum number of new tokens of a rating."),
    },
    sources={
        "mt_bench_questions": (
            "github",
            f"{REVISION}/mt_bench/question.jsonl",
            "119565adbab82227089cefdb44c8d7e2cf04dc0a0ec233634c82e7d4e2a944f7",
        ),
        "mt_bench_references": (
            "github",
            f"{REVISION}/mt_bench/reference_answer/gpt-4.jsonl",
            "f957a5bc977badb66885ec970e6cd08527845780313f0995764260e5777b9b3f",
        ),
        "mt_bench_judge_prompts": (
            "github",
            f"{REVISION}/judge_prompts.jsonl",
            "fd283293406d024f44c174b094ef48031d0687a4682fd3a56b29b138f80281b6",
        ),
    },
    questions="mt_bench_questions",
    read_questions=read_questions,
    turns=2,
    decoding=lambda own, responses: {"temperature": TEMPERATURES, "top_p": 1, "max_tokens": own["max_tokens"]},
    judge_reads={"references": "mt_bench_references", "judge_prompts": "mt_bench_judge_prompts"},
    judge_keys=("judge_max_tokens",),
    judge=judge,
    score=score,
    columns=[
        ("Average", "average", 1),
        ("Turn 1", "turn1", 1),
        ("Turn 2", "turn2", 1),
        ("Mean characters", "mean_length", 1),
        ("Ratings", "n", 1),
    ],
    board=[("MT-Bench", "average", "{:.2f}")],
    outcome=("average", "MT-Bench rating", ""),
    figure=("average", "Rating, 1 to 10", "Table 6"),
    # characters of a question and an answer (table 6); also: the judge's instructions (assumed)
    volume={"questions": FULL, "requests": 2, "question": 270, "answer": 1560, "context": 900},
    paper_tables={"Table 6": "MT-Bench"},
    labels={"average": "Average", "turn1": "Turn 1", "turn2": "Turn 2", "mean_length": "Mean length"},
)
