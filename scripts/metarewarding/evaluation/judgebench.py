"""JudgeBench (Tan et al., arXiv 2410.12784): pairs of answers of one model, one correct and one wrong; 620 rows."""

from typing import TypedDict

from metarewarding.errors import UserError
from metarewarding.evaluation.preference_rows import PreferenceItem, benchmark, check_items, item
from metarewarding.records import read_jsonl

REPOSITORY = "ScalerLab/JudgeBench/e2c52c284e735e139b3daa61c206ee208f36c461/data"
# {source: (the model whose answers are compared, sha256)}; the second file is pinned by the commit alone
FILES = {
    "judgebench_gpt4o": ("gpt-4o-2024-05-13", "d5106306b38dead1b2e964ecf5534a3e7b2fc4b8d3b8da327599edfcebd76042"),
    "judgebench_claude": ("claude-3-5-sonnet-20240620", None),
}
LABELS = {"A>B": 0, "B>A": 1}


class Row(TypedDict):
    pair_id: str
    source: str
    question: str
    response_A: str
    response_B: str
    label: str


def subset_of(source: str) -> str:
    """Return the subset as in the benchmark's own table; its knowledge subset is MMLU-Pro's fourteen fields."""
    names = {"livebench-reasoning": "reasoning", "livebench-math": "math", "livecodebench": "coding"}
    return "knowledge" if source.startswith("mmlu-pro") else names.get(source, source)


def read(files: dict[str, str]) -> list[PreferenceItem]:
    """Return the rows of both files; ``files``: {source: path}."""
    return [row for source in FILES for row in read_file(files[source])]


def read_file(path: str) -> list[PreferenceItem]:
    rows = []
    for row in read_jsonl(path, Row):
        if row["label"] not in LABELS:
            raise UserError(
                f"{path}: the pair '{row['pair_id']}' has the label {row['label']!r}; A>B or B>A is expected."
            )
        answers = [row["response_A"], row["response_B"]]
        subset = subset_of(row["source"])
        rows.append(item(f"judgebench/{row['pair_id']}", row["question"], answers, [LABELS[row["label"]]], subset))
    return check_items(rows, path)


BENCHMARK = benchmark(
    name="judgebench",
    title="JudgeBench",
    description="JudgeBench: a correct and a wrong answer of one model (620 pairs).",
    licence="MIT (its dataset card); the questions of MMLU-Pro, LiveBench and LiveCodeBench each have their own",
    sources={
        name: ("github", f"{REPOSITORY}/dataset=judgebench,response_model={model}.jsonl", digest)
        for name, (model, digest) in FILES.items()
    },
    read=read,
)
