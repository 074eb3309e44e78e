"""Reading a JSONL file row by row, each row checked against the TypedDict that says what it holds (records.py)."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Literal, NotRequired, get_type_hints

from metarewarding.errors import UserError


def _reject_constant(name: str):
    raise ValueError(f"{name} must be a finite number")


_decode_json = partial(json.loads, parse_constant=_reject_constant)
try:  # comes with vLLM, and reads a row three times as fast as json
    from msgspec.json import decode as _decode
except ImportError:
    _decode = _decode_json


def iter_jsonl(path: str | Path, kind: type) -> Iterator[dict]:
    """Yield the rows of ``path`` one by one, checked as in ``records.read_jsonl``."""
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
