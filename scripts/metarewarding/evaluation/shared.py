"""Code shared by benchmarks: published files, ids that must match, a judge's chat, settings."""

import functools
from pathlib import Path

import yaml

from metarewarding import templates
from metarewarding.errors import UserError


def published_format(read):
    """Raise one message for a file that is not in its published form, whatever is wrong with it."""

    @functools.wraps(read)
    def checked(*arguments, **options):
        try:
            return read(*arguments, **options)
        except (KeyError, IndexError, TypeError, AttributeError, ValueError, SyntaxError, yaml.YAMLError) as error:
            files = ", ".join(str(argument) for argument in arguments if Path(str(argument)).is_file())
            raise UserError(
                f"{files}: not in the benchmark's published format ({type(error).__name__}: {error})."
            ) from None

    return checked


def check_ids(wanted: set, ids: set, what: str, may_be_more: bool = False) -> None:
    """Raise UserError where ``ids`` are not those ``wanted``; ``may_be_more`` allows others too."""
    lacking, unknown = sorted(wanted - ids), [] if may_be_more else sorted(ids - wanted)
    if lacking or unknown:
        raise UserError(
            f"{what} do not match the {len(wanted)} questions: {len(lacking)} are missing and {len(unknown)} "
            f"do not belong to a question, for instance {(lacking or unknown)[0]}."
        )


def judge_chat(prompt: dict, **values: str) -> list[dict]:
    """Return the judge's chat: placeholders are replaced in one pass, so braces in an answer stay text."""
    return [
        {"role": "system", "content": prompt["system_prompt"]},
        *templates.fill(prompt["prompt_template"], **values),
    ]


def mean_length(answers: list[dict]) -> float:
    """Return the mean characters of an answer, or of a turn."""
    return sum(len(row["text"]) for row in answers) / len(answers)


def mean_tokens(answers, tokenizer) -> tuple[float, str]:
    """Return (mean tokens of an answer, tokenizer): tiktoken's ``tokenizer``, or the model's own for None."""
    if tokenizer is None:
        return sum(row["tokens"] for row in answers) / len(answers), "the model's own"
    import tiktoken

    try:
        encoding = tiktoken.get_encoding(tokenizer)
    except OSError as error:  # a download, once
        raise UserError(
            f"tiktoken cannot fetch the vocabulary of {tokenizer} ({type(error).__name__}). Set TIKTOKEN_CACHE_DIR to "
            "a folder that has it, or the tokenizer in the config to null for counts by the model's own."
        ) from None
    return sum(len(encoding.encode(row["text"], disallowed_special=())) for row in answers) / len(answers), tokenizer


# -- JSON schemas of settings that several benchmarks share


def text(default: str, description: str) -> dict:
    return {"type": "string", "default": default, "description": description}


def whole_number(default: int, description: str, minimum: int = 1, **more) -> dict:
    return {"type": "integer", "minimum": minimum, **more, "default": default, "description": description}


def judge(default: str, and_what: str = "") -> dict:
    return text(default, f"Name of the judge under `judges`{and_what}.")


def subset(count: int, means: str) -> dict:
    """Return the setting for a subset of the ``count`` questions; ``means`` describes a subset."""
    description = f"Number of questions to use, of {count} (null: all){means}"
    return {"type": ["integer", "null"], "minimum": 1, "default": None, "description": description}


def decoding(temperature: float, top_p: float, max_tokens: int) -> dict[str, dict]:
    """Return the settings temperature, top_p and max_tokens."""
    return {
        "temperature": {
            "type": "number",
            "minimum": 0,
            "default": temperature,
            "description": "Temperature of the answers.",
        },
        "top_p": {
            "type": "number",
            "exclusiveMinimum": 0,
            "maximum": 1,
            "default": top_p,
            "description": "Nucleus sampling of the answers.",
        },
        "max_tokens": whole_number(max_tokens, "Maximum number of new tokens of an answer."),
    }


def tokenizer(default: str) -> dict:
    return {
        "enum": ["cl100k_base", "o200k_base", None],
        "default": default,
        "description": "tiktoken vocabulary for the lengths of answers; it is downloaded once "
        "(null: the model's own tokens).",
    }
