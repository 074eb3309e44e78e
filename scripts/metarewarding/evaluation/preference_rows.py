"""Rows of preference benchmarks: a prompt, two or more responses, and which of them are best.

Each benchmark has a module with its pinned source and a reader that gives these rows; ``READERS`` lists them.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

from metarewarding.errors import UserError
from metarewarding.records import Response, read_jsonl, unique_by


class PreferenceItem(TypedDict):
    """One row of any preference benchmark. All responses are best where people call it a tie."""

    item_id: str
    prompt_id: str  # rows of one prompt share it: they are not independent
    subset: str
    prompt: str
    responses: list  # of {response_id, text}
    best: list  # of response ids


@dataclass(frozen=True, kw_only=True)
class PreferenceBenchmark:
    """What is particular to one preference benchmark."""

    name: str
    title: str
    licence: str
    # {name: (site, path, sha256)}, as in jobs/sources.py; a path may hold {revision}
    sources: dict[str, tuple[str, str, str | None]] = field(default_factory=dict)
    read: Callable[[dict[str, str]], list[PreferenceItem]]  # ({source or config key: path})


def text_id(text: str) -> str:
    """Return an id of a prompt that has none of its own: the start of its sha256."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def item(item_id: str, prompt: str, responses: Sequence[str], best: Iterable[int], subset: str = "", prompt_id=None):
    """Return a row whose responses are the texts ``responses``; ``best`` holds places in it."""
    ids = [f"{item_id}/r{k}" for k in range(len(responses))]
    return PreferenceItem(
        item_id=item_id,
        prompt_id=prompt_id or text_id(prompt),
        subset=subset,
        prompt=prompt,
        responses=[{"response_id": identity, "text": text} for identity, text in zip(ids, responses, strict=True)],
        best=[ids[k] for k in best],
    )


def checked(items: Sequence[PreferenceItem], source: str) -> list[PreferenceItem]:
    """Return ``items``; raise UserError naming the first row that is not in order."""
    if not items:
        raise UserError(f"{source}: there is no row in it.")
    unique_by(items, "item_id", source)
    for row in items:
        ids = [response["response_id"] for response in row["responses"]]
        where = f"{source}: the row '{row['item_id']}'"
        if len(ids) < 2:
            raise UserError(f"{where} has {len(ids)} responses; two or more are needed.")
        if not all(isinstance(response["text"], str) for response in row["responses"]):
            raise UserError(f"{where} has a response that is not a string.")
        if not row["best"] or not set(row["best"]) <= set(ids):
            raise UserError(f"{where} does not say which of its responses is best.")
    return list(items)


def subset_of(items: Sequence[PreferenceItem], count: int | None) -> list[PreferenceItem]:
    """Return ``count`` of the rows, spread evenly; all for None."""
    count = len(items) if count is None else min(count, len(items))
    return [items[len(items) * i // count] for i in range(count)]


def read_items(path: str | Path) -> list[PreferenceItem]:
    """Return the rows of a file that the workflow wrote."""
    return read_jsonl(path, PreferenceItem)


def responses_of(items: Sequence[PreferenceItem]) -> list[Response]:
    """Return all responses as rows that the judge takes, rows of one item side by side."""
    return [
        Response(
            prompt_id=row["prompt_id"],
            response_id=response["response_id"],
            text=response["text"],
            tokens=0,
            finish_reason="stop",
        )
        for row in items
        for response in row["responses"]
    ]
