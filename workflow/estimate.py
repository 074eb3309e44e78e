"""How long a run will take on this machine, printed when it starts."""

import subprocess
import sys
from pathlib import Path

# Seconds that a job takes in addition to its work: imports, weights, warm-up. Measured on two cores of a CPU.
STARTS = {"fetch": 30, "train": 12, "sample": 13, "ask": 13, "save": 0}  # by kind of stage (plan.py)
LOCAL_JOBS = 45  # seconds of all jobs without a model
# A token of a 135M-parameter model: seconds that do not depend on the matrix rate (memory, the sampler), and FLOP-bound
# ones as a multiple of 2 FLOP a parameter; from runs at 110 and at about 600 GFLOP/s.
WRITING_FIXED, WRITING, READING, TRAINING = 0.003 / 1.345e8, 1.8, 1.3, 1.25

_RATE = """
import sys, time
sys.path.insert(0, sys.argv[1])
import torch
from metarewarding.engines.precision import resolve_dtype
dtype = resolve_dtype(sys.argv[2], gpu=False)
a, b = (torch.randn(shape, dtype=getattr(torch, dtype)) for shape in ((512, 576), (576, 1536)))
best = 0.0
for _ in range(5):
    start = time.perf_counter()
    for _ in range(20):
        a @ b
    best = max(best, 20 * 2 * 512 * 576 * 1536 / (time.perf_counter() - start))
print(dtype, best)
"""


def matrix_rate(scripts: str | Path, dtype: str) -> tuple[str, float] | None:
    """Return (type, FLOP/s) of matrix products in the type that ``dtype`` means here; None without PyTorch."""
    run = subprocess.run([sys.executable, "-c", _RATE, str(scripts), dtype], capture_output=True, text=True)
    if run.returncode != 0:
        return None
    dtype, rate = run.stdout.split()
    return dtype, float(rate)


def seconds(plan: dict, root: str | Path, rate: float, parameters: float) -> float:
    """Return the seconds that the unfinished part of ``plan`` (see plan.py) takes, one job at a time, without a GPU."""
    total = 0.0 if Path(root, "report/index.html").is_file() else LOCAL_JOBS
    for row in plan["rows"]:
        left = sum(not Path(root, name).is_file() for name in row["files"]) / max(len(row["files"]), 1)
        flop = 2 * parameters
        work = row["output_tokens"] * parameters * WRITING_FIXED
        work += (row["output_tokens"] * WRITING + row["distinct_prompt_tokens"] * READING) * flop / rate
        if row["kind"] == "train":
            work = row["prompt_tokens"] * row["passes"] * flop * TRAINING / rate
        if row["kind"] == "ask" and row["cost_usd"] is not None:  # a server elsewhere computes these verdicts
            work = 0
        total += left * (row["jobs"] * STARTS[row["kind"]] + work)
    return total


def line(plan: dict, settings: dict, scripts: str | Path) -> str | None:
    """Return the line that a run prints at its start; None where nothing is left to do or nothing is known."""
    root, gpu_hours = settings["pathvars"].get("results", "results"), plan["totals"]["gpu_hours"]
    if gpu_hours is not None:
        hint = "workflow/plan.py --explain shows the arithmetic"
        return f"Planned in all: {gpu_hours:,.1f} GPU hours on {plan['card']} ({hint})."
    measured = matrix_rate(scripts, settings["engine"]["dtype"])
    if measured is None:
        return None
    dtype, rate = measured
    minutes = seconds(plan, root, rate, plan["parameters"]) / 60
    if minutes < 0.5:
        return None
    return (
        f"The whole run will take about {minutes:.0f} minutes on this machine if nothing else uses it "
        f"({dtype}, {rate / 1e9:.0f} GFLOP/s; finished jobs are not included)."
    )
