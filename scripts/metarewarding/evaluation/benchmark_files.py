"""The benchmarks' published files, read into this project's rows. Nothing in them is ever executed."""

import ast
import functools
import hashlib
import json
from pathlib import Path
from typing import TypedDict

import yaml

from metarewarding.errors import UserError
from metarewarding.records import Prompt, Question, read_json, read_jsonl, unique_by


def _published(read):
    """One message for a file that is not in the form in which it was published, whatever is amiss in it."""

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


class _ArenaHardQuestion(TypedDict):
    uid: str
    prompt: str
    cluster: str


class _ArenaHardAnswer(TypedDict):
    uid: str
    model: str
    messages: list


class _EarlyArenaHardAnswer(TypedDict):
    question_id: str
    model_id: str
    choices: list


class _MtBenchQuestion(TypedDict):
    question_id: int
    category: str
    turns: list


class _MtBenchReference(TypedDict):
    question_id: int
    choices: list


class _MtBenchPrompt(TypedDict):
    name: str
    system_prompt: str
    prompt_template: str


@_published
def questions(benchmark: str, path: str | Path, subset: int | None = None) -> list[Question]:
    """The questions of "alpaca_eval", "arena_hard", "mt_bench" or "arena_laptop", or ``subset`` of them, spread evenly.

    AlpacaEval's have no ids of their own: theirs is the start of the instruction's sha256.
    """
    if benchmark == "alpaca_eval":
        rows = [
            Question(
                prompt_id=hashlib.sha256(row["instruction"].encode()).hexdigest()[:16],
                category=row.get("dataset", ""),
                turns=[row["instruction"]],
            )
            for row in read_json(path)
        ]
    elif benchmark == "arena_hard":
        rows = [
            Question(prompt_id=row["uid"], category=row["cluster"], turns=[row["prompt"]])
            for row in read_jsonl(path, _ArenaHardQuestion)
        ]
    elif benchmark == "arena_laptop":
        rows = [
            Question(prompt_id=row["prompt_id"], category="", turns=[row["text"]]) for row in read_jsonl(path, Prompt)
        ]
    else:
        rows = [
            Question(prompt_id=str(row["question_id"]), category=row["category"], turns=row["turns"])
            for row in read_jsonl(path, _MtBenchQuestion)
        ]
        for row in rows:
            if len(row["turns"]) != 2:
                raise UserError(f"{path}: the question '{row['prompt_id']}' has {len(row['turns'])} turns, not 2.")
    unique_by(rows, "prompt_id", str(path))
    count = len(rows) if subset is None else min(subset, len(rows))
    return [rows[len(rows) * i // count] for i in range(count)]


@_published
def arena_hard_answers(path: str | Path) -> tuple[str, dict[str, str]]:
    """(model, {question id: answer}) of a file in Arena-Hard's own format, the early one too."""
    with open(path, encoding="utf-8") as file:
        early = "choices" in json.loads(next(file, "{}"))
    if early:
        old = unique_by(read_jsonl(path, _EarlyArenaHardAnswer), "question_id", str(path))
        models = {row["model_id"] for row in old.values()}
        return "/".join(sorted(models)), {k: row["choices"][0]["turns"][0]["content"] for k, row in old.items()}
    rows = unique_by(read_jsonl(path, _ArenaHardAnswer), "uid", str(path))
    models = {row["model"] for row in rows.values()}
    if len(models) != 1:
        raise UserError(f"{path}: answers of one model are expected, and these are of {sorted(models)}.")
    contents = {uid: row["messages"][-1]["content"] for uid, row in rows.items()}
    return models.pop(), {uid: text["answer"] if isinstance(text, dict) else text for uid, text in contents.items()}


@_published
def arena_hard_prompt(judge_utils: str | Path, settings: str | Path) -> dict:
    """{system_prompt, prompt_template} of Arena-Hard v0.1, from upstream's utils/judge_utils.py and its settings.

    ``settings`` is config/arena-hard-v0.1.yaml, or the early config/judge_config.yaml.
    """
    system = _system_prompt(Path(judge_utils).read_text(encoding="utf-8"), "arena-hard-v0.1")
    template = (yaml.safe_load(Path(settings).read_text(encoding="utf-8")) or {}).get("prompt_template")
    template = template[0] if isinstance(template, list) else template
    if not system or not isinstance(template, str):
        source, lacks = (settings, "prompt_template") if system else (judge_utils, "system prompt of arena-hard-v0.1")
        raise UserError(f"{source}: no {lacks} was found. Is it the pinned revision's file?")
    # the early file's names of the same three places
    for early, name in (("question_1", "QUESTION"), ("answer_1", "ANSWER_A"), ("answer_2", "ANSWER_B")):
        template = template.replace("{" + early + "}", "{" + name + "}")
    return {"system_prompt": system, "prompt_template": template}


def _system_prompt(code: str, benchmark: str) -> str | None:
    """JUDGE_SETTINGS[benchmark]["system_prompt"] of a Python file, where it is a text or the name of one."""
    assigned = {
        node.targets[0].id: node.value
        for node in ast.parse(code).body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    value = assigned.get("JUDGE_SETTINGS")
    for key in (benchmark, "system_prompt"):
        entries = zip(value.keys, value.values, strict=True) if isinstance(value, ast.Dict) else ()
        value = next((entry for name, entry in entries if getattr(name, "value", None) == key), None)
    value = assigned.get(value.id) if isinstance(value, ast.Name) else value
    return value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else None


@_published
def mt_bench_references(path: str | Path) -> dict[str, list[str]]:
    """{question id: the reference answer to each turn}."""
    rows = unique_by(read_jsonl(path, _MtBenchReference), "question_id", str(path))
    return {str(identity): row["choices"][0]["turns"] for identity, row in rows.items()}


@_published
def mt_bench_prompts(path: str | Path) -> dict[str, dict]:
    """{name: judge prompt}."""
    return unique_by(read_jsonl(path, _MtBenchPrompt), "name", str(path))
