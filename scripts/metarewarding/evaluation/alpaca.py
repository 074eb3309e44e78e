"""AlpacaEval 2 through the alpaca_eval package: it writes the judge's prompts, reads the verdicts and scores them.

The package never reaches the network from here. Its requests are collected, asked by ``judge_client``, and
the replies played back to it; the hub's file that its length control asks for can be given as a path.
"""

import hashlib
import importlib
import io
import json
import logging
import warnings
from collections.abc import Callable, Iterable, Mapping
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from tempfile import TemporaryDirectory

from metarewarding.errors import UserError
from metarewarding.jobs.sources import ALPACA_EVAL_HUB

FULL = 805  # rows of the whole benchmark
# Of the 805 instructions in canonical order, joined by NUL: the length control looks up how hard an
# instruction is by the number of its row, and rows in another order would be wrong without a word.
CANONICAL = "bfe8c45991f635de0b1f94abeeb1335ef665d58eddd87ddf6fa71b7b0c2ce7a5"

# -- scores


def alpaca_eval_scores(
    annotations: str | Path, gamed: str | Path | None = None, reference: str | Path | None = None
) -> dict:
    """{win_rate, win_rate_se, lc_win_rate, lc_win_rate_se, avg_length, n} of alpaca_eval's ``annotations``.

    Rates and standard errors are in percent and the package's own; ``n`` is the number of verdicts. The
    length-controlled ones need all 805 rows and are None for a subset. ``gamed`` is the hub's df_gamed.csv;
    without it the package looks in the hub's cache, then asks the hub. With ``reference`` (the reference
    outputs) rows in another order are put in canonical order; without it they are refused.
    """
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
    table = _pandas().DataFrame(rows)
    metrics = _length_controlled(table, gamed) if whole else _package("metrics").get_winrate(table)
    error = float(metrics["standard_error"])
    return {
        "win_rate": float(metrics["win_rate"]),
        "win_rate_se": None if error != error else error,  # one verdict has none
        "lc_win_rate": float(metrics["length_controlled_winrate"]) if whole else None,
        "lc_win_rate_se": float(metrics["lc_standard_error"]) if whole else None,
        "avg_length": int(table["output_2"].str.len().mean()),  # cut, not rounded, as in the package
        "n": int(metrics["n_total"]),
    }


def category_win_rates(annotations: str | Path, categories: Mapping[str, str]) -> dict[str, dict]:
    """{category: {win_rate, n}}: the percentage of verdicts won, each counted whole, a tie as half.

    ``categories`` maps an instruction, or a prompt_id where the rows have one, to its category; rows that
    it does not name are left out.
    """
    grouped: dict[str, list[dict]] = {}
    for row in read_rows(annotations, "instruction", "preference"):
        category = categories.get(row["instruction"], categories.get(row.get("prompt_id")))
        if category is not None and row["preference"] is not None:
            grouped.setdefault(category, []).append(row)
    get_winrate = _package("metrics").get_winrate
    rates = {}
    for category, rows in sorted(grouped.items()):
        metrics = get_winrate(_pandas().DataFrame(rows))
        rates[category] = {"win_rate": float(metrics["discrete_win_rate"]), "n": int(metrics["n_total"])}
    return rates


def read_rows(path: str | Path, *fields: str) -> list[dict]:
    """The rows of a JSON file in alpaca_eval's format; every instruction once, every row with ``fields``."""
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
            raise UserError(f"{path}, row {number}: the instruction {row['instruction'][:80]!r} stands there twice.")
        seen.add(row["instruction"])
    return rows


def instructions_sha256(rows: Iterable[dict]) -> str:
    return hashlib.sha256("\0".join(row["instruction"] for row in rows).encode()).hexdigest()


def _length_controlled(table, gamed: str | Path | None) -> dict:
    import sklearn
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    metrics = _package("metrics")
    # The package sets a global option of scikit-learn, and what it asks of it is deprecated there.
    with sklearn.config_context(), warnings.catch_warnings(), hub_folder(gamed):
        warnings.simplefilter("ignore", FutureWarning)
        try:
            return metrics.get_length_controlled_winrate(table, save_weights_dir=None)
        except (HfHubHTTPError, LocalEntryNotFoundError) as error:
            raise UserError(
                "AlpacaEval's df_gamed.csv, which the length-controlled win rate needs, is neither given, nor in the "
                f"hub's cache, nor can it be fetched: {error}"
            ) from None


