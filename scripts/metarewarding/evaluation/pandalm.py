"""The test set of PandaLM (Wang et al., arXiv 2306.05087): 999 pairs, each labelled by three annotators."""

from collections import Counter

from metarewarding.errors import UserError
from metarewarding.evaluation.preference_rows import PreferenceItem, benchmark, check_items, item, text_id
from metarewarding.records import read_json

REPOSITORY = "WeOpenML/PandaLM/3871806e72b4832f815ecafd24d3503c73403f48"
ANNOTATORS = ("annotator1", "annotator2", "annotator3")


def read(files: dict[str, str]) -> list[PreferenceItem]:
    """Return the rows with the majority's label: 0 is a tie, 1 and 2 name the better response.

    A row that three annotators label in three ways has no majority and is left out (the published set has none).
    """
    path, rows = files["pandalm_testset"], []
    for row in read_json(path):
        try:
            labels = Counter(row[annotator] for annotator in ANNOTATORS)
            prompt = f"{row['instruction']}\n\n{row['input']}" if row["input"] else row["instruction"]
            # six responses of the published file are the unquoted word true
            responses = [str(row[key]) for key in ("response1", "response2")]
            identity, subset = row["idx"], row["motivation_app"]
        except (KeyError, TypeError) as error:
            raise UserError(f"{path}: a row is not in PandaLM's form ({type(error).__name__}: {error}).") from None
        label, votes = labels.most_common(1)[0]
        if label not in (0, 1, 2):
            raise UserError(f"{path}: the row {identity} has the label {label!r}; 0, 1 or 2 is expected.")
        if votes > 1:
            best = [0, 1] if label == 0 else [label - 1]
            rows.append(item(f"pandalm/{identity}", prompt, responses, best, subset, text_id(prompt)))
    return check_items(rows, path)


BENCHMARK = benchmark(
    name="pandalm",
    title="PandaLM test set",
    description="PandaLM's test set: pairs labelled by three annotators (999 pairs; Apache-2.0).",
    licence="Apache-2.0",
    sources={
        "pandalm_testset": (
            "github",
            f"{REPOSITORY}/data/testset-v1.json",
            "cc154f9067c7382d7ea86f8f246511a5e1ac87e1fddd845c5938d789505b07a4",
        )
    },
    read=read,
)
