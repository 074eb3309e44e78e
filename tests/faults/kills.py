"""Kill a smoke run at many moments, resume it each time, and compare the result with an undisturbed run, byte for byte.

envs/run python tests/faults/kills.py             # 30 kills; prints a table and ends with status 1 if a byte differs

Each round starts from nothing, is killed (SIGKILL to Snakemake alone, so its jobs are orphans) at a moment drawn from
the undisturbed run's length, and goes on with the same command, as a user would. `--kills N` kills N times in all,
`--each M` of them in one run. `--calm FOLDER` names a project with a finished run, instead of a first one.
`--after-sft` starts each round from M0's weights: with many kills in a round, SFT begins anew each time, and no later
rule is met.
"""

import argparse
import hashlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "support"), str(TESTS.parent / "scripts")]

from conftest import copy_project, environment  # noqa: E402

from metarewarding.jobs.driver import descendants, identity  # noqa: E402

RESULTS = "results/smoke"
WORDS = [sys.executable, "-m", "snakemake", "--configfile", "config/smoke.yaml"]


def hashes(project: Path) -> dict[str, str]:
    """Return {path: sha256} of all rows and weights, without files that contain seconds."""
    kept = [path for path in (project / RESULTS).rglob("*") if path.suffix in (".jsonl", ".safetensors")]
    # a store is written in the order of drawing, and what is kept is a second name
    paths = [path for path in kept if "completions" not in path.name and ".kept" not in path.parts]
    return {str(p.relative_to(project)): hashlib.sha256(p.read_bytes()).hexdigest() for p in paths}


def rules_of(pids: list[int]) -> set[str]:
    """Return the rules of the programs that these processes run."""
    result = set()
    for pid in pids:
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes().decode()
        except OSError:  # it has ended
            continue
        result |= set(re.findall(r"scripts/(?:tmp\w+\.|train/)(\w+)\.py", command))
    return result


def drawn_twice(project: Path) -> int:
    """Return the completions in the stores that were drawn more than once."""
    count = 0
    for path in (project / RESULTS).rglob("*completions.jsonl"):
        keys = re.findall(r'^{"key": "(\w+)"', path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        count += len(keys) - len(set(keys))
    return count


def default_signals() -> None:
    """Undo what a process inherits where this one runs in the background or under nohup."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def start(project: Path, **options) -> subprocess.Popen:
    """Start the smoke run in ``project``; ``options`` of Popen."""
    options |= {"cwd": project, "env": environment(), "preexec_fn": default_signals}
    with open(project / "run.log", "ab") as log:
        return subprocess.Popen(WORDS, stdout=log, stderr=log, **options)


def unlock(project: Path) -> None:
    subprocess.run([*WORDS, "--unlock"], cwd=project, env=environment(), capture_output=True, check=True)


def kill_once(project: Path, seconds: float) -> dict:
    """Start the run, kill it after ``seconds``, and wait until the jobs have ended.

    Return the files that were finished before and survived.
    """
    process, begun = start(project), time.monotonic()
    while process.poll() is None and time.monotonic() - begun < seconds:
        time.sleep(0.05)
    finished = process.poll() is not None
    children = descendants(process.pid)
    rules = rules_of(children)
    # in time, and whole: what Snakemake has recorded as done
    process.send_signal(signal.SIGKILL)
    process.wait()
    killed, orphans = time.monotonic(), children
    while (orphans := [pid for pid in orphans if identity(pid)]) and time.monotonic() - killed < 60:
        time.sleep(0.05)
    for pid in orphans:
        os.kill(pid, signal.SIGKILL)
    return {"finished": finished, "rules": rules, "orphans": len(orphans), "ended": time.monotonic() - killed}


def trial(project: Path, moments: list[float], wanted: dict[str, str]) -> dict:
    """Kill one run at each of ``moments`` (seconds after a start), and then let it finish."""
    rounds = []
    for seconds in moments:
        rounds.append(kill_once(project, seconds))
        unlock(project)
    status = start(project).wait()
    result = hashes(project)
    differing = [path for path in wanted if result.get(path) != wanted[path]]
    return {
        "kills": sum(not of["finished"] for of in rounds),
        "rules": Counter(rule for of in rounds if not of["finished"] for rule in of["rules"] or ("no job",)),
        "orphans": sum(of["orphans"] for of in rounds),
        "slowest_end": max((of["ended"] for of in rounds), default=0.0),
        "status": status,
        "drawn_twice": drawn_twice(project),
        "lost": len(differing) + len(set(result) - set(wanted)),
    }


def copy_with_m0(calm: Path, folder: Path) -> Path:
    """Copy a finished run with M0's weights and nothing that was made from them."""
    shutil.copytree(calm, folder, symlinks=True)
    results = folder / RESULTS
    later = ["meta-rewarding", "self-rewarding", "report", "seed/benchmarks"]
    later += [f"m0/{name}" for name in ("responses", "judgments", "meta_judgments", "benchmarks")]
    for name in later:
        shutil.rmtree(results / name)
    return folder


def main(kills: int, each: int, seed: int, calm: Path | None, after_sft: bool) -> int:
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as scratch:
        length = 120.0
        if calm is None:
            calm, begun = copy_project(Path(scratch) / "calm"), time.monotonic()
            if start(calm).wait() != 0:
                print((calm / "run.log").read_text()[-3000:])
                return 1
            length = time.monotonic() - begun
        wanted = hashes(calm)
        print(f"undisturbed: {length:.0f} s, {len(wanted)} files compared", flush=True)
        total = {"kills": 0, "rules": Counter(), "orphans": 0, "drawn_twice": 0, "lost": 0, "failed": 0}
        while total["kills"] < kills:
            killed = Path(scratch) / "killed"
            project = copy_with_m0(calm, killed) if after_sft else copy_project(killed)
            moments = [chance.uniform(2, max(3, 1.2 * length / each)) for _ in range(min(each, kills - total["kills"]))]
            of = trial(project, moments, wanted)
            for key in ("kills", "rules", "orphans", "drawn_twice", "lost"):
                total[key] += of[key]
            total["failed"] += of["status"] != 0
            print(f"killed after {', '.join(f'{s:.1f}' for s in moments)} s: {of}", flush=True)
            shutil.rmtree(project)
        print(f"in all: {total}")
        return int(total["lost"] + total["failed"] + total["orphans"] > 0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--each", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--calm", type=Path)
    parser.add_argument("--after-sft", action="store_true")
    sys.exit(main(**vars(parser.parse_args())))
