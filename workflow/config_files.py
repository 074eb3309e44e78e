"""The files, folders and models on the hub that a config names."""

import re
from pathlib import Path

from lineage import iterations

from metarewarding import templates
from metarewarding.evaluation import registry


def on_hub(place: str) -> dict | None:
    """Return {repo, revision, file} of `hf://[datasets/]<owner>/<name>@<revision>[/<file>]`; None for another text."""
    match = re.fullmatch(r"hf://(?:datasets/)?(?P<repo>[^/@]+/[^/@]+)@(?P<revision>[^/@]+)(?:/(?P<file>.+))?", place)
    return match and match.groupdict()


def other_models(settings: dict) -> dict[str, dict]:
    """Return {role: its source} of models other than the seed: `annotator` writes EFT, `generator` writes prompts."""
    named = {"annotator": settings["eft"]["annotator"]}
    if settings["prompts"]["source"] == "generate":
        named["generator"] = settings["prompts"]["generation"]["model"]
    models = {}
    for role, place in named.items():
        if place in ("written", "seed"):
            continue
        hub = on_hub(place)
        source = {"source": "hub", "repo": hub["repo"], "revision": hub["revision"]} if hub else None
        models[role] = source or {"source": "path", "path": place}
    return models


def reward_model_name(place: str) -> str | None:
    """Return the folder of a reward model from the hub, `<owner>--<name>--<revision>`; None for a path."""
    hub = on_hub(place)
    return hub and f"{hub['repo'].replace('/', '--')}--{hub['revision']}"


def reward_models(settings: dict) -> dict[str, dict]:
    """Return {folder: {repo, revision}} of the reward models on the hub that methods name."""
    places = {own["scored_by"] for method in settings["methods"] for own in iterations(settings, method)} - {None}
    return {name: on_hub(place) for place in sorted(places) if (name := reward_model_name(place))}


def template_files(settings: dict, role: str) -> list[str]:
    """Return [a template's file, and the rubric's where the template includes it]."""
    path, rubric = settings["templates"][role], settings["templates"]["rubric"]
    return [path, rubric] if role != "generate" and rubric and templates.includes_rubric(path) else [path]


def templates_read(settings: dict) -> list[tuple[str, str, str]]:
    """Return (key, role, path) of the templates that this config uses."""
    generates, alpaca = settings["prompts"]["source"] == "generate", settings["benchmarks"]["alpaca_eval"]
    judges_pairs = any(settings["benchmarks"][name].get("pairwise") for name in settings["benchmarks"]["run"])
    roles = ("judge", "meta_judge", *["pairwise"] * judges_pairs, *["generate"] * generates)
    files = [(f"templates.{role}", role, settings["templates"][role]) for role in roles]
    if alpaca["categories"] == "judge":
        files.append(("benchmarks.alpaca_eval.category_template", "category", alpaca["category_template"]))
    return files


def calibrations(settings: dict) -> list[dict]:
    """Return {benchmark, model, answers, verdicts} of each published model under `benchmarks.calibration`, in order."""
    folders, files = settings["benchmarks"]["calibration"], []
    if folders["alpaca_eval"]:
        annotator = settings["benchmarks"]["alpaca_eval"]["annotator"]
        for answers in sorted(Path(folders["alpaca_eval"]).glob("*/model_outputs.json")):
            verdicts = answers.parent / annotator / "annotations.json"
            if verdicts.is_file():
                files.append({"benchmark": "alpaca_eval", "answers": answers, "verdicts": verdicts})
                files[-1]["model"] = answers.parent.name
    if folders["arena_hard"]:
        for answers in sorted(Path(folders["arena_hard"]).glob("model_answer/*.jsonl")):
            for verdicts in sorted(Path(folders["arena_hard"]).glob(f"model_judgment/*/{answers.name}")):
                files.append({"benchmark": "arena_hard", "answers": answers, "verdicts": verdicts})
                files[-1]["model"] = answers.stem
    return [{key: str(value) for key, value in row.items()} for row in files]


def named_files(settings: dict) -> list[tuple[str, str]]:
    """Return (key, path) of the files that must exist."""
    files = [(key, path) for key, _, path in templates_read(settings)]
    if settings["templates"]["rubric"]:
        files.append(("templates.rubric", settings["templates"]["rubric"]))
    if not settings["eft"]["trees"].startswith("hf://"):
        files.append(("eft.trees", settings["eft"]["trees"]))
    if settings["eft"]["eval_ids"]:
        files.append(("eft.eval_ids", settings["eft"]["eval_ids"]))
    if settings["prompts"]["source"] == "file":
        files += [("prompts.path", path) for path in settings["prompts"]["path"]]
    for key in ("recipe", "accelerate"):
        files += [(f"{section}.{key}", settings[section][key]) for section in ("sft", "dpo")]
        files += [
            (f"methods.{name}.iterations[{number}].{key}", own[key])
            for name in settings["methods"]
            for number, own in enumerate(iterations(settings, name))
            if own[key] != settings["dpo"][key]
        ]
    if settings["benchmarks"]["alpaca_eval"]["categories"] not in (None, "judge"):
        files.append(("benchmarks.alpaca_eval.categories", settings["benchmarks"]["alpaca_eval"]["categories"]))
    if "own_preferences" in settings["benchmarks"]["run"] and settings["benchmarks"]["own_preferences"]["path"]:
        files.append(("benchmarks.own_preferences.path", settings["benchmarks"]["own_preferences"]["path"]))
    for name in settings["benchmarks"]["run"]:
        key, own = registry.get(name).questions, settings["benchmarks"][name]
        if key in own:  # its questions are a local file
            files.append((f"benchmarks.{name}.{key}", own[key]))
    return files
