"""A second name for expensive outputs, in a folder `.kept` next to them: Snakemake deletes outputs before a rerun.

A job that succeeds links its outputs there (hard links, which take no space while the outputs exist), so the last good
outputs remain when a later run of the job fails. `workflow/restore.py` puts them back.
"""

import os
import shutil
import time
from collections.abc import Iterable
from pathlib import Path

from metarewarding.jobs.logs import logger

FOLDER, SUFFIX = ".kept", ".kept"  # with this suffix, searches for `*.jsonl` and the like do not match these files


def keep(outputs: Iterable[str | Path]) -> None:
    """Link files and folders into `.kept`, where they replace earlier ones."""
    for output in map(Path, outputs):
        kept = output.parent / FOLDER / (output.name + SUFFIX)
        partial = kept.with_name(f".{kept.name}.partial")
        kept.parent.mkdir(parents=True, exist_ok=True)
        _remove(partial)
        try:
            link(output, partial)
        except OSError as error:  # a file system without hard links: a copy would take as much space again
            logger.warning("%s is not kept for a later rerun that fails: %s", output, error)
            _remove(partial)
            continue
        _remove(kept)
        os.replace(partial, kept)


def link(source: Path, target: Path) -> None:
    """Make ``target`` another name of the file, or of the files of the folder, ``source``.

    The files of a folder get SUFFIX, or lose it.
    """

    def renamed(file, place) -> None:
        name = str(place)
        _link_file(file, name.removesuffix(SUFFIX) if name.endswith(SUFFIX) else name + SUFFIX)

    if source.is_dir():
        shutil.copytree(source, target, copy_function=renamed, symlinks=False)
    else:
        _link_file(source, target)


def _link_file(source, target) -> None:
    os.link(source, target, follow_symlinks=False)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def restore(root: str | Path) -> list[Path]:
    """Put back every kept output below ``root`` that is missing; return them.

    The time stamps of these and of all newer files are moved to now, in their order. Files made from them therefore
    stay newer than they are, and they are newer than an input that was changed and changed back.
    """
    restored = []
    for folder in sorted(Path(root).rglob(FOLDER)):
        for kept in sorted(folder.iterdir()):
            output = folder.parent / kept.name.removesuffix(SUFFIX)
            if not kept.name.startswith(".") and not output.exists():
                link(kept, output)
                restored.append(output)
    if restored:
        oldest = min(path.stat().st_mtime_ns for path in restored)
        _touch_in_order(root, oldest)
    return restored


def _touch_in_order(root: str | Path, since: int) -> None:
    times: dict[int, list[Path]] = {}
    for path in Path(root).rglob("*"):
        if not path.is_symlink() and (stamp := path.stat().st_mtime_ns) >= since:
            times.setdefault(stamp, []).append(path)
    now = time.time_ns()
    for place, stamp in enumerate(sorted(times, reverse=True)):
        for path in times[stamp]:
            os.utime(path, ns=(now - place * 1_000,) * 2)
