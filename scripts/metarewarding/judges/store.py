"""The store of paid replies: a JSONL file that grows by one line a reply, kept when a run is killed."""

import datetime
import json
import os
from pathlib import Path

from metarewarding.records import Reply


def read_store(path: str | Path) -> list[Reply]:
    """Return the replies in a store; a line that a killed run left unfinished is ignored, so it is asked again."""
    rows = []
    for line in Path(path).read_bytes().splitlines() if Path(path).is_file() else []:
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict) and row.keys() >= Reply.__required_keys__:
            rows.append(row)
    return rows


def end_last_line(path: Path) -> None:
    """End a line that a killed run left unfinished, so that the next line starts on its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "ab+") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")


def lacks_logprobs(row: Reply, body: dict) -> bool:
    """Return whether ``body`` asked for log-probabilities that the reply does not have."""
    content = (row["logprobs"] or {}).get("content") or [{}]
    return "logprobs" in body and not isinstance(content[0].get("top_logprobs"), list)


def now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
