"""Read Arena-Hard's published files into this project's rows. Nothing in them is executed."""

import ast
import json
from pathlib import Path
from typing import TypedDict

import yaml

from metarewarding.errors import UserError
from metarewarding.evaluation import shared
from metarewarding.records import Question, read_jsonl, unique_by


class _PublishedQuestion(TypedDict):
    uid: str
    prompt: str
    cluster: str


class _PublishedAnswer(TypedDict):
    uid: str
    model: str
    messages: list


class _EarlyPublishedAnswer(TypedDict):
    question_id: str
    model_id: str
    choices: list


@shared.published_format
def read_questions(path: str | Path) -> list[Question]:
    return [
        Question(prompt_id=row["uid"], category=row["cluster"], turns=[row["prompt"]])
        for row in read_jsonl(path, _PublishedQuestion)
    ]


@shared.published_format
def published_answers(path: str | Path) -> tuple[str, dict[str, str]]:
    """Return (model, {question id: answer}) of a file in Arena-Hard's own format, the early one too."""
    with open(path, encoding="utf-8") as file:
        early = "choices" in json.loads(next(file, "{}"))
    if early:
        old = unique_by(read_jsonl(path, _EarlyPublishedAnswer), "question_id", str(path))
        models = {row["model_id"] for row in old.values()}
        return "/".join(sorted(models)), {k: row["choices"][0]["turns"][0]["content"] for k, row in old.items()}
    rows = unique_by(read_jsonl(path, _PublishedAnswer), "uid", str(path))
    models = {row["model"] for row in rows.values()}
    if len(models) != 1:
        raise UserError(f"{path}: answers of one model are expected, not of {sorted(models)}.")
    contents = {uid: row["messages"][-1]["content"] for uid, row in rows.items()}
    return models.pop(), {uid: text["answer"] if isinstance(text, dict) else text for uid, text in contents.items()}


@shared.published_format
def judge_prompt(judge_utils: str | Path, settings: str | Path) -> dict:
    """Return {system_prompt, prompt_template} from upstream's utils/judge_utils.py, never executed, and its settings.

    ``settings`` is config/arena-hard-v0.1.yaml, or the early config/judge_config.yaml.
    """
    system = _system_prompt(Path(judge_utils).read_text(encoding="utf-8"), "arena-hard-v0.1")
    template = (yaml.safe_load(Path(settings).read_text(encoding="utf-8")) or {}).get("prompt_template")
    template = template[0] if isinstance(template, list) else template
    if not system or not isinstance(template, str):
        source, lacks = (settings, "prompt_template") if system else (judge_utils, "system prompt of arena-hard-v0.1")
        raise UserError(f"{source}: no {lacks} was found. Is it the pinned revision's file?")
    # the early file has other names for the three placeholders
    for early, name in (("question_1", "QUESTION"), ("answer_1", "ANSWER_A"), ("answer_2", "ANSWER_B")):
        template = template.replace("{" + early + "}", "{" + name + "}")
    return {"system_prompt": system, "prompt_template": template}


def _system_prompt(code: str, benchmark: str) -> str | None:
    """Return JUDGE_SETTINGS[benchmark]["system_prompt"] of a Python file, a string or the name of a string."""
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
