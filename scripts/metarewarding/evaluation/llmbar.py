"""LLMBar (Zeng et al., arXiv 2310.07641): which of two outputs follows the instruction; 419 rows in five subsets."""

from metarewarding.errors import UserError
from metarewarding.evaluation.preference_rows import PreferenceItem, benchmark, check_items, item
from metarewarding.records import read_json

REPOSITORY = "princeton-nlp/LLMBar/900616bff90b6c6c8e1681f7d079250637c55992/Dataset/LLMBar"
SUBSETS = {
    "Natural": "Natural",
    "Neighbor": "Adversarial/Neighbor",
    "GPTInst": "Adversarial/GPTInst",
    "GPTOut": "Adversarial/GPTOut",
    "Manual": "Adversarial/Manual",
}


def source(subset: str) -> str:
    return f"llmbar_{subset.lower()}"


def read(files: dict[str, str]) -> list[PreferenceItem]:
    """Return the rows of all subsets; ``files``: {source: path of its dataset.json}."""
    return [row for subset in SUBSETS for row in read_subset(files[source(subset)], subset)]


def read_subset(path: str, subset: str) -> list[PreferenceItem]:
    rows = []
    for number, row in enumerate(read_json(path)):
        try:
            prompt, outputs, label = row["input"], [row["output_1"], row["output_2"]], str(row["label"])
        except (KeyError, TypeError):
            raise UserError(f"{path}: row {number} lacks input, output_1, output_2 or label.") from None
        if label not in ("1", "2"):
            raise UserError(f"{path}: row {number} has the label {label!r}; 1 or 2 is expected.")
        rows.append(item(f"llmbar/{subset}/{number}", prompt, outputs, [int(label) - 1], subset))
    return check_items(rows, path)


BENCHMARK = benchmark(
    name="llmbar",
    title="LLMBar",
    description="LLMBar: which of two outputs follows the instruction (419 rows; MIT).",
    licence="MIT",
    sources={source(subset): ("github", f"{REPOSITORY}/{path}/dataset.json", None) for subset, path in SUBSETS.items()},
    read=read,
)
