"""The rows that are trained on: inert texts of limited length."""

from metarewarding.engines.chat import inert


def inert_rows(rows: list[dict], tokenizer, columns: tuple[str, ...]) -> list[dict]:
    """Return the rows reduced to ``columns`` of chat messages, in which no text opens or closes a turn."""
    return [
        {
            column: [{**message, "content": inert(message["content"], tokenizer)} for message in row[column]]
            for column in columns
        }
        for row in rows
    ]


def within_limit(rows: list[dict], tokenizer, limit: int, prompt: str, completions: tuple[str, ...]) -> list[dict]:
    """Return the rows whose prompt with each of the ``completions`` columns has at most ``limit`` tokens."""

    def tokens(row: dict, column: str) -> int:
        return len(
            tokenizer.apply_chat_template(row[prompt] + row[column], tokenize=True, return_dict=True)["input_ids"]
        )

    return [row for row in rows if all(tokens(row, column) <= limit for column in completions)]
