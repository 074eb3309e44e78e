"""Answers of every model to the same benchmark prompts, with their scores, side by side."""

from pathlib import Path

from metarewarding import judging
from metarewarding.engines.sampling import rng
from metarewarding.evaluation import registry
from metarewarding.records import Judgment, Rating, read_jsonl

SHOWN = 8  # prompts


def side_by_side(
    benchmark: str, questions: str, answers: dict[str, str], verdicts: dict[str, str], seed: int = 0
) -> list[dict]:
    """Return [{prompt_id, text, answers: [{model, text, score}]}] of SHOWN prompts, drawn by ``seed``.

    ``questions``: the questions' file; ``answers`` and ``verdicts``: {model: file}. Of questions with several turns the
    first one is shown. ``score`` is the mean over the verdicts of that answer, None where none could be read.
    """
    texts = {row["prompt_id"]: row["turns"][0] for row in registry.questions(registry.get(benchmark), questions)}
    given = {model: first_answers(benchmark, path) for model, path in answers.items()}
    scored = {model: scores(benchmark, path) for model, path in verdicts.items() if Path(path).is_file()}
    shared = [identity for identity in texts if all(identity in of for of in given.values())]
    chosen = sorted(shared, key=lambda identity: rng(seed, "same prompts", identity).random())[:SHOWN]
    return [
        {"prompt_id": identity, "text": texts[identity]}
        | {
            "answers": [
                {"model": model, "text": of[identity], "score": scored.get(model, {}).get(identity)}
                for model, of in given.items()
            ]
        }
        for identity in chosen
    ]


def first_answers(benchmark: str, path: str) -> dict[str, str]:
    """Return {prompt_id: a model's answer to the first turn}."""
    rows = registry.get(benchmark).read_answers(path)
    return {row["prompt_id"]: row["text"] for row in rows if row.get("turn", 1) == 1}


def scores(benchmark: str, path: str) -> dict[str, float]:
    """Return {prompt_id: mean score} of the judge (arena_laptop), or the rating of the first turn (mt_bench).

    Empty for the benchmarks whose verdicts compare two answers: a single verdict is not a score.
    """
    if benchmark == "arena_laptop":
        rows = read_jsonl(path, Judgment)
        prompt_of = {row["response_id"]: row["prompt_id"] for row in rows}
        return {prompt_of[response]: score for response, score in judging.mean_scores(rows).items()}
    if benchmark == "mt_bench":
        rows = (row for row in read_jsonl(path, Rating) if row["turn"] == 1)
        return {row["prompt_id"]: row["score"] for row in rows if row["score"] is not None}
    return {}
