"""Write docs/rules.md, the graph of the laptop run's rules, and workflow/report/rules.csv, the edges of all configs.

envs/run python workflow/draw_rules.py

Snakemake prints the graphs, and here they are sorted. The page of a run uses the CSV to draw its rules.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE, EDGES = ROOT / "docs/rules.md", ROOT / "workflow/report/rules.csv"
LAPTOP = ()
# together, these runs use the rules that are drawn; a rule that none of them uses has no lines on the page
CONFIGS = (LAPTOP, ("config/paper.yaml",), ("config/paper.yaml", "config/judge_benchmarks.yaml"))


def edges(graph: str) -> set[tuple[str, str]]:
    """Return the edges of ``graph``, the output of `snakemake --rulegraph mermaid-js`, without the target `all`."""
    names = dict(re.findall(r"(id\d+)\[(\w+)\]", graph))
    pairs = {(names[a], names[b]) for a, b in re.findall(r"(id\d+) --> (id\d+)", graph)}
    return {(a, b) for a, b in pairs if a != b and b != "all"}


def page(graph: str) -> str:
    """Return docs/rules.md for ``graph``."""
    lines = [f"    {a} --> {b}" for a, b in sorted(edges(graph))]
    head = "# The rules of the laptop run\n\nWritten by `envs/run python workflow/draw_rules.py`; do not edit.\n"
    return "\n".join([head, "```mermaid", "flowchart TB", *lines, "```", ""])


def table(graphs: list[str]) -> str:
    """Return workflow/report/rules.csv for ``graphs``."""
    every = sorted(set().union(*map(edges, graphs)))
    return "from,to\n" + "".join(f"{a},{b}\n" for a, b in every)


def options(config: tuple[str, ...]) -> list[str]:
    """Return the options of `snakemake` that print the graph of a run with ``config``."""
    return ["--rulegraph", "mermaid-js", *(("--configfile", *config) if config else ())]


def main() -> None:
    graphs = []
    for config in CONFIGS:
        command = [sys.executable, "-m", "snakemake", *options(config)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(done.stderr)
        graphs.append(done.stdout)
    PAGE.write_text(page(graphs[CONFIGS.index(LAPTOP)]), encoding="utf-8")
    EDGES.write_text(table(graphs), encoding="utf-8")


if __name__ == "__main__":
    main()
