"""Compare a plan with what its stages took, from their stats files, manifests and benchmark files."""

import csv
from pathlib import Path

from metarewarding.records import read_json

_COUNTS = ("requests", "completions", "unparsed", "prompt_tokens", "cached_prompt_tokens", "output_tokens")
# Snakemake's measurements of a job's processes: {our key: (its column, how the jobs' values are combined)}
_RESOURCES = {
    "cpu_seconds": ("cpu_time", sum),
    "max_memory_mb": ("max_rss", max),
    "read_mb": ("io_in", sum),
    "written_mb": ("io_out", sum),
}


def measure(plan: dict, root: str | Path) -> dict:
    """Return ``plan`` (see workflow/plan.py) with ``measured`` in the totals, and in rows with a file under ``root``.

    distinct_prompt_tokens are the prompt tokens that the engine did not find in its cache. seconds are those of the
    jobs' processes, engine_seconds without the start of the engine. gpu_hours are the jobs' seconds times their GPUs,
    null without GPUs. cost_usd is what a judge's replies cost. cpu_seconds, max_memory_mb (of one job), read_mb and
    written_mb are Snakemake's, null where it measured none.
    """
    rows = []
    for row in plan["rows"]:
        stats = [read_json(path) for path in (Path(root, name) for name in row["files"]) if path.is_file()]
        rows.append(row | {"measured": _combined(stats) if stats else None})
    together = [row["measured"] for row in rows if row["measured"]]
    return plan | {"rows": rows, "totals": plan["totals"] | {"measured": _total(together) if together else None}}


def _combined(files: list[dict]) -> dict:
    jobs = {facts.get("log") or number for number, facts in enumerate(files)}  # a job may have several files
    repeated = [facts["repeated"] for facts in files if facts.get("repeated")]  # what the meta-judge was shown again
    sums = {"jobs": len(jobs)} | {field: sum(of.get(field) or 0 for of in [*files, *repeated]) for field in _COUNTS}
    if any("requests" not in facts and "asked" in facts for facts in files):  # a judge's verdicts
        sums["requests"] = sums["completions"] = sum(facts["asked"] + facts["from_store"] for facts in files)
    sums["prompt_tokens"] += sum(facts.get("tokens") or 0 for facts in files)  # of a training
    sums["distinct_prompt_tokens"] = sums["prompt_tokens"] - sums["cached_prompt_tokens"]
    seconds = [facts.get("process_seconds", facts.get("seconds")) or 0 for facts in files]
    engine = sum(facts["seconds"] for facts in files if "process_seconds" in facts and "requests" in facts)
    engine += sum(facts["seconds"] for facts in repeated)
    gpus = [len((facts.get("host") or {}).get("gpus") or []) for facts in files]
    hours = sum(s * g for s, g in zip(seconds, gpus, strict=True)) / 3600
    costs = [facts["cost"] for facts in files if "cost" in facts]
    return (
        sums
        | {
            "seconds": round(sum(seconds), 1),
            "engine_seconds": round(engine, 1),
            "gpu_hours": round(hours, 3) if any(gpus) else None,
            "cost_usd": round(sum(costs), 2) if costs else None,
        }
        | _resources([log for log in jobs if isinstance(log, str)])
    )


def _resources(logs: list[str]) -> dict:
    """Return what Snakemake measured of the jobs with these log files; it writes `<log>.tsv` for `<log>.log`."""
    rows = []
    for path in (Path(log).with_suffix(".tsv") for log in logs):
        if path.is_file():
            with open(path, newline="") as file:
                rows += csv.DictReader(file, delimiter="\t")
    peaks = {}
    for key, (column, combine) in _RESOURCES.items():
        values = [float(row[column]) for row in rows if row.get(column) not in (None, "NA", "-")]
        peaks[key] = round(combine(values), 1) if values else None
    return peaks


def _total(rows: list[dict]) -> dict:
    sums = {}
    for key in rows[0]:
        values = [row[key] for row in rows if row[key] is not None]
        combine = max if key == "max_memory_mb" else sum
        sums[key] = round(combine(values), 3) if values else None
    return sums
