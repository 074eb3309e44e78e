"""The scoreboard for the terminal: models by metric, in any width."""

import math

from metarewarding.evaluation import registry
from metarewarding.reporting.metrics import score_of, value_at
from metarewarding.reporting.summary import duration

# (column, place in a model's row, format, factor), after those of the benchmarks
COLUMNS = [
    ("length, chars", "length", "{:.0f}", 1),
    ("judge parse", "agreement.parse_rate", "{:.0f} %", 100),
    ("agreement", "agreement.agreement", "{:.1f} %", 100),
    ("spearman", "agreement.spearman", "{:.2f}", 1),
    ("pairs a/j", "trained", "{}", None),
]
GAP = "  "
BOLD, DIM, PLAIN = "\033[1m", "\033[2m", "\033[0m"


def board(metrics: dict) -> tuple[list[str], list[list[str]]]:
    """Return (column names, a row of texts for each model); the first column is the model's name.

    A column that no model has is left out.
    """
    rows = [facts(row) for row in metrics["models"]]
    columns = [
        (head, [marked(score_of(row, name), place, form) for row in rows])
        for name, known in registry.every().items()
        for head, place, form in known.board
    ]
    columns += [
        (head, [cell(value_at(row, place), form, factor) for row in rows]) for head, place, form, factor in COLUMNS
    ]
    columns = [(head, cells) for head, cells in columns if set(cells) != {"-"}]
    models = [row["model"] for row in metrics["models"]]
    return ["model", *(head for head, _ in columns)], [
        [model, *cells] for model, *cells in zip(models, *(cells for _, cells in columns), strict=True)
    ]


def facts(row: dict) -> dict:
    """Return a model's row with the values that the board combines."""
    arena, pairs = row["arena"], row["pairs"] or {}
    counts = "/".join(str(pairs[kind]["pairs"]) if kind in pairs else "-" for kind in ("actor", "judge"))
    interval = f"{arena['ci_low']:.1f} to {arena['ci_high']:.1f}" if arena and row["model"] != "seed" else None
    lengths = [
        value_at(score_of(row, name), known.length[0]) for name, known in registry.every().items() if known.length
    ]
    return row | {
        "arena": arena and arena | {"interval": interval},
        "length": next((length for length in lengths if length is not None), None),
        "trained": counts if pairs else None,
    }


def marked(score: dict | None, place: str, form: str) -> str:
    """Return the cell of a benchmark's score, with a mark where it is from a part of the questions: not comparable."""
    value = value_at(score, place)
    return cell(value, form, None) + (" (subset)" if value is not None and score.get("complete") is False else "")


def cell(value, form: str, factor: float | None) -> str:
    return "-" if value is None else form.format(value if factor is None else value * factor)


def times(metrics: dict) -> tuple[list[str], list[list[str]]]:
    """Return (column names, a row of texts for each stage), the longest stage first."""
    stages = sorted(metrics["stages"].items(), key=lambda item: -item[1]["seconds"])
    total = sum(stage["seconds"] for _, stage in stages)
    rows = [
        [name, str(stage["jobs"]), duration(stage["seconds"]), f"{100 * stage['seconds'] / (total or 1):.0f} %"]
        for name, stage in stages
    ]
    return ["where the time went", "jobs", "time", "share"], [*rows, ["together", "", duration(total), ""]]


def render(metrics: dict, note: str | None = None, width: int = 120, colour: bool = False) -> str:
    """Return the whole text; only a single long word makes a line longer than ``width``."""
    warnings = [f"! {alert['title']}: {'; '.join(alert['cases'])}" for alert in metrics["alerts"]]
    parts = [table(*board(metrics), width, colour), table(*times(metrics), width, colour)]
    parts += [line for text in [*warnings, *([note] if note else [])] for line in (["", *wrapped(text, width)])]
    return "\n".join([*parts[0], "", *parts[1], *parts[2:]]) + "\n"


def table(head: list[str], rows: list[list[str]], width: float = math.inf, colour: bool = False) -> list[str]:
    """Return lines of at most ``width``: one table or, where that is too wide, a block for each row."""
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    paint = (lambda text, code: f"{code}{text}{PLAIN}") if colour else (lambda text, code: text)
    if sum(widths) + len(GAP) * (len(widths) - 1) > width:
        return stacked(head, rows, width, paint)

    def line(row: list[str]) -> str:
        padded = [
            text.ljust(size) if i == 0 else text.rjust(size)
            for i, (text, size) in enumerate(zip(row, widths, strict=True))
        ]
        return GAP.join(padded)

    return [paint(line(head), BOLD), paint(line(["-" * size for size in widths]), DIM), *map(line, rows)]


def stacked(head: list[str], rows: list[list[str]], width: int, paint) -> list[str]:
    lines = []
    for name, *values in rows:
        cells = [f"{column} {value}" for column, value in zip(head[1:], values, strict=True) if value not in ("-", "")]
        lines += [paint(line, BOLD) for line in wrapped(name, width)]
        lines += [f"  {line}" for line in wrapped(", ".join(cells), max(width - 2, 1))]
    return lines


def wrapped(text: str, width: int) -> list[str]:
    import textwrap

    return textwrap.wrap(text, max(width, 10), break_long_words=False, break_on_hyphens=False)
