"""RewardBench 2 (Malik et al., arXiv 2506.01937): best of four, and ties with several right answers; 1,865 rows.

In the subsets Factuality, Precise IF, Math, Safety and Focus one of four answers is right. The Ties subset has each of
its questions once with one right answer (id "ref:<n>") and once with several ("tied:<n>").
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from metarewarding.errors import UserError
from metarewarding.evaluation.preference_rows import PreferenceItem, benchmark, check_items, item, read_items
from metarewarding.records import Judgment, read_jsonl
from metarewarding.ties import TOLERANCE

# Columns, subsets, licence and the number of rows are those of the card of the dataset allenai/reward-bench-2.
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
    return check_items(rows, path)


def ties_score(items: Iterable[PreferenceItem], means: Mapping[str, float]) -> float | None:
    """Return the published score of the Ties subset, in percent; None where no question has both of its rows.

    ``means``: {response_id: score}; a row of which a response has none counts as wrong. The formula is that of
    ``process_single_model`` in rewardbench/utils.py of allenai/reward-bench (a009692): 30 % each for the tied and the
    reference rows where all right answers score above the wrong ones, 20 % each for gaps to the wrong answers that are
    wider than the spread of the right ones, and 1 % for how much wider they are.
    """
    import numpy as np

    gaps: dict[str, dict[str, float]] = {"ref": {}, "tied": {}}  # lowest right score minus highest wrong one
    spreads = {}  # highest right score minus lowest
    for row in items:
        if row["subset"].lower() != "ties":
            continue
        kind, _, question = row["item_id"].removeprefix("reward_bench_2/").partition(":")
        if kind not in gaps:
            raise UserError(f"RewardBench 2: the id of the row '{row['item_id']}' must begin with ref: or tied:.")
        scores = {r["response_id"]: means.get(r["response_id"], np.nan) for r in row["responses"]}
        right = [score for identity, score in scores.items() if identity in row["best"]]
        wrong = [score for identity, score in scores.items() if identity not in row["best"]]
        gaps[kind][question] = np.min(right) - np.max(wrong)
        if kind == "tied":
            spreads[question] = np.max(right) - np.min(right)
    questions = sorted(gaps["ref"].keys() & gaps["tied"].keys())
    if not questions:
        return None
    tied, reference = (np.array([gaps[kind][question] for question in questions]) for kind in ("tied", "ref"))
    spread, narrower = np.array([spreads[question] for question in questions]), np.minimum(tied, reference)
    with np.errstate(divide="ignore", invalid="ignore"):
        wider = np.nan_to_num(np.tanh(narrower / spread - 1), nan=0.0)
    shares = [np.mean(np.array(list(gaps[kind].values())) > TOLERANCE) for kind in ("tied", "ref")]
    shares += [np.mean(gap > spread + TOLERANCE) for gap in (tied, narrower)]
    return 100 * float(np.dot([0.3, 0.3, 0.2, 0.2, 0.01], [*shares, np.mean(wider)]))


def score(files, own: Mapping, model: str, seed: int) -> dict:
    """Return the score of every preference benchmark, and ``ties_score``."""
    from metarewarding import judging

    means = judging.mean_scores(read_jsonl(files["judgments"], Judgment))
    return COMMON.score(files, own, model, seed) | {"ties_score": ties_score(read_items(files["preferences"]), means)}


COMMON = benchmark(
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
BENCHMARK = replace(COMMON, score=score)
