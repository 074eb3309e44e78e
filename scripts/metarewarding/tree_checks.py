"""Check message trees, each by itself and all of them together."""

import gzip
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from metarewarding.errors import UserError
from metarewarding.row_checks import decode_line, encoding_fault, id_fault


def read_trees(path: str | Path) -> Iterator[dict]:
    """Yield the message trees of an Open Assistant export, ``.jsonl`` or ``.jsonl.gz``.

    Raise UserError with file and line for what is not one.
    """
    with open(path, "rb") as file:
        fault = encoding_fault(file.read(64))
    if fault and not str(path).endswith(".gz"):
        raise UserError(f"{path}: {fault}.")
    opener = gzip.open if str(path).endswith(".gz") else open
    with opener(path, "rb") as file:
        number = 0
        try:
            for number, line in enumerate(file, start=1):
                if not line.strip():
                    continue
                tree = decode_line(line, path, number)
                if fault := tree_fault(tree):
                    raise UserError(
                        f"{path}, line {number}: not an Open Assistant message tree: {fault}. A line is one JSON "
                        "object with message_tree_id and prompt (text, role, lang, replies)."
                    )
                yield tree
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise UserError(
                f"{path}, after line {number}: the gzip file is broken or cut off ({error}). Fetch it again."
            ) from None


def tree_fault(tree) -> str | None:
    """Return what is wrong with one message tree (ids, texts and ranks of its prompt and ranked replies), or None."""
    if not isinstance(tree, dict):
        return "a JSON object was expected"
    if fault := _id_fault(tree, "message_tree_id"):
        return fault
    prompt = tree.get("prompt")
    if not isinstance(prompt, dict) or not isinstance(prompt.get("text"), str):
        return "there is no prompt with a text"
    replies = prompt.get("replies") or []
    if not isinstance(replies, list) or not all(isinstance(reply, dict) for reply in replies):
        return "replies must be a list of objects"
    seen = set()
    for reply in replies:
        rank = reply.get("rank")
        if rank is None or reply.get("deleted"):
            continue
        if fault := _id_fault(reply, "message_id"):
            return fault
        identity = reply["message_id"]
        if identity in seen:
            return f"the message_id '{identity}' occurs twice"
        seen.add(identity)
        if type(rank) is not int:
            return f"the rank of the reply '{identity}' is {rank!r}, and must be a whole number, 0 for the best"
        if rank < 0:
            return f"the rank of the reply '{identity}' is {rank}; ranks begin at 0, the best"
        if not isinstance(reply.get("text"), str):
            return f"the reply '{identity}' has no text"
        if not reply["text"].strip():
            return f"the text of the ranked reply '{identity}' is empty"
    if seen and not prompt["text"].strip():
        return "the text of the prompt is empty"
    return None


def _id_fault(row: dict, field: str) -> str | None:
    if field not in row:
        return f"the field '{field}' is missing"
    if fault := id_fault(row[field], 200):
        return f"the {field} {fault}"
    return f"the {field} '{row[field]}' contains a slash" if "/" in row[field] else None


def check_trees(trees: Iterable[dict], path: str | Path) -> None:
    """Raise UserError where trees have the same id, no reply is ranked first, or a reply is in two trees."""
    ids, replies, best, ranked = set(), set(), 0, 0
    for tree in trees:
        if tree["message_tree_id"] in ids:
            raise UserError(f"{path}: the tree '{tree['message_tree_id']}' occurs twice; sets must be disjoint.")
        ids.add(tree["message_tree_id"])
        for reply in tree["prompt"].get("replies") or []:
            if reply.get("rank") is None or reply.get("deleted"):
                continue
            if reply["message_id"] in replies:
                raise UserError(f"{path}: the message_id '{reply['message_id']}' is in two trees; ids must be unique.")
            replies.add(reply["message_id"])
            ranked += 1
            best += reply["rank"] == 0
    if not ids:
        raise UserError(f"{path}: the file has no message trees.")
    if ranked and not best:
        raise UserError(f"{path}: no reply has rank 0. Ranks begin at 0, the best; here they seem to begin at 1.")
