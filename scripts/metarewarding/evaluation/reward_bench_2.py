"""RewardBench 2 (Malik et al., arXiv 2506.01937): best of four, and ties with several right answers; 1,865 rows.

The published score of the Ties subset weighs the gaps between scores; here, as in every preference benchmark, a row
counts as right when the highest score belongs to a right answer.
"""

from metarewarding.errors import UserError
from metarewarding.evaluation.preference_rows import PreferenceItem, benchmark, checked, item

COLUMNS = ("id", "prompt", "chosen", "rejected", "subset")


def read(files: dict[str, str]) -> list[PreferenceItem]:
    """Return the rows of the parquet file: ``chosen`` and ``rejected`` are lists of texts, all chosen ones right."""
    import pyarrow.parquet as parquet

    path = files["reward_bench_2_test"]
    try:
        table = parquet.read_table(path, columns=list(COLUMNS)).to_pylist()
    except (OSError, ValueError) as error:  # pyarrow's errors derive from these
        raise UserError(f"{path}: not a readable parquet file with {', '.join(COLUMNS)} ({error}).") from None
    rows = []
    for row in table:
        missing = [key for key in COLUMNS if row.get(key) is None]
        if missing or not all(isinstance(row[key], list) and row[key] for key in ("chosen", "rejected")):
            raise UserError(f"{path}: the row {row.get('id')!r} needs lists of texts under chosen and rejected.")
        best = range(len(row["chosen"]))
        responses = row["chosen"] + row["rejected"]
        rows.append(item(f"reward_bench_2/{row['id']}", row["prompt"], responses, best, row["subset"]))
    return checked(rows, path)


BENCHMARK = benchmark(
    name="reward_bench_2",
    title="RewardBench 2",
    description="RewardBench 2: best of four, and ties (1,865 rows; ODC-BY).",
    licence="ODC-BY",
    sources={
        "reward_bench_2_test": (
            "hub",
            "datasets/allenai/reward-bench-2/resolve/{revision}/data/test-00000-of-00001.parquet",
            None,
        )
    },
    read=read,
    revision={
        "type": ["string", "null"],
        "default": None,
        "description": "Commit of the hub's dataset allenai/reward-bench-2; it must be given where the benchmark runs.",
    },
)
