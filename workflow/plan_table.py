"""A plan as a table for the terminal."""

from metarewarding.reporting import scoreboard

COUNTS = ("jobs", "requests", "completions", "prompt_tokens", "distinct_prompt_tokens", "output_tokens")


def totals(rows: list[dict]) -> dict:
    """Return the sums of the rows' numbers; null where no row has one."""
    sums = {}
    for key in (*COUNTS, "gpu_hours", "disk_gb", "cost_usd"):
        values = [row[key] for row in rows if row.get(key) is not None]
        sums[key] = round(sum(values), 3) if values else None
    return sums | {"most_disk_gb": round(sums["disk_gb"] + max(row.get("most_disk_gb", 0) for row in rows), 3)}


def number(value) -> str:
    if value is None:
        return "-"
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if value >= size:
            return f"{value / (1e3 if letter == 'k' else size):,.1f}{letter}"
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.2g}"


def as_text(plan: dict, arithmetic: bool = True) -> str:
    """Return the plan as text, planned and measured where a stage has been run."""
    heads = [
        "stage",
        "jobs",
        "requests",
        "texts",
        "tokens in",
        "distinct in",
        "tokens out",
        "GPU hours",
        "disk, GB",
        "US dollars",
    ]
    keys = (*COUNTS, "gpu_hours", "disk_gb", "cost_usd")
    rows = []
    for row in [*plan["rows"], {"stage": "together"} | plan["totals"]]:
        rows.append([row["stage"], *(number(row.get(key)) for key in keys)])
        if row.get("measured"):
            rows.append(["  measured", *(number(row["measured"].get(key)) for key in keys)])
    lines = scoreboard.table(heads, rows)
    if plan.get("left"):
        times = ", ".join(f"{kind} {factor} times" for kind, factor in plan["left"]["times_planned"].items())
        lines.append(
            f"Left: {plan['left']['gpu_hours']:,.1f} GPU hours. Finished jobs took, against the plan: {times}."
        )
    disk = number(plan["totals"]["most_disk_gb"])
    lines.append(f"GPU hours are of {plan['card']} cards. Most disk used at one time: {disk} GB.")
    if plan.get("clock_hours"):
        gpus = f"{plan['gpus']} GPU{'s' if plan['gpus'] > 1 else ''}"
        lines.append(f"Wall-clock time on {gpus}: {plan['clock_hours']:,.1f} hours.")
    return "\n".join([*lines, "", *plan["arithmetic"]] if arithmetic else [*lines, "--explain shows the arithmetic."])
