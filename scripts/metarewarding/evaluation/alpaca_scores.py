"""AlpacaEval 2's scores by the alpaca_eval package: win rates, length-controlled and by category.

The length control needs a file of the hub; if its path is given, nothing is fetched.
"""

import hashlib
import json
import warnings
from collections.abc import Iterable, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from metarewarding.errors import UserError
from metarewarding.evaluation.alpaca_package import package

FULL = 805  # rows of the whole benchmark
# Hash of the 805 instructions in canonical order, joined by NUL. The length control looks up the difficulty of an
# instruction by its row number, so rows in another order would give a wrong score without an error.
CANONICAL = "bfe8c45991f635de0b1f94abeeb1335ef665d58eddd87ddf6fa71b7b0c2ce7a5"
# The revision of the hub's dataset with the length control's file.
HUB_REVISION = "2edc6fad8be6b14ea7230aabfd08188da6b8b814"


def alpaca_eval_scores(
    annotations: str | Path, gamed: str | Path | None = None, reference: str | Path | None = None
) -> dict:
    """Return {win_rate, win_rate_se, lc_win_rate, lc_win_rate_se, avg_length, n} of alpaca_eval's ``annotations``.

    Rates and standard errors are in percent and the package's own; ``n`` is the number of verdicts. The
    length-controlled ones need all 805 rows and are None for a subset. ``gamed`` is the hub's df_gamed.csv;
    without it the package looks in the hub's cache, then asks the hub. With ``reference`` (the reference
    outputs) rows in another order are put in canonical order; without it they are refused.
    """
    import pandas

    rows = read_rows(annotations, "instruction", "output_2", "preference")
    if not rows:
        raise UserError(f"{annotations}: no rows.")
    if reference:
        order = {row["instruction"]: i for i, row in enumerate(read_rows(reference, "instruction"))}
        unknown = next((row["instruction"] for row in rows if row["instruction"] not in order), None)
        if unknown is not None:
            raise UserError(f"{annotations}: the instruction {unknown[:80]!r} is not in {reference}.")
        rows.sort(key=lambda row: order[row["instruction"]])
    if all(row["preference"] is None for row in rows):
        raise UserError(f"{annotations}: no row has a verdict (preference), so there is nothing to score.")
    whole = len(rows) == FULL
    if whole and instructions_sha256(rows) != CANONICAL:
        raise UserError(
            f"{annotations}: {FULL} rows, but not AlpacaEval 2's instructions in their canonical order, by which the "
            "length-controlled win rate is computed. Give the reference outputs too, and rows are put in order; "
            "rows with other instructions have no length-controlled win rate."
        )
    table = pandas.DataFrame(rows)
    metrics = _length_controlled(table, gamed) if whole else package("metrics").get_winrate(table)
    error = float(metrics["standard_error"])
    return {
        "win_rate": float(metrics["win_rate"]),
        "win_rate_se": None if error != error else error,  # undefined for one verdict
        "lc_win_rate": float(metrics["length_controlled_winrate"]) if whole else None,
        "lc_win_rate_se": float(metrics["lc_standard_error"]) if whole else None,
        "avg_length": int(table["output_2"].str.len().mean()),  # cut, not rounded, as in the package
        "n": int(metrics["n_total"]),
    }


def category_win_rates(annotations: str | Path, categories: Mapping[str, str]) -> dict[str, dict]:
    """Return {category: {win_rate, n}}: the percentage of verdicts won, each counted whole, a tie as half.

    ``categories`` maps an instruction, or a prompt_id where the rows have one, to its category; rows that
    it does not name are left out.
    """
    import pandas

    grouped: dict[str, list[dict]] = {}
    for row in read_rows(annotations, "instruction", "preference"):
        category = categories.get(row["instruction"], categories.get(row.get("prompt_id")))
        if category is not None and row["preference"] is not None:
            grouped.setdefault(category, []).append(row)
    get_winrate = package("metrics").get_winrate
    rates = {}
    for category, rows in sorted(grouped.items()):
        metrics = get_winrate(pandas.DataFrame(rows))
        rates[category] = {"win_rate": float(metrics["discrete_win_rate"]), "n": int(metrics["n_total"])}
    return rates


def read_rows(path: str | Path, *fields: str) -> list[dict]:
    """Return the rows of a JSON file in alpaca_eval's format; each instruction occurs once, each row has ``fields``."""
    try:
        rows = json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path}: not a complete JSON file ({error}).") from None
    if not isinstance(rows, list):
        raise UserError(f"{path}: a list of rows was expected, as alpaca_eval writes it.")
    seen = set()
    for number, row in enumerate(rows):
        for field in fields:
            if not isinstance(row, dict) or field not in row:
                raise UserError(f"{path}, row {number}: the field '{field}' is missing.")
            kinds = (int, float, type(None)) if field == "preference" else (str,)
            if not isinstance(row[field], kinds):
                raise UserError(f"{path}, row {number}: the field '{field}' is {json.dumps(row[field])[:80]}.")
        if row["instruction"] in seen:
            raise UserError(f"{path}, row {number}: the instruction {row['instruction'][:80]!r} occurs twice.")
        seen.add(row["instruction"])
    return rows


def instructions_sha256(rows: Iterable[dict]) -> str:
    return hashlib.sha256("\0".join(row["instruction"] for row in rows).encode()).hexdigest()


def _length_controlled(table, gamed: str | Path | None) -> dict:
    import sklearn
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    metrics = package("metrics")
    # The package sets a global option of scikit-learn, and uses deprecated parameters of it.
    with sklearn.config_context(), warnings.catch_warnings(), hub_folder(gamed):
        warnings.simplefilter("ignore", FutureWarning)
        try:
            return metrics.get_length_controlled_winrate(table, save_weights_dir=None)
        except (HfHubHTTPError, LocalEntryNotFoundError) as error:
            raise UserError(
                "AlpacaEval's df_gamed.csv, which the length-controlled win rate needs, was not given, is not in "
                f"the hub's cache, and cannot be fetched: {error}"
            ) from None


@contextmanager
def hub_folder(gamed: str | Path | None):
    """Let the package find ``gamed`` as its copy of the hub's df_gamed.csv, without network, while the block runs."""
    if gamed is None:
        yield
        return
    import huggingface_hub.constants as hub

    if not Path(gamed).is_file():
        raise UserError(f"{gamed} is not a file: AlpacaEval's df_gamed.csv was expected there.")
    constants = package("constants")
    before = constants.DEFAULT_CACHE_DIR, hub.HF_HUB_OFFLINE
    with TemporaryDirectory() as folder:
        dataset = Path(folder) / "datasets--tatsu-lab--alpaca_eval"
        snapshot = dataset / "snapshots" / HUB_REVISION
        snapshot.mkdir(parents=True)
        (snapshot / "df_gamed.csv").symlink_to(Path(gamed).resolve())
        (dataset / "refs").mkdir()
        (dataset / "refs" / "main").write_text(HUB_REVISION)
        constants.DEFAULT_CACHE_DIR, hub.HF_HUB_OFFLINE = folder, True
        try:
            yield
        finally:
            constants.DEFAULT_CACHE_DIR, hub.HF_HUB_OFFLINE = before
