"""The categories of figure 4: the request to a judge, and the parser of its answer.

The paper's labels were not released. These are the names in its figure, in the figure's order. The benchmark judge
assigns the labels, with a prompt of ours.
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
MAX_TOKENS = 16  # more than the longest name has


def requests(questions: Sequence[Question], template: str) -> list[dict]:
    """Return one request for each instruction, for ``judge_client.ask``."""
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
    """Return the category that an answer names, in any case and markup; None unless it is exactly one of the list."""
    reply = text.strip().removeprefix("Category:").strip(" \t\n-*_.\"'`").casefold()
    return next((name for name in CATEGORIES if name.casefold() == reply), None)
