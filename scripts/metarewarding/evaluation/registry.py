"""The benchmarks: every module of this folder that defines ``BENCHMARK`` is one, under the module's name.

The workflow, the programs of scripts/benchmarks/, the report and the plan use only this entry of a benchmark. The
environment of Snakemake has few packages, so these modules import torch, pandas, scipy and the like inside the
functions that need them.
"""

import functools
import importlib
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from metarewarding.records import Question, Response, Turn, read_jsonl, unique_by

# Kinds of benchmarks:
JUDGED_ANSWERS = "judged answers"  # a model answers, and a benchmark judge (behind an API, or served here) judges
PREFERENCE = "preference"  # a model judges given responses, and its scores are compared with preferences
OWN_WIN_RATE = "own win rate"  # a model answers, and M0 judges; comparable only within a run

# {site: (environment variable with the address of a mirror, address)}
MIRRORS = {
    "hub": ("HF_ENDPOINT", "https://huggingface.co"),
    "github": ("GITHUB_RAW_ENDPOINT", "https://raw.githubusercontent.com"),
}
FOLDER = Path(__file__).parent


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """The definition of one benchmark; ``own`` below are its settings, `benchmarks.<name>` in the config."""

    name: str
    title: str
    kind: str
    description: str  # of its settings
    settings: dict[str, dict]  # {config key: its JSON schema, with default and description}
    # {name: (site, path, sha256)}; the hash is None where the path contains the commit and no hash was published
    sources: dict[str, tuple[str, str, str | None]] = field(default_factory=dict)

    # A model answers, unless the kind is PREFERENCE.
    questions: str = ""  # the source with the questions, or the config key that names a local file
    read_questions: Callable[[str], list[Question]] | None = None  # (path)
    turns: int = 1
    # (own, sampling.responses) -> {temperature or {category: temperature}, top_p, max_tokens} of an answer
    decoding: Callable[[Mapping, Mapping], dict] = lambda own, responses: {
        key: own[key] for key in ("temperature", "top_p", "max_tokens")
    }
    # (own) -> {prompts, responses}: what a model judges instead, where the kind is PREFERENCE
    judged_files: Callable[[Mapping], dict[str, str]] | None = None
    # or, of that kind, ({source or config key: path}) -> rows with a known best response (preference_rows.py)
    read_rows: Callable[[Mapping[str, str]], list[dict]] | None = None
    licence: str = ""

    # A benchmark judge gives verdicts, where the kind is JUDGED_ANSWERS.
    judge_reads: dict[str, str] = field(default_factory=dict)  # {name: source}, besides answers and questions
    judge_keys: tuple[str, ...] = ()  # the settings that ``judge`` takes
    # (asking, questions, answers, files, own, model) -> (verdicts, facts for the stats file). ``asking`` is a
    # metarewarding.judges.asking.Asking, ``files`` are {name of judge_reads: path}; each verdict gets `judge` and
    # `judge_model` afterwards.
    judge: Callable | None = None
    verdict_file: str = "verdicts.jsonl"

    # The score of a model.
    score_keys: tuple[str, ...] = ()  # the settings that ``score`` takes
    # (files, own, model, seed) -> the row of score.json, without `benchmark` and `model`
    score: Callable[..., dict]
    # (own, model) -> {name: path} of what it reads; by default answers, verdicts and their stats, or judgments, prompts
    # and responses where the kind is PREFERENCE
    score_files: Callable[[Mapping, str], dict[str, str]] | None = None

    # The report. A place is the path of a value in score.json, as in "gpt4_chosen.agreement".
    # (head, place, factor) of the columns of its table
    columns: list[tuple[str, str, float]] = field(default_factory=list)
    board: list[tuple[str, str, str]] = field(default_factory=list)  # (head, place, format) in the terminal's table
    outcome: tuple[str, str, str] | None = None  # (place, name, unit) of the main outcome of a run
    figure: tuple[str, str, str | None] | None = None  # (place, axis, the paper's table) by iteration
    length: tuple[str, str] | None = None  # (place of the mean length, name of the texts), for the warning about growth

    # Assumptions of workflow/plan.py: questions, requests to the judge for each, and the mean characters of a
    # question, of an answer, of the judge's other input (context), and of its verdict (plan.api_verdict_chars where
    # it is not given). Where the kind is PREFERENCE: prompts and responses, and the mean characters of each (prompt,
    # response).
    volume: dict[str, float] = field(default_factory=dict)

    # The paper's values (workflow/report/paper.csv) that are compared with ours.
    paper_tables: dict[str, str] = field(default_factory=dict)  # {place, such as "Table 1": title}
    labels: dict[str, str] = field(default_factory=dict)  # {metric: label}
    is_share: bool = False  # scores are in [0, 1], the paper's in %
    # {"" or the metric's first part: number of pairs or questions behind the paper's percentages}
    paper_n: dict[str, int] = field(default_factory=dict)
    # (claim, metric, model, model that it is compared with)
    claims: list[tuple[str, str, str, str]] = field(default_factory=list)

    def folder(self, model: str) -> str:
        """Return the folder of a model's results, in the workflow's form."""
        return f"<results>/{model}/benchmarks/{self.name}"

    def files_of_score(self, own: Mapping, model: str) -> dict[str, str]:
        """Return {name: path} of what the score is computed from."""
        if self.score_files:
            return self.score_files(own, model)
        if self.kind == PREFERENCE:
            return {"judgments": f"{self.folder(model)}/judgments.jsonl"} | self.judged_files(own)
        verdicts = f"{self.folder(model)}/{self.verdict_file}"
        stats = f"{verdicts.rsplit('.', 1)[0]}.stats.json"
        return {"answers": f"{self.folder(model)}/answers.jsonl", "verdicts": verdicts, "stats": stats}

    def read_answers(self, path: str) -> list:
        """Return a model's answers: rows of Response, or of Turn where there are several turns."""
        return read_jsonl(path, Turn if self.turns > 1 else Response)


@functools.cache
def names() -> tuple[str, ...]:
    """Return the names of all benchmarks in alphabetical order."""
    texts = {path.stem: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.py")}
    return tuple(sorted(name for name, text in texts.items() if re.search(r"^BENCHMARK = ", text, re.MULTILINE)))


def get(name: str) -> Benchmark:
    """Return the benchmark ``name``."""
    return importlib.import_module(f"metarewarding.evaluation.{name}").BENCHMARK


def every() -> dict[str, Benchmark]:
    """Return {name: benchmark} of all of them."""
    return {name: get(name) for name in names()}


def sources() -> dict[str, tuple[str, str, str | None]]:
    """Return {name: (site, path, sha256)} of the files of all benchmarks."""
    return {source: where for benchmark in every().values() for source, where in benchmark.sources.items()}


def address(source: str, revision: str | None = None) -> tuple[str, str | None]:
    """Return (URL, sha256 or None) of a source, at the mirror that the environment names, if it names one.

    ``revision`` replaces {revision} in the path of a source whose revision the config names.
    """
    site, path, digest = sources()[source]
    path = path.replace("{revision}", revision or "")
    variable, default = MIRRORS[site]
    return f"{(os.environ.get(variable) or default).rstrip('/')}/{path}", digest


def questions(benchmark: Benchmark, path: str | Path, subset: int | None = None) -> list[Question]:
    """Return a benchmark's questions in the file ``path``, or ``subset`` of them, spread evenly."""
    rows = benchmark.read_questions(path)
    unique_by(rows, "prompt_id", str(path))
    count = len(rows) if subset is None else min(subset, len(rows))
    return [rows[len(rows) * i // count] for i in range(count)]
