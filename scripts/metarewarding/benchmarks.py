"""Arena-Hard v0.1 and MT-Bench as they were scored when the paper was written: requests, verdicts, scores."""

import re
from collections.abc import Sequence

import numpy as np

from metarewarding import templates
from metarewarding.errors import UserError
from metarewarding.evaluation.alpaca import alpaca_eval_scores
from metarewarding.evaluation.preference import pairwise_scores, preference_scores
from metarewarding.records import ArenaVerdict, Question, Rating, Turn

# the public ones; the scripts use the rest too
__all__ = ["alpaca_eval_scores", "arena_hard_score", "mt_bench_score", "pairwise_scores", "preference_scores"]

# -- Arena-Hard

ARENA_HARD_QUESTIONS = 500

# In a verdict's order: who wins when the first of two answers is the baseline's, and how often it counts.
_OUTCOMES = {
    "A>>B": ("model_a", 3),
    "A>B": ("model_a", 1),
    "A=B": ("tie", 1),
    "B>A": ("model_b", 1),
    "B>>A": ("model_b", 3),
}
_SWAPPED = {"model_a": "model_b", "model_b": "model_a", "tie": "tie"}
_LABEL = re.compile(r"\[\[([AB<>=]+)\]\]")
# A judgment without any label is continued once, as upstream did; the wording is this project's.
ASK_AGAIN = "Go on with your judgment, and end it with the label of your final verdict."


def arena_hard_requests(
    questions: Sequence[Question],
    answers: dict[str, str],
    baseline_answers: dict[str, str],
    prompt: dict,
    max_tokens: int = 4096,
) -> list[dict]:
    """Two games a question: the baseline's answer is A in game 1, the model's in game 2.

    Both maps are {question id: answer}; ``prompt`` has ``system_prompt`` and ``prompt_template``.
    """
    _check_ids({question["prompt_id"] for question in questions}, set(answers), "the model's answers")
    _check_ids({question["prompt_id"] for question in questions}, set(baseline_answers), "the baseline's answers", True)
    requests = []
    for question in questions:
        identity = question["prompt_id"]
        games = (baseline_answers[identity], answers[identity]), (answers[identity], baseline_answers[identity])
        for game, (a, b) in enumerate(games, start=1):
            requests.append(
                {
                    "id": f"{identity}/game{game}",
                    "prompt_id": identity,
                    "game": game,
                    "messages": _chat(prompt, QUESTION=question["turns"][0], ANSWER_A=a, ANSWER_B=b),
                    "temperature": 0.0,
                    "max_tokens": max_tokens,
                }
            )
    return requests


def arena_hard_ask_again(requests: Sequence[dict], texts: dict[str, str]) -> list[dict]:
    """The requests whose judgment holds no label at all, each with that judgment and a word to finish it."""
    return [
        {
            **request,
            "id": f"{request['id']}/again",
            "messages": [
                *request["messages"],
                {"role": "assistant", "content": texts[request["id"]]},
                {"role": "user", "content": ASK_AGAIN},
            ],
        }
        for request in requests
        if not _LABEL.search(texts[request["id"]])
    ]


def arena_hard_verdict(text: str) -> str | None:
    """The one label that ``text`` names, however often; None for none, for two that differ, for an unknown one."""
    labels = set(_LABEL.findall(text))
    return labels.pop() if len(labels) == 1 and labels <= _OUTCOMES.keys() else None


def arena_hard_battles(verdicts: Sequence[ArenaVerdict], model: str, baseline: str) -> list[dict]:
    """Rows of {question_id, model_a: the baseline, model_b: the model, winner}; decisive verdicts stand three times.

    A game without a verdict gives no row.
    """
    battles, seen = [], set()
    for row in verdicts:
        if (row["prompt_id"], row["game"]) in seen:
            raise UserError(f"game {row['game']} of question '{row['prompt_id']}' was judged twice.")
        seen.add((row["prompt_id"], row["game"]))
        if row["verdict"] is not None:
            winner, times = _OUTCOMES[row["verdict"]]
            winner = winner if row["game"] == 1 else _SWAPPED[winner]
            battle = {"question_id": row["prompt_id"], "model_a": baseline, "model_b": model, "winner": winner}
            battles += [battle] * times
    return battles


