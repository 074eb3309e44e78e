"""The row types of all JSONL files, and the functions that read and write such files.

Rows are plain dicts. Ids join everything; nothing is joined by position:
``response_id`` is ``<prompt_id>/r<k>`` and ``judgment_id`` is ``<response_id>/j<n>``.
"""

import json
import os
from collections.abc import Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NotRequired, TypedDict

from metarewarding.errors import UserError
from metarewarding.row_checks import fix_of, iter_jsonl


class Message(TypedDict):
    """One turn of a chat, as TRL and chat templates take it."""

    role: str
    content: str


class Prompt(TypedDict):
    prompt_id: str
    text: str


class Candidate(TypedDict):
    """A prompt that a model wrote, before any filter."""

    prompt_id: str
    text: str | None  # None: not readable, or the completion was cut at the token limit
    raw: str  # the whole completion
    finish_reason: str


class Response(TypedDict):
    prompt_id: str
    response_id: str
    text: str
    tokens: int
    finish_reason: str  # "stop", or "length" when it was cut at the token limit


class Judgment(TypedDict):
    prompt_id: str
    response_id: str
    judgment_id: str
    text: str
    score: float | None  # None: no readable score; not part of a mean
    finish_reason: str


class Reward(TypedDict):
    """A reward model's score of a response, on a scale of its own."""

    prompt_id: str
    response_id: str
    reward: float


class MetaJudgment(TypedDict):
    """One presentation of two judgments of one response, in the order shown."""

    prompt_id: str
    response_id: str
    first: str  # judgment ids
    second: str
    text: str
    winner: Literal["first", "second"] | None


class Score(TypedDict):
    prompt_id: str
    response_id: str
    score: float  # mean over the valid judgments, or a reward model's
    judgments: int  # how many those were; 0 for a reward model's score
    length: int  # characters of the response
    finish_reason: str


class Elo(TypedDict):
    prompt_id: str
    response_id: str
    judgment_id: str
    elo: float  # natural-log units, mean 0 over a response's judgments


class Pair(TypedDict):
    prompt_id: str
    kind: Literal["actor", "judge"]
    prompt: list[Message]
    chosen: list[Message]
    rejected: list[Message]
    chosen_id: str  # response ids (actor) or judgment ids (judge)
    rejected_id: str
    chosen_by: float  # mean score (actor) or Elo (judge)
    rejected_by: float


class SftExample(TypedDict):
    """A judge prompt with an accepted judgment as its target."""

    prompt_id: str
    response_id: str
    prompt: list[Message]
    completion: list[Message]
    score: float


class RankedReply(TypedDict):
    """A reply that people ranked among the replies to one prompt (rank 0 = best)."""

    prompt_id: str
    response_id: str
    prompt: str
    text: str
    rank: int
    judgment: NotRequired[str]  # only where the trees have a written one


class Question(TypedDict):
    """A benchmark's question, in one turn or several."""

    prompt_id: str
    category: str
    turns: list[str]


class Turn(TypedDict):
    """An answer to one turn of a question (MT-Bench has two)."""

    prompt_id: str
    turn: int  # from 1
    text: str
    tokens: int
    finish_reason: str


class Reply(TypedDict):
    """The reply of a judge's server to one request, unchanged."""

    id: str
    request_sha256: str  # of the request's body
    judge: str  # the judge's name in the config
    model: str  # the model in the request
    served_model: str  # the model in the reply
    date: str
    text: str
    logprobs: dict | None
    finish_reason: str | None
    prompt_tokens: int
    output_tokens: int


class ArenaVerdict(TypedDict):
    """A judge's verdict on one game: in game 1 the baseline's answer is A, in game 2 the model's."""

    prompt_id: str
    game: Literal[1, 2]
    judge: str
    judge_model: str
    text: str
    verdict: Literal["A>>B", "A>B", "A=B", "B>A", "B>>A"] | None  # None: the game does not count


class PairVerdict(TypedDict):
    """A judge's verdict on one presentation of two responses, in the order shown."""

    prompt_id: str
    first: str  # response ids
    second: str
    judge: str
    judge_model: str
    text: str
    winner: Literal["first", "second"] | None


class Rating(TypedDict):
    """A judge's rating of one turn's answer, 1 to 10."""

    prompt_id: str
    turn: int
    category: str
    judge: str
    judge_model: str
    prompt: str  # the name of the judge prompt
    text: str
    score: float | None


def read_jsonl(path: str | Path, kind: type) -> list[dict]:
    """Read every row of ``path``, checked against the TypedDict ``kind``.

    Raises UserError naming file, line and field for a line that is not a JSON object, that lacks a field or has one of
    another type or out of range, or that repeats the id of an earlier line.
    """
    return list(iter_jsonl(path, kind))


def write_jsonl(path: str | Path, rows: Iterable[dict]) -> int:
    """Write ``rows``, whole or not at all; return how many there were."""
    count = 0
    with replacing(path) as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            count += 1
    return count


def read_json(path: str | Path, needed: Sequence[str] = ()) -> dict:
    """Return a JSON object that has the keys ``needed``; raise UserError naming the file otherwise."""
    try:
        value = json.loads(Path(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not a complete JSON file ({error}). {fix_of(path)}") from None
    missing = [key for key in needed if not isinstance(value, dict) or key not in value]
    if missing:
        raise UserError(f"{path}: the key '{missing[0]}' is missing. {fix_of(path)}")
    return value


def write_json(path: str | Path, value: dict) -> None:
    with replacing(path) as file:
        json.dump(value, file, indent=2, ensure_ascii=False, allow_nan=False)
        file.write("\n")


@contextmanager
def replacing(path: str | Path):
    """Yield a text file that takes the name ``path`` only when everything in it was written."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    with open(partial, "w", encoding="utf-8") as file:
        yield file
    os.replace(partial, path)


def unique_by(rows: Iterable[dict], field: str, source: str) -> dict[str, dict]:
    """Index ``rows`` by ``field``; a second row with the same id is an error."""
    index: dict[str, dict] = {}
    for row in rows:
        if row[field] in index:
            raise UserError(f"{source}: the {field} '{row[field]}' occurs twice; ids must be unique.")
        index[row[field]] = row
    return index
