"""A run in the formats in which others take it: benchmark submissions, a folder for `datasets`, model cards."""

import csv
import io

from metarewarding.records import Question
from metarewarding.reporting.metrics import judge_name

_CARD = """---
{front}
---

# {title}

Made by a reproduction of *Meta-Rewarding Language Models* (arXiv 2407.19594).

{body}
"""


def alpaca_eval(questions: list[Question], answers: dict[str, list[str]], generator: str) -> list[dict]:
    """The rows of AlpacaEval's model_outputs.json; ``answers``: {prompt_id: its turns}."""
    return [
        {"dataset": question["category"], "instruction": question["turns"][0]}
        | {"output": answers[question["prompt_id"]][0], "generator": generator}
        for question in questions
        if question["prompt_id"] in answers
    ]


def arena_hard(questions: list[Question], answers: dict[str, list[str]], model: str) -> list[dict]:
    """The rows of Arena-Hard's data/arena-hard-v2.0/model_answer/<model>.jsonl."""
    return [
        {"uid": question["prompt_id"], "ans_id": f"{model}/{question['prompt_id']}", "model": model}
        | {
            "messages": [
                {"role": "user", "content": question["turns"][0]},
                {"role": "assistant", "content": {"answer": answers[question["prompt_id"]][0]}},
            ]
        }
        for question in questions
        if question["prompt_id"] in answers
    ]


def mt_bench(questions: list[Question], answers: dict[str, list[str]], model: str) -> list[dict]:
    """The rows of FastChat's data/mt_bench/model_answer/<model>.jsonl."""
    return [
        {"question_id": int(question["prompt_id"]), "answer_id": f"{model}/{question['prompt_id']}"}
        | {"model_id": model, "choices": [{"index": 0, "turns": answers[question["prompt_id"]]}]}
        for question in questions
        if question["prompt_id"] in answers
    ]


def pairs_card(files: dict[str, str], licence_note: str) -> str:
    """The card of the preference pairs; ``files``: {name of the subset: file in the folder}, as `datasets` reads it."""
    subsets = "\n".join(f"- config_name: {name}\n  data_files: {path}" for name, path in files.items())
    body = (
        "Preference pairs in the conversational format that TRL's DPOTrainer takes (prompt, chosen, rejected). "
        "`kind` is actor (two responses to a prompt) or judge (two judgments of a response); `chosen_by` and "
        '`rejected_by` are the mean scores or Elo scores. Load one subset with `load_dataset(FOLDER, "NAME")`.\n\n'
        + licence_note
    )
    return _CARD.format(front=f"configs:\n{subsets}", title="Preference pairs", body=body)


def model_card(model: str, manifest: dict, training: dict | None, scores: dict[str, dict]) -> str:
    """The card of one model: where it comes from, how it was trained, how it scored."""
    lines = [f"- trained from: `{manifest['trained_from']}`"] if "trained_from" in manifest else []
    git = manifest.get("git") or {}
    lines += [f"- commit of the code: `{git['commit']}`"] if git.get("commit") else []
    lines += [f"- weights, sha256: `{value}` ({name})" for name, value in manifest.get("weights_sha256", {}).items()]
    settings = manifest.get("settings") or {}
    shown = ("learning_rate", "beta", "batch_size", "num_train_epochs", "stop_epoch", "lr_scheduler_type", "seed")
    lines += [f"- {key}: {settings[key]}" for key in shown if key in settings]
    if training:
        lines.append(f"- steps: {training.get('steps')}")
    table = ["", "| benchmark | measure | value | judge | questions |", "|---|---|---|---|---|"]
    table += [
        f"| {benchmark} | {key} | {value:.4g} | {judge_name(score) if score.get('judge') else '–'} "
        f"| {'a part of them: not comparable' if score.get('complete') is False else 'all'} |"
        for benchmark, score in scores.items()
        for key, value in score.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool)
    ]
    front = "library_name: transformers\ntags: [dpo, meta-rewarding]"
    return _CARD.format(front=front, title=model, body="\n".join(lines + (table if scores else [])))


def curves(training: dict) -> str:
    """Return the log of a training as CSV, with a row for each logged step."""
    return _csv([row for row in training["log"] if "loss" in row])


def epochs(training: dict) -> str:
    """Return the measurements of a training as CSV, by epoch.

    DPO: a row for each epoch (0: before training), set and kind of pairs, with the columns of
    `measure_pairs.summarise`; ``kl`` is empty where it was not measured. SFT: the means of its log, a row for each
    epoch.
    """
    return _csv(training["epochs"])


def _csv(rows: list[dict]) -> str:
    file = io.StringIO()
    writer = csv.DictWriter(file, list(dict.fromkeys(key for row in rows for key in row)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()
