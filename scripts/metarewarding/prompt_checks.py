"""Check a user's prompts: which ids and texts a pool may contain."""

from pathlib import Path

from metarewarding.errors import UserError
from metarewarding.records import Prompt, read_jsonl
from metarewarding.row_checks import id_fault

MOST_CHARACTERS = 200  # maximum length of a prompt's id, which is part of file names and other ids


def check_prompts(path: str | Path) -> list[Prompt]:
    """Return the prompts of ``path``; raise UserError for an empty text and for an unusable id."""
    rows = read_jsonl(path, Prompt)
    for row in rows:
        identity = row["prompt_id"]
        if not row["text"].strip():
            raise UserError(f"{path}: the prompt '{identity}' has no text.")
        if "/" in identity:
            raise UserError(
                f"{path}: the prompt_id '{identity}' contains a slash, which separates the parts of other ids."
            )
        if fault := id_fault(identity, MOST_CHARACTERS):
            raise UserError(f"{path}: the prompt_id {fault}.")
    if not rows:
        raise UserError(f"{path}: the file has no prompts.")
    return rows
