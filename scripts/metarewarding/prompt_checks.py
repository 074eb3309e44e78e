"""Check a user's prompts: which ids and texts a pool may contain."""

from pathlib import Path

from metarewarding.errors import UserError
from metarewarding.records import Prompt, read_jsonl
from metarewarding.row_checks import id_fault

MOST_CHARACTERS = 200  # of a prompt's id: files and the ids of rows are named by it


def check_prompts(path: str | Path) -> list[Prompt]:
    """Return the prompts of ``path``; raise UserError for an empty text and for an unusable id."""
    rows = read_jsonl(path, Prompt)
    for row in rows:
        identity = row["prompt_id"]
        if not row["text"].strip():
            raise UserError(f"{path}: the prompt '{identity}' has no text.")
        if "/" in identity:
            raise UserError(f"{path}: the prompt_id '{identity}' holds a slash; ids of rows are built on it.")
        if fault := id_fault(identity, MOST_CHARACTERS):
            raise UserError(f"{path}: the prompt_id {fault}.")
    if not rows:
        raise UserError(f"{path}: the file holds no prompts.")
    return rows
