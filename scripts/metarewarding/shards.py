"""Read the rows of all shards of a stage and check them together: nothing missing, repeated or unknown.

A check of single lines would not find a missing or renamed row. The counts are in the stats file that the same job
wrote with the rows.
"""

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from metarewarding.errors import UserError
from metarewarding.records import read_json
from metarewarding.row_checks import UNIQUE, fix_of, iter_jsonl

UNPARSED = {"Judgment": "score", "MetaJudgment": "winner"}


def read_shards(paths: str | Path | Iterable[str | Path], kind: type) -> list[dict]:
    """Return all rows of ``paths``, the files of one stage; see ``iter_shards``."""
    return list(iter_shards(paths, kind))


def iter_shards(paths: str | Path | Iterable[str | Path], kind: type) -> Iterator[dict]:
    """Yield the rows of ``paths`` one by one.

    Raise UserError where a file has another number of rows, or of unread ones, than its stats file,
    or a score above the highest, and where an id is in two files.
    """
    seen: set[tuple] = set()
    for path in [paths] if isinstance(paths, str | Path) else paths:
        facts, rows, unparsed = stats_beside(path), 0, 0
        field, high = UNPARSED.get(kind.__name__), facts.get("max_score")
        for row in iter_jsonl(path, kind):
            rows += 1
            if field and row[field] is None:
                unparsed += 1
            elif high is not None and field == "score" and row["score"] > high:
                raise UserError(
                    f"{path}: the judgment '{row['judgment_id']}' has the score {row['score']}, and the highest is "
                    f"{high}. {fix_of(path)}"
                )
            key = tuple([row[name] for name in UNIQUE[kind.__name__]])
            if key in seen:
                raise UserError(f"{path}: {', '.join(key)} is also in an earlier shard. {fix_of(path)}")
            seen.add(key)
            yield row
        for count, name, what in ((rows, "completions", "rows"), (unparsed, "unparsed", f"rows without a {field}")):
            if count != facts.get(name, count) and (field or name == "completions"):
                raise UserError(
                    f"{path}: the file has {count} {what}, and {stats_path(path).name} says {facts[name]}. "
                    f"{fix_of(path)}"
                )


def stats_path(path: str | Path) -> Path:
    return Path(path).with_suffix(".stats.json")


def stats_beside(path: str | Path) -> dict:
    """Return the counts in the stats file of ``path``; empty without one, as for rows made by hand."""
    return read_json(stats_path(path)) if stats_path(path).is_file() else {}


def check_known(rows: Iterable[dict], field: str, known: Collection[str], what: str, where: str) -> None:
    """Raise UserError for a row of ``what`` whose ``field`` is not among the ids ``known`` of the files ``where``."""
    for row in rows:
        if row[field] not in known:
            raise UserError(
                f"{what}: the {field} '{row[field]}' is not in {where}. They are from different runs, or one was "
                "edited: delete that one, and the workflow makes it again."
            )
