"""What one row of each JSONL file holds, and the only functions that read or write such files.

Rows are plain dicts. Ids join everything; nothing is joined by position:
``response_id`` is ``<prompt_id>/r<k>`` and ``judgment_id`` is ``<response_id>/j<n>``.
"""

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Literal, NotRequired, TypedDict, get_type_hints

from metarewarding.errors import UserError


def _reject_constant(name: str):
    raise ValueError(f"{name} must be a finite number")


_decode_json = partial(json.loads, parse_constant=_reject_constant)
try:  # comes with vLLM, and reads a row three times as fast as json
    from msgspec.json import decode as _decode
except ImportError:
    _decode = _decode_json


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
    text: str | None  # None: nothing could be read, or the completion was cut at the token limit
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
    score: float | None  # None: no score could be read, which casts no vote
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
    judgment: NotRequired[str]  # only where the trees carry a written one


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
    """What a judge's server said to one request, as it was said."""

    id: str
    request_sha256: str  # of the request's body
    judge: str  # the judge's name in the config
    model: str  # as asked for
    served_model: str  # as the server names it
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
    verdict: Literal["A>>B", "A>B", "A=B", "B>A", "B>>A"] | None  # None: no game is counted


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

    Raises UserError naming file, line and field for a line that is cut off, is not a JSON object, or
    lacks a field or has one of another type.
    """
    return list(iter_jsonl(path, kind))


def iter_jsonl(path: str | Path, kind: type) -> Iterator[dict]:
    """Yield the rows of ``path`` one by one, checked as in ``read_jsonl``."""
    allowed = {field: _json_types(hint) for field, hint in get_type_hints(kind).items()}
    choices = {field: values for field, hint in get_type_hints(kind).items() if (values := _choices(hint))}
    # Nearly all rows of a file have one of a few combinations of types; each combination is checked once.
    checked: set[tuple[type, ...]] = set()
    with open(path, "rb") as file:  # bytes: a file may be cut off inside a character
        for number, line in enumerate(file, start=1):
            if line.isspace():
                continue
            try:
                row = _decode(line)
            except ValueError:  # json decides (it passes over a byte order mark), and words the fault
                row = _decode_or_refuse(line, path, number)
            try:
                types = tuple(map(type, map(row.__getitem__, allowed)))
            except (AttributeError, KeyError, TypeError):  # a field is absent, or the row is not an object
                types = None
            if types not in checked:
                _check_types(row, kind, allowed, path, number)
                if types is not None:
                    checked.add(types)
            for field, values in choices.items():
                if row[field] not in values:
                    raise UserError(
                        f"{path}, line {number}: the field '{field}' is {json.dumps(row[field])[:80]}, and should be "
                        f"one of {', '.join(json.dumps(value) for value in values)}."
                    )
            yield row


def _decode_or_refuse(line: bytes, path: str | Path, number: int):
    """Return the value of ``line``; raise UserError where it is not JSON, not UTF-8, or holds NaN."""
    try:
        return _decode_json(line)
    except ValueError as error:
        raise UserError(
            f"{path}, line {number}: not a complete JSON object ({error}). The file was cut off or "
            "edited: delete it, and the workflow makes it again (or fix the line, if it is yours)."
        ) from None


def _check_types(row, kind: type, allowed: dict, path: str | Path, number: int) -> None:
    if not isinstance(row, dict):
        raise UserError(f"{path}, line {number}: a JSON object was expected, not {type(row).__name__}.")
    for field, types in allowed.items():
        if field not in row:
            if field in kind.__required_keys__:
                raise UserError(f"{path}, line {number}: the field '{field}' is missing.")
        elif type(row[field]) not in types:
            raise UserError(
                f"{path}, line {number}: the field '{field}' is {json.dumps(row[field])[:80]}, and should be "
                f"{' or '.join('null' if t is type(None) else t.__name__ for t in types)}."
            )


def write_jsonl(path: str | Path, rows: Iterable[dict]) -> int:
    """Write ``rows``, whole or not at all; return how many there were."""
    count = 0
    with replacing(path) as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            count += 1
    return count


def read_json(path: str | Path) -> dict:
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise UserError(
            f"{path}: not a complete JSON file ({error}). Delete it, and the workflow makes it again."
        ) from None


def write_json(path: str | Path, value: dict) -> None:
    with replacing(path) as file:
        json.dump(value, file, indent=2, ensure_ascii=False, allow_nan=False)
        file.write("\n")


@contextmanager
def replacing(path: str | Path):
    """A text file that takes the name ``path`` only when everything in it was written."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.partial")
    with open(beside, "w", encoding="utf-8") as file:
        yield file
    os.replace(beside, path)


def unique_by(rows: Iterable[dict], field: str, source: str) -> dict[str, dict]:
    """Index ``rows`` by ``field``; a second row with the same id is an error."""
    index: dict[str, dict] = {}
    for row in rows:
        if row[field] in index:
            raise UserError(f"{source}: the {field} '{row[field]}' stands there twice; ids must be unique.")
        index[row[field]] = row
    return index


def _choices(hint) -> tuple:
    """The values that a Literal hint allows, None among them in a union with it; empty for other hints."""
    origin, args = getattr(hint, "__origin__", None), getattr(hint, "__args__", ())
    if origin is Literal:
        return args
    of_parts = [_choices(arg) for arg in args]
    return (*(choice for part in of_parts for choice in part), None) if any(of_parts) else ()


def _json_types(hint) -> tuple[type, ...]:
    """The Python types that json.loads may give for a field with this type hint."""
    origin, args = getattr(hint, "__origin__", None), getattr(hint, "__args__", ())
    if origin is NotRequired:
        return _json_types(args[0])
    if origin is Literal:
        return tuple({type(value) for value in args})
    if origin is list:
        return (list,)
    if args:  # a union
        return tuple(t for arg in args for t in _json_types(arg))
    return (int, float) if hint is float else (hint,)
