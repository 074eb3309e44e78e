"""What all sections share: runs in the order A B A B, one row of the table, texts of a given length."""

import os
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

WORDS = """the answer to a question is often longer than one thinks and people who read it want to know first what it
says about their own case then why that should be so and only at the end what else could have been done with more time
or better tools because most problems in practice are simple when somebody explains them with an
example that fits""".split()


def alternate(ours: Callable, other: Callable, rounds: int = 2) -> tuple[float, float, list, list]:
    """(median seconds of ours, of the other, what each call of ours returned, of the other), in the order A B A B."""
    seconds: tuple[list, list] = ([], [])
    returned: tuple[list, list] = ([], [])
    for _ in range(rounds):
        for i, function in enumerate((ours, other)):
            start = time.perf_counter()
            returned[i].append(function())
            seconds[i].append(time.perf_counter() - start)
    return median(seconds[0]), median(seconds[1]), *returned


def row(what: str, ours: float, other: float, other_name: str, unit: str = "s", target: str = "", **more) -> dict:
    """One row of the table. ``more``: met (bool, where there is a target), note.

    The ratio is the other's value over ours, so above 1 is better where the value is a time.
    """
    return {
        "what": what,
        "ours": ours,
        "other": other,
        "other_name": other_name,
        "unit": unit,
        "ratio": other / ours if ours and other else None,
        "target": target,
        "met": more.get("met"),
        "note": more.get("note", ""),
    }


def text(chars: int, key: str) -> str:
    """English words of about ``chars`` characters, the same for the same ``key``."""
    drawn, words, length = random.Random(key), [], 0
    while length < chars:
        words.append(drawn.choice(WORDS))
        length += len(words[-1]) + 1
    return " ".join(words)


def flags() -> set[str]:
    """The CPU's flags, empty where /proc/cpuinfo has none."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("flags"):
            return set(line.split(":", 1)[1].split())
    return set()


def hardware_bfloat16() -> bool:
    """Whether this CPU computes bfloat16 in hardware."""
    return bool(flags() & {"avx512_bf16", "amx_bf16"})


def peak_memory_mb() -> float:
    """The most memory that this process has had, in MB (ru_maxrss would count its parent's too)."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


class Others:
    """The share of all cores that other processes used while the block ran, in ``share``."""

    def __enter__(self):
        self.start = self._now()
        return self

    def __exit__(self, *error):
        total, busy, own = (after - before for before, after in zip(self.start, self._now(), strict=True))
        self.share = max(0.0, (busy - own) / total) if total else 0.0

    @staticmethod
    def _now() -> tuple[float, float, float]:
        ticks = os.sysconf("SC_CLK_TCK")
        values = [int(value) / ticks for value in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
        own = os.times()
        idle = values[3] + values[4]
        return sum(values), sum(values) - idle, own.user + own.system + own.children_user + own.children_system


def quiet():
    """A block whose writes to stdout and stderr, progress bars and libraries' words, are dropped."""
    from metarewarding.jobs.job import output_to

    return output_to(os.devnull)