@contextmanager
def hub_folder(gamed: str | Path | None):
    """While open, the package finds ``gamed`` where it looks for the hub's df_gamed.csv, and asks nobody."""
    if gamed is None:
        yield
        return
    import huggingface_hub.constants as hub

    if not Path(gamed).is_file():
        raise UserError(f"{gamed} is not a file: AlpacaEval's df_gamed.csv was expected there.")
    package = _package("constants")
    before = package.DEFAULT_CACHE_DIR, hub.HF_HUB_OFFLINE
    with TemporaryDirectory() as folder:
        dataset = Path(folder) / "datasets--tatsu-lab--alpaca_eval"
        snapshot = dataset / "snapshots" / ALPACA_EVAL_HUB
        snapshot.mkdir(parents=True)
        (snapshot / "df_gamed.csv").symlink_to(Path(gamed).resolve())
        (dataset / "refs").mkdir()
        (dataset / "refs" / "main").write_text(ALPACA_EVAL_HUB)
        package.DEFAULT_CACHE_DIR, hub.HF_HUB_OFFLINE = folder, True
        try:
            yield
        finally:
            package.DEFAULT_CACHE_DIR, hub.HF_HUB_OFFLINE = before


# -- verdicts


def annotate(
    outputs: list[dict],
    reference: list[dict],
    annotator: str,
    judge: dict,
    answer: Callable[[dict], dict],
    changes: dict | None = None,
) -> list[dict]:
    """alpaca_eval's annotations of ``outputs`` against ``reference``, rows with instruction, output, generator.

    ``annotator`` names a config of the package, whose prompt and parser are used; the model is the judge's.
    ``answer`` gives the reply to a request's body, as an OpenAI-compatible server would. Nothing is cached.
    ``changes`` replace what the config sends with a request.
    """
    import httpx
    import yaml

    def handler(request):
        return httpx.Response(200, json=answer(json.loads(request.content)))

    asked = {row["instruction"] for row in outputs}
    settings = annotator_settings(annotator)
    # Without requires_chatml a model whose name holds "instruct" would be sent to /completions.
    settings["completions_kwargs"] |= {"model_name": judge["model"], "requires_chatml": True} | (changes or {})
    with TemporaryDirectory() as folder, quiet(), httpx.Client(transport=httpx.MockTransport(handler)) as client:
        config = Path(folder) / "annotator" / "configs.yaml"
        config.parent.mkdir()
        config.write_text(yaml.safe_dump({judge["name"]: settings}))
        program = _package("annotators").PairwiseAnnotator(annotators_config=config, caching_path=None)
        rows = program.annotate_head2head(
            outputs_1=[row for row in reference if row["instruction"] in asked],
            outputs_2=outputs,
            chunksize=None,
            num_procs=1,
            price_per_token=judge["price_in"] / 1e6,
            client_config_path=Path(folder) / "none",  # else a file beside the installed package would be read
            openai_api_keys=["none"],
            openai_organization_ids=[None],
            openai_api_base="http://judge",
            client_kwargs={"http_client": client, "max_retries": 0},
        )
    # a missing verdict is null in JSON, and NaN in the package
    return [{k: None if isinstance(v, float) and v != v else v for k, v in row.items()} for row in rows]


def annotator_settings(annotator: str) -> dict:
    """A packaged annotator's settings; only those that ask for one token's log-probabilities are taken."""
    import yaml

    folder = _package("constants").EVALUATORS_CONFIG_DIR
    file = folder / annotator / "configs.yaml"
    settings = next(iter(yaml.safe_load(file.read_text()).values())) if file.is_file() else {}
    wanted = settings.get("completions_kwargs", {})
    if settings.get("fn_completion_parser") != "logprob_parser" or "tools" in wanted or "functions" in wanted:
        raise UserError(
            f"benchmarks.alpaca_eval.annotator: alpaca_eval has no annotator '{annotator}' that reads its verdict from "
            "log-probabilities. weighted_alpaca_eval_gpt4_turbo is the published one."
        )
    settings["prompt_template"] = str(folder / settings["prompt_template"])
    return settings


def verdict_tokens(annotator: str) -> set[str]:
    return set(annotator_settings(annotator)["completion_parser_kwargs"]["denominator_tokens"])


def has_verdict(logprobs: dict | None, tokens: set[str]) -> bool:
    """Whether one of ``tokens`` is among the likeliest at the first place of a reply."""
    content = (logprobs or {}).get("content") or [{}]
    return any(token["token"] in tokens for token in content[0].get("top_logprobs") or [])


def inert(text: str) -> str:
    """``text`` with a zero-width space in what the package would read as markup: turns of a chat, placeholders."""
    for token in ("<|im_start|>", "<|im_end|>", "{instruction}", "{output_1}", "{output_2}"):
        text = text.replace(token, token[0] + "\u200b" + token[1:])
    return text


@contextmanager
def quiet():
    """The package logs each reply that it cannot read, with its traceback, and shows bars; the caller speaks."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(before)


def _package(module: str):
    """A module of alpaca_eval, which sets the level of all logging when it is imported."""
    level = logging.root.level
    try:
        return importlib.import_module(f"alpaca_eval.{module}")
    except ImportError as error:
        raise UserError(
            f"alpaca_eval cannot be imported here ({error}): envs/evaluate.in lists what it needs."
        ) from None
    finally:
        logging.root.setLevel(level)


def _pandas():
    import pandas

    return pandas
