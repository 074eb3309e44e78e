"""What earlier tries of a SLURM job were short of, from the logs that SLURM wrote."""

import re
from pathlib import Path

# Messages of slurmstepd when it ends a job: at a cgroup's limit, at its own accounting's limit, at the time limit.
SIGNS = {
    "mem_mb": re.compile(r"oom[-_ ]?kill|Out Of Memory|exceeded .{0,20}memory limit", re.IGNORECASE),
    "runtime": re.compile(r"DUE TO TIME LIMIT"),
}


def count(logs: str | Path, rule: str, wildcards, resource: str) -> int:
    """Return how many tries of a job ended for lack of ``resource`` (mem_mb, runtime) since its last success.

    ``logs`` is the profile's `slurm-logdir`, where the plugin writes <logs>/rule_<rule>/<values of
    wildcards>/<job>.log. The log of a successful job ends with "(100%) done". 0 where there are no logs.
    """
    folder = Path(logs, f"rule_{rule}", "_".join(map(str, wildcards)).replace("/", "_"))
    short = 0
    for path in sorted(folder.glob("*.log"), key=lambda path: path.stat().st_mtime, reverse=True):
        text = path.read_text(errors="replace")
        if "(100%) done" in text:
            break
        short += SIGNS[resource].search(text) is not None
    return short
