"""Rows of preference benchmarks: a prompt, two or more responses, and which of them are best.

Each such benchmark has a module with its pinned source and a reader that returns these rows.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypedDict

from metarewarding.errors import UserError
from metarewarding.evaluation import shared
from metarewarding.evaluation.registry import PREFERENCE, Benchmark
from metarewarding.records import Judgment, Response, read_jsonl, unique_by


class PreferenceItem(TypedDict):
    """One row of any preference benchmark. All responses are best where people call it a tie."""

    item_id: str
    prompt_id: str  # rows of one prompt share it: they are not independent
    subset: str
    prompt: str
    responses: list  # of {response_id, text}
    best: list  # of response ids


def text_id(text: str) -> str:
    """Return an id of a prompt that has none of its own: the start of its sha256."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def item(item_id: str, prompt: str, responses: Sequence[str], best: Iterable[int], subset: str = "", prompt_id=None):
    """Return a row with the texts ``responses``; ``best``: indices of the best ones."""
    ids = [f"{item_id}/r{k}" for k in range(len(responses))]
    return PreferenceItem(
        item_id=item_id,
        prompt_id=prompt_id or text_id(prompt),
        subset=subset,
        prompt=prompt,
        responses=[{"response_id": identity, "text": text} for identity, text in zip(ids, responses, strict=True)],
        best=[ids[k] for k in best],
    )


def check_items(items: Sequence[PreferenceItem], source: str) -> list[PreferenceItem]:
    """Return ``items``; raise UserError naming the first invalid row."""
    if not items:
        raise UserError(f"{source}: the file has no rows.")
    unique_by(items, "item_id", source)
    for row in items:
        ids = [response["response_id"] for response in row["responses"]]
        where = f"{source}: the row '{row['item_id']}'"
        if len(ids) < 2:
            raise UserError(f"{where} has {len(ids)} responses; two or more are needed.")
        if not all(isinstance(response["text"], str) for response in row["responses"]):
            raise UserError(f"{where} has a response that is not a string.")
        if not row["best"] or not set(row["best"]) <= set(ids):
            raise UserError(f"{where} has no best response.")
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


def benchmark(
    name: str,
    title: str,
    description: str,
    read: Callable[[Mapping[str, str]], list[PreferenceItem]],
    licence: str,
    sources: dict | None = None,
    **settings: dict,
) -> Benchmark:
    """Return the registry's entry of a preference benchmark; ``settings`` are those that not all benchmarks have."""
    folder = f"<results>/{{}}/benchmarks/{name}"

    def score_files(own: Mapping, model: str) -> dict[str, str]:
        files = {
            "preferences": f"<results>/data/benchmarks/{name}.jsonl",
            "judgments": f"{folder.format(model)}/judgments.jsonl",
        }
        return files | ({"verdicts": f"{folder.format(model)}/verdicts.jsonl"} if own["pairwise"] else {})

    def score(files, own: Mapping, model: str, seed: int) -> dict:
        from metarewarding.evaluation import preference_judging

        verdicts = read_jsonl(files["verdicts"], preference_judging.PairwiseVerdict) if own["pairwise"] else None
        rows, judgments = read_items(files["preferences"]), read_jsonl(files["judgments"], Judgment)
        return {"title": title} | preference_judging.score(rows, judgments, verdicts)

    return Benchmark(
        name=name,
        title=title,
        kind=PREFERENCE,
        description=description,
        licence=licence,
        settings={
            "judgments": shared.whole_number(11, "Judgments of each response.", maximum=1024),
            "subset": {
                "type": ["integer", "null"],
                "minimum": 1,
                "default": None,
                "description": "Number of rows to use, spread evenly (null: all).",
            },
            "pairwise": {
                "type": "boolean",
                "default": True,
                "description": "Also ask for a verdict on one pair of each row, in both orders.",
            },
            "max_tokens": shared.whole_number(1024, "Maximum number of new tokens of a pairwise verdict."),
            **settings,
        },
        sources=sources or {},
        read_rows=read,
        score_keys=("pairwise",),
        score=score,
        score_files=score_files,
    )
