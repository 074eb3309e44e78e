"""Compare finished runs on one page: settings that differ, scores with differences and intervals, curves.

    envs/run python workflow/compare.py results/studies/a results/studies/b [more ...] [--output compare.html]

Reads report/metrics.json and report/manifest.json of each results root. Differences are from the first root.
"""

import argparse
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent.parent / "scripts")]

from metarewarding.errors import UserError  # noqa: E402
from metarewarding.records import read_json, replacing  # noqa: E402
from metarewarding.reporting import comparison, page, summary  # noqa: E402

TEMPLATE = Path(__file__).parent / "report/compare.html.jinja"


def read(root: str, name: str) -> dict:
    path = Path(root, "report", name)
    if not path.is_file():
        raise UserError(f"{path}: there is no such file. Is {root} the results root of a finished run?")
    return read_json(path)


def compare(roots: list[str]) -> str:
    """Return the HTML of the page."""
    names = comparison.labels(roots)
    runs = {name: read(root, "metrics.json") for name, root in zip(names, roots, strict=True)}
    configs = {name: read(root, "manifest.json")["config"] or {} for name, root in zip(names, roots, strict=True)}
    drawn = comparison.figures(runs)
    page.draw(drawn)
    headers = [summary.facts(collected, collected["run"]) for collected in runs.values()]
    keys = list(dict.fromkeys(key for header in headers for key, _ in header))
    return page.render(
        TEMPLATE,
        drawn,
        title=f"Comparison: {', '.join(names)}",
        names=names,
        verdicts={name: summary.verdict(collected) for name, collected in runs.items()},
        runs=[[key, *(dict(header).get(key, "–") for header in headers)] for key in keys],
        tables=comparison.scoreboard(runs),
        settings=comparison.settings(configs),
        linked=False,
    )


def main(words: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("roots", nargs="+", metavar="ROOT", help="a results root; at least two")
    parser.add_argument("--output", default="compare.html", help="the page to write")
    given = parser.parse_args(words)
    if len(given.roots) < 2:
        parser.error("at least two results roots are needed.")
    try:
        html = compare(given.roots)
    except UserError as error:
        sys.exit(f"error: {error}")
    with replacing(given.output) as file:
        file.write(html)
    print(given.output)


if __name__ == "__main__":
    main(sys.argv[1:])
