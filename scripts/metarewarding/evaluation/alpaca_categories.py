"""The categories of figure 4: what a judge is asked about an instruction, and how its answer is read.

The paper's labels were not released. These are the names in its figure, in the figure's order; the labels are given
by the benchmark judge, from a prompt of ours.
"""

from collections.abc import Sequence

from metarewarding import templates
from metarewarding.records import Question

OTHER = "other"
CATEGORIES = (
    "Science",
    "Entertainment",
    "Social Interaction",
    "Philosophy",
    "Miscellaneous",
    "Professional",
    "Software Development",
    "DIY Projects",
    "History",
    "Exercise",
    "Travel",
    "Technology",
    "Cooking",
    "Language Learning",
    "Gaming",
    "Mathematics",
    "Music",
    "Literature",
    OTHER,
)
MAX_TOKENS = 16  # more than the longest name takes


def requests(questions: Sequence[Question], template: str) -> list[dict]:
    """One request for each instruction, for ``judge_client.ask``."""
    names = "\n".join(f"- {name}" for name in CATEGORIES)
    return [
        {
            "id": question["prompt_id"],
            "messages": templates.fill(template, categories=names, prompt=question["turns"][0]),
            "temperature": 0,
            "max_tokens": MAX_TOKENS,
        }
        for question in questions
    ]


def read_category(text: str) -> str | None:
    """The category that an answer names, whatever its case and marks; None where it is not one name of the list."""
    reply = text.strip().removeprefix("Category:").strip(" \t\n-*_.\"'`").casefold()
    return next((name for name in CATEGORIES if name.casefold() == reply), None)
