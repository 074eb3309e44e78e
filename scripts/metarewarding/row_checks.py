"""Read a JSONL file row by row, each row checked against its TypedDict (records.py)."""

import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NotRequired, get_type_hints

from metarewarding.errors import UserError

# fields that identify a row and must be unique in a file
UNIQUE = {
    "Prompt": ("prompt_id",),
    "Candidate": ("prompt_id",),
    "Response": ("response_id",),
    "Judgment": ("judgment_id",),
    "Reward": ("response_id",),
    "MetaJudgment": ("first", "second"),
    "Score": ("response_id",),
    "Elo": ("judgment_id",),
    "Pair": ("prompt_id", "kind"),
    "RankedReply": ("response_id",),
    "Question": ("prompt_id",),
    "Turn": ("prompt_id", "turn"),
}
# {kind: (field, the field that it begins with)}: `<prompt_id>/r<k>`, `<response_id>/j<n>`
BEGINS_WITH = {
    "Judgment": [("judgment_id", "response_id")],
    "MetaJudgment": [("first", "response_id"), ("second", "response_id")],
    "Elo": [("judgment_id", "response_id")],
}
LEAST = {
    ("Response", "tokens"): 0,
    ("Judgment", "score"): 0,
    ("SftExample", "score"): 0,
    ("RankedReply", "rank"): 0,
    ("Score", "judgments"): 0,
    ("Score", "length"): 0,
    ("Turn", "turn"): 1,
}
IDS = ("prompt_id", "response_id", "judgment_id", "first", "second", "chosen_id", "rejected_id")
MOST_CHARACTERS = 250  # maximum length of an id: a prompt's has 200 at most, and other ids begin with it


def id_fault(value, most: int = MOST_CHARACTERS) -> str | None:
    """Return what is wrong with an id, or None: it must be short, without blanks and control characters."""
    if not isinstance(value, str):
        return f"is {json.dumps(value)[:80]}, and must be a string"
    if not value:
        return "is empty"
    if len(value) > most:
        return f"has {len(value)} characters ('{value[:40]}...'), and may have {most}"
    if not value.isprintable() or " " in value:
        bad = next(character for character in value if character == " " or not character.isprintable())
        return f"{json.dumps(value)} contains {json.dumps(bad)}: blanks and control characters are not allowed in ids"
    return None


def results_root() -> Path:
    """Return the folder of this run's results, from the config in the environment."""
    config = json.loads(os.environ.get("METAREWARDING_CONFIG") or "null") or {}
    return Path((config.get("pathvars") or {}).get("results") or "results")


def is_workflow_output(path: str | Path) -> bool:
    """Return whether a file is in the results of this run, so that the workflow can make it again."""
    return Path(path).resolve().is_relative_to(results_root().resolve())


def fix_of(path: str | Path) -> str:
    """Return how to fix a bad line: a file of the workflow may be deleted, a file of the user may not."""
    if is_workflow_output(path):
        return "It was cut off or edited: delete the file, and the workflow makes it again."
    return "Fix the line, and run again."


def encoding_fault(start: bytes) -> str | None:
    """Return why a file with these first bytes is not UTF-8 text, or None."""
    if start.startswith(b"\x1f\x8b"):
        return "the file is compressed with gzip. Unpack it, or, where .gz is read, give it a name that ends in .gz"
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "the file is UTF-16. Save it as UTF-8"
    if start.startswith(b"version https://git-lfs"):
        return "the file is a pointer of Git LFS, not the data. Fetch it with `git lfs pull`"
    return None


def _reject_constant(name: str):
    raise ValueError(f"{name} must be a finite number")


def _decode_json(line: bytes):
    value = json.loads(line, parse_constant=_reject_constant)
    if b"\\u" in line:
        json.dumps(value, ensure_ascii=False).encode()  # half of a surrogate pair is an error, as in msgspec
    return value


