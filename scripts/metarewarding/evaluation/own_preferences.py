"""The user's own preference rows: JSONL with prompt, responses, best, and optionally prompt_id and subset."""

from typing import NotRequired, TypedDict

from metarewarding.errors import UserError
from metarewarding.evaluation.preference_rows import PreferenceItem, benchmark, check_items, item
from metarewarding.records import read_jsonl


class Row(TypedDict):
    prompt: str
    responses: list  # of texts, two or more
    best: int | list  # the index of the best response, from 0, or a list of indices
    prompt_id: NotRequired[str]  # default: a hash of the prompt
    subset: NotRequired[str]


def read(files: dict[str, str]) -> list[PreferenceItem]:
    """Return the rows of ``files["path"]``."""
    path, rows = files["path"], []
    for number, row in enumerate(read_jsonl(path, Row), start=1):
        fault = "fewer than two responses" if len(row["responses"]) < 2 else None
        if not all(isinstance(text, str) and text.strip() for text in [row["prompt"], *row["responses"]]):
            fault = "a text that is empty or not a string"
        if fault:
            raise UserError(f"{path}, line {number}: the row has {fault}.")
        best = row["best"] if isinstance(row["best"], list) else [row["best"]]
        count = len(row["responses"])
        if not best or not all(isinstance(k, int) and not isinstance(k, bool) and 0 <= k < count for k in best):
            raise UserError(
                f"{path}, line {number}: `best` is {row['best']!r}; indices from 0 to {count - 1} are expected."
            )
        rows.append(
            item(f"own/{number}", row["prompt"], row["responses"], best, row.get("subset", ""), row.get("prompt_id"))
        )
    return check_items(rows, path)


BENCHMARK = benchmark(
    name="own_preferences",
    title="Own preferences",
    description="Preference rows of your own.",
    licence="the user's",
    read=read,
    path={
        "type": ["string", "null"],
        "default": None,
        "description": "JSONL with prompt, responses (texts), best (a place from 0, or a list of places), and if "
        "wanted prompt_id and subset; it must be given where the benchmark runs.",
    },
)
