"""A plan beside what its stages took, from the stats and manifests that they left."""

from pathlib import Path

from metarewarding.records import read_json

_FIELDS = ("requests", "completions", "prompt_tokens", "output_tokens")


def measure(plan: dict, root: str | Path) -> dict:
    """``plan`` (see workflow/plan.py) with ``measured`` in each row of which ``root`` holds a file, and in the totals.

    distinct_prompt_tokens are the prompt tokens that the engine did not find in its cache. gpu_hours are the
    jobs' seconds times their GPUs, null without GPUs. cost_usd is what a judge's replies cost.
    """
    rows = []
    for row in plan["rows"]:
        found = [read_json(path) for path in (Path(root, name) for name in row["files"]) if path.is_file()]
        rows.append(row | {"measured": _sum(found) if found else None})
    together = [row["measured"] for row in rows if row["measured"]]
    return plan | {"rows": rows, "totals": plan["totals"] | {"measured": _total(together) if together else None}}


def _sum(files: list[dict]) -> dict:
    jobs = {facts.get("log", number) for number, facts in enumerate(files)}  # several files may be of one job
    sums = {"jobs": len(jobs)} | {field: sum(facts.get(field) or 0 for facts in files) for field in _FIELDS}
    if any("requests" not in facts and "asked" in facts for facts in files):  # a judge's verdicts
        sums["requests"] = sums["completions"] = sum(facts["asked"] + facts["from_store"] for facts in files)
    sums["prompt_tokens"] += sum(facts.get("tokens") or 0 for facts in files)  # of a training
    sums["distinct_prompt_tokens"] = sums["prompt_tokens"] - sum(
        facts.get("cached_prompt_tokens") or 0 for facts in files
    )
    seconds = [facts.get("process_seconds", facts.get("seconds")) or 0 for facts in files]
    gpus = [len((facts.get("host") or {}).get("gpus", [])) for facts in files]
    hours = sum(s * g for s, g in zip(seconds, gpus, strict=True)) / 3600
    costs = [facts["cost"] for facts in files if "cost" in facts]
    return sums | {
        "seconds": round(sum(seconds), 1),
        "gpu_hours": round(hours, 3) if any(gpus) else None,
        "cost_usd": round(sum(costs), 2) if costs else None,
    }


def _total(rows: list[dict]) -> dict:
    sums = {}
    for key in rows[0]:
        values = [row[key] for row in rows if row[key] is not None]
        sums[key] = round(sum(values), 3) if values else None
    return sums
