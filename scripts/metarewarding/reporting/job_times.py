"""Start and end of each job of a run, from its logs: for the time line of the page, and for status.py."""

import re
from pathlib import Path

from metarewarding.records import read_json

_DONE = re.compile(r"^(?:\S+ \S+ INFO \w+: )?done in (\d+) s", re.MULTILINE)
_TAIL = 4000  # bytes at the end of a log that are read
_MODEL = re.compile(r"(?:^|/)(seed|m0|[a-z][a-z0-9-]*/m[1-9][0-9]*)(?=/|$)")
_TRAINING = {"train_sft", "train_dpo"}  # run by accelerate: the seconds are in their manifest, not in their log


def of_log(path: Path, logs: Path) -> dict:
    """Return {stage, model, shard} from a log's path, None for a missing part.

    It is `<stage>/<model>/<shard>.log`, or `<stage>/<benchmark>/<model>.log`, whose benchmark stands for the shard.
    """
    stage, *rest = path.relative_to(logs).with_suffix("").parts
    fixed = {"fetch_seed_model": "seed", "train_sft": "m0"}.get(stage)
    match = _MODEL.search("/".join(rest))
    left = _MODEL.sub("", "/".join(rest), count=1).strip("/")
    return {"stage": stage, "model": match[1] if match else fixed, "shard": left or None}


def jobs(root: str | Path) -> list[dict]:
    """Return all jobs under ``root`` with a log, oldest end first: {stage, model, shard, log, state, start, end, tail}.

    ``state``: `done`, `failed` or `running` (no end is written; a killed job looks the same). Times are seconds since
    the epoch: the end is the log's last change, the start is the end minus the seconds that the job reports; None
    where it reports none.
    """
    logs, times = Path(root) / "logs", []
    for path in logs.rglob("*.log"):
        with open(path, "rb") as file:
            file.seek(max(0, path.stat().st_size - _TAIL))
            tail = file.read().decode("utf-8", "replace")
        job = of_log(path, logs) | {"log": str(path), "end": path.stat().st_mtime, "start": None, "tail": tail}
        done = _DONE.search(tail)
        job["state"] = (
            "done" if done else "failed" if re.search(r"^\S+ \S+ ERROR |^Traceback", tail, re.M) else "running"
        )
        seconds = float(done.group(1)) if done else None
        manifest = Path(root) / str(job["model"]) / "manifest.json"
        if job["stage"] in _TRAINING and manifest.is_file() and manifest.stat().st_mtime >= job["end"] - 60:
            job["state"], seconds = "done", read_json(manifest)["seconds"]
        if seconds is not None:
            job["start"] = job["end"] - seconds
        times.append(job)
    return sorted(times, key=lambda job: job["end"])


def finished(root: str | Path) -> list[dict]:
    """Return the finished jobs: {stage, model, shard, start, end}, in seconds since the first of them started.

    Not those that write the report: it may be written again, long after the run.
    """
    done = [job for job in jobs(root) if job["state"] == "done" and not job["stage"].startswith("write_")]
    done = [job for job in done if job["start"] is not None]
    first = min((job["start"] for job in done), default=0)
    return [
        {key: job[key] for key in ("stage", "model", "shard")}
        | {"start": round(job["start"] - first, 1), "end": round(job["end"] - first, 1)}
        for job in done
    ]