def arena_hard_score(battles: Sequence[dict], baseline: str, rounds: int = 100, seed: int = 0) -> dict:
    """{score, ci_low, ci_high, n}: win rate against ``baseline`` in percent, its 95 % bootstrap interval, the rows.

    With one baseline the Bradley-Terry win rate that upstream fits is (wins + ties / 2) / rows, in every
    bootstrap round too. ``winner`` is model_a, model_b, or starts with "tie".
    """
    models = {row[side] for row in battles for side in ("model_a", "model_b")} - {baseline}
    if len(models) != 1 or any(baseline not in (row["model_a"], row["model_b"]) for row in battles):
        raise UserError(f"battles of one model against '{baseline}' are expected, and these hold {sorted(models)}.")
    points = [1 if row["winner"].startswith("tie") else 2 * (row[_side(row["winner"])] != baseline) for row in battles]
    n, most = len(points), 2 * len(points) + 1
    # How likely each sum of n points is when rows are drawn with replacement: one row's odds, n times convolved.
    odds = np.bincount(points, minlength=3) / n
    cumulative = np.cumsum(np.fft.irfft(np.fft.rfft(odds, most) ** n, most))
    # A round falls into each of as many equally likely slices: 100 rounds drawn anyhow move the ends by half a percent.
    slices = (np.arange(rounds) + np.random.default_rng(seed).random(rounds)) / rounds
    drawn = np.minimum(np.searchsorted(cumulative, slices), most - 1)
    low, high = np.percentile(100 * drawn / (2 * n), [2.5, 97.5])
    return {"score": 100 * sum(points) / (2 * n), "ci_low": float(low), "ci_high": float(high), "n": n}


def _side(winner: str) -> str:
    if winner not in ("model_a", "model_b"):
        raise UserError(f"a battle's winner is {winner!r}; model_a, model_b or tie are expected.")
    return winner


# -- MT-Bench

MT_BENCH_QUESTIONS = 80
NEEDS_REFERENCE = ("math", "reasoning", "coding")  # categories
_RATINGS = re.compile(r"\[\[(\d+\.?\d*)\]\]"), re.compile(r"\[(\d+\.?\d*)\]")


def mt_bench_requests(
    questions: Sequence[Question],
    answers: dict[tuple[str, int], str],
    references: dict[str, list[str]],
    prompts: dict[str, dict],
    max_tokens: int = 2048,
) -> list[dict]:
    """Single-answer grading: one request for each of the two turns of each question.

    ``answers``: {(question id, turn): text}; ``references``: {question id: text of each turn};
    ``prompts``: {name: judge prompt}. Categories in NEEDS_REFERENCE show the judge the reference answer.
    """
    wanted = {(question["prompt_id"], turn) for question in questions for turn in (1, 2)}
    _check_ids(wanted, set(answers), "the model's answers")
    with_reference = {q["prompt_id"] for q in questions if q["category"] in NEEDS_REFERENCE}
    _check_ids(with_reference, set(references), "the reference answers", True)
    requests = []
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
            requests.append(
                {
                    "id": f"{identity}/turn{turn}",
                    "prompt_id": identity,
                    "turn": turn,
                    "category": question["category"],
                    "prompt": name,
                    "messages": _chat(prompts[name], **values),
                    "temperature": 0.0,
                    "max_tokens": max_tokens,
                }
            )
    return requests


def turns_by_id(answers: Sequence[Turn]) -> dict[tuple[str, int], str]:
    """{(question id, turn): text}; an answer that stands twice is an error."""
    texts = {(row["prompt_id"], row["turn"]): row["text"] for row in answers}
    if len(texts) != len(answers):
        raise UserError(f"the answers hold {len(answers)} turns, of which {len(texts)} differ; ids must be unique.")
    return texts


def mt_bench_rating(text: str) -> float | None:
    """The first ``[[rating]]`` of ``text``, else the first ``[rating]``; None when it lies outside 1 to 10."""
    found = next(filter(None, (pattern.search(text) for pattern in _RATINGS)), None)
    rating = float(found[1]) if found else None
    return rating if rating is not None and 1 <= rating <= 10 else None


def mt_bench_score(judgments: Sequence[Rating]) -> dict:
    """{turn1, turn2, average, n} over the rows' ``turn`` and ``score``; rows without a rating (None, -1) are left out.

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
    return float(np.mean(values)) if len(values) else None


# -- both


def _chat(prompt: dict, **values: str) -> list[dict]:
    """The judge's chat: placeholders are replaced in one pass, so braces in an answer stay text."""
    return [
        {"role": "system", "content": prompt["system_prompt"]},
        *templates.fill(prompt["prompt_template"], **values),
    ]


def _check_ids(wanted: set, found: set, what: str, may_be_more: bool = False) -> None:
    lacking, unknown = sorted(wanted - found), [] if may_be_more else sorted(found - wanted)
    if lacking or unknown:
        raise UserError(
            f"{what} do not match the {len(wanted)} questions: {len(lacking)} are lacking and {len(unknown)} "
            f"belong to no question, for instance {(lacking or unknown)[0]}."
        )