try:  # part of vLLM's environment; it reads a row three times as fast as json
    from msgspec.json import decode as _decode
except ImportError:
    _decode = _decode_json


def iter_jsonl(path: str | Path, kind: type) -> Iterator[dict]:
    """Yield the rows of ``path`` one by one, checked as in ``records.read_jsonl``."""
    allowed = {field: _json_types(hint) for field, hint in get_type_hints(kind).items()}
    choices = {field: values for field, hint in get_type_hints(kind).items() if (values := _choices(hint))}
    # Nearly all rows of a file have one of a few combinations of types; each combination is checked once.
    checked: set[tuple[type, ...]] = set()
    ids = [field for field in IDS if field in allowed]
    unique, begins = UNIQUE.get(kind.__name__, ()), BEGINS_WITH.get(kind.__name__, ())
    least = [(field, low) for (of, field), low in LEAST.items() if of == kind.__name__]
    numbers = [field for field, types in allowed.items() if float in types]
    seen: dict[tuple, int] = {}
    with open(path, "rb") as file:  # bytes: a file may be cut off inside a character
        for number, line in enumerate(file, start=1):
            if line.isspace():
                continue
            try:
                row = _decode(line)
            except (ValueError, RecursionError):  # json decides (it accepts a byte order mark), and describes the fault
                row = decode_line(line, path, number)
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
            for field in ids:
                value = row.get(field)  # None where the field may be absent
                if value is not None and (fault := id_fault(value)):
                    raise UserError(f"{path}, line {number}: the {field} {fault}. {fix_of(path)}")
            for field, start in begins:
                if not row[field].startswith(f"{row[start]}/"):
                    raise UserError(
                        f"{path}, line {number}: the {field} '{row[field]}' is not one of the {start} '{row[start]}': "
                        f"it must begin with that and a slash. {fix_of(path)}"
                    )
            for field in numbers:
                if row.get(field) is not None and not math.isfinite(row[field]):
                    raise UserError(f"{path}, line {number}: the field '{field}' must be finite. {fix_of(path)}")
            for field, low in least:
                if row[field] is not None and row[field] < low:
                    raise UserError(
                        f"{path}, line {number}: the field '{field}' is {row[field]}, and must be at least {low}. "
                        f"{fix_of(path)}"
                    )
            if unique:
                key = tuple([row[field] for field in unique])
                if seen.setdefault(key, number) != number:
                    raise UserError(
                        f"{path}, line {number}: the {' and '.join(unique)} {', '.join(map(repr, key))} occurs "
                        f"twice (also in line {seen[key]}); it must be unique. {fix_of(path)}"
                    )
            yield row


def decode_line(line: bytes, path: str | Path, number: int):
    """Return the value of ``line``; raise UserError where it is not JSON, not UTF-8, or contains NaN."""
    if number == 1 and (fault := encoding_fault(line)):
        raise UserError(f"{path}: {fault}.")
    try:
        return _decode_json(line)
    except UnicodeEncodeError:
        fault = "contains half of a surrogate pair (\\ud800 to \\udfff), which is not a character"
    except UnicodeDecodeError as error:
        fault = f"not UTF-8 text (byte {error.start + 1} of the line). Save the file as UTF-8"
    except RecursionError:
        fault = "nested too deeply"
    except ValueError as error:
        fault = f"not a complete JSON object ({error})"
    raise UserError(f"{path}, line {number}: {fault}. {fix_of(path)}") from None


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


def _choices(hint) -> tuple:
    """Return the values that a Literal hint allows (None too, in a union with it); empty for other hints."""
    origin, args = getattr(hint, "__origin__", None), getattr(hint, "__args__", ())
    if origin is Literal:
        return args
    of_parts = [_choices(arg) for arg in args]
    return (*(choice for part in of_parts for choice in part), None) if any(of_parts) else ()


def _json_types(hint) -> tuple[type, ...]:
    """Return the Python types that json.loads may give for a field with this type hint."""
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
