"""The benchmarks run at small sizes, and their table shows missed targets and missing measurements."""

import json
import subprocess
import sys

import pytest
from conftest import ROOT

sys.path.insert(0, str(ROOT / "tests/bench"))
import bench
import measure


def run(*words):
    return subprocess.run(
        [sys.executable, ROOT / "tests/bench/bench.py", *words], capture_output=True, text=True, timeout=300
    )


@pytest.mark.slow
def test_small_sizes_are_measured_and_written_nowhere():
    before = {path: path.stat().st_mtime_ns for path in (ROOT / "tests/bench").glob("*")}
    done = run("--quick", "elo", "pairs", "rows", "prompt_filter")
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("|")]
    assert [line.split(" | ")[0] for line in lines] == [*["| elo"] * 2, "| pairs", *["| rows"] * 2, "| prompt_filter"]
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_an_unknown_section_is_refused_with_the_known_ones():
    done = run("--quick", "ello")
    assert done.returncode == 2
    assert "unknown section ello; choose from responses," in done.stderr


def test_a_section_that_needs_the_model_says_how_to_make_it(tmp_path):
    done = run("--quick", "elo", "sft", "--model", tmp_path)
    assert done.returncode == 2
    assert "snakemake results/seed/weights" in done.stderr


def test_ours_and_the_other_alternate_and_the_median_counts(monkeypatch):
    calls, clock = [], iter([0, 1, 1, 11, 11, 14, 14, 34])  # ours takes 1 and 3 s, the other 10 and 20
    monkeypatch.setattr(measure.time, "perf_counter", lambda: next(clock))
    ours, other, _, returned = measure.alternate(lambda: calls.append("a"), lambda: calls.append("b") or len(calls))
    assert (calls, ours, other, returned) == (["a", "b", "a", "b"], 2, 15, [2, 4])


def section(*rows):
    machine = {"cpu": "A CPU", "flags": ["avx2"], "cores": 2, "memory_gb": 8.0, "versions": {"numpy": "2.0"}}
    return {"rows": list(rows), "seconds": 9.0, "date": "2026-01-02", "others": 0.25, "machine": machine}


@pytest.mark.parametrize(("met", "word"), [(True, "yes"), (False, "**no**")])
def test_the_table_says_whether_a_target_is_met(met, word):
    row = measure.row("Elo", 2.0, 5.0, "scipy", target="< 3 s", met=met, note="one core")
    text = bench.render({"avx2": {"elo": section(row)}})
    assert f"| elo | Elo | 2 s | 5 s | scipy | 2.5 | < 3 s | {word} |" in text
    assert "- **Elo**: one core." in text
    assert "Other processes used 25% to 25% of the cores" in text


def test_what_is_not_measured_is_named():
    text = bench.render({"avx2": {"elo": section(measure.row("Elo", 2.0, 5.0, "scipy"))}})
    hardware, avx2, _ = text.split("## ")[1:]
    assert "Not measured." in hardware
    assert "| rows | not measured |" in avx2


def test_the_page_is_that_of_the_stored_measurements():
    results = json.loads((ROOT / "tests/bench/results.json").read_text())
    assert (ROOT / "tests/bench/RESULTS.md").read_text() == bench.render(results)
