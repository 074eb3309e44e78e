"""Write docs/rules.md: the graph of the laptop run's rules, as Snakemake prints it, in an order that does not vary.

envs/run python workflow/draw_rules.py
"""

import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parent.parent / "docs/rules.md"


def page(graph: str) -> str:
    """Return the page for ``graph``, the output of `snakemake --rulegraph mermaid-js`."""
    names = dict(re.findall(r"(id\d+)\[(\w+)\]", graph))
    edges = sorted({(names[a], names[b]) for a, b in re.findall(r"(id\d+) --> (id\d+)", graph)})
    lines = [f"    {a} --> {b}" for a, b in edges if a != b and b != "all"]
    head = "# The rules of the laptop run\n\nWritten by `envs/run python workflow/draw_rules.py`; do not edit.\n"
    return "\n".join([head, "```mermaid", "flowchart TB", *lines, "```", ""])


def main() -> None:
    words = [sys.executable, "-m", "snakemake", "--rulegraph", "mermaid-js"]
    done = subprocess.run(words, cwd=PAGE.parent.parent, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(done.stderr)
    PAGE.write_text(page(done.stdout), encoding="utf-8")


if __name__ == "__main__":
    main()
