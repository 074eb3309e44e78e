"""Counts that a plan takes from the files that a config names."""

import json
from itertools import islice


def held_out_prompts(eft: dict) -> int:
    return count_lines(eft["eval_ids"]) if eft["eval_ids"] else eft["eval_prompts"]


def set_aside(settings: dict) -> int:
    """Return the number of ranked prompts that EFT does not train on: held out, of table 3, and excluded IFT ones."""
    held_out = max(held_out_prompts(settings["eft"]), settings["benchmarks"]["judge_vs_gpt4"]["prompts"])
    return held_out + (settings["eft"]["ift_prompts"] if settings["eft"]["exclude_ift_prompts"] else 0)


def prompt_chars(settings: dict) -> float:
    """Return the mean characters of a prompt: of a thousand of each file, or as assumed for generated ones."""
    if settings["prompts"]["source"] == "generate":
        return settings["plan"]["prompt_chars"]
    lengths = []
    for path in settings["prompts"]["path"]:
        with open(path, encoding="utf-8", errors="replace") as file:
            for line in islice(file, 1000):
                try:
                    lengths.append(len(json.loads(line)["text"]))
                except (ValueError, KeyError, TypeError):  # rule build_prompts reports the faulty line
                    continue
    return sum(lengths) / max(len(lengths), 1)


def count_lines(path: str) -> int:
    with open(path, "rb") as file:
        return sum(1 for line in file if line.strip())
