"""Checks across config keys, which the schema cannot state."""

from pathlib import Path

import launch_checks
import value_checks
from config_files import calibrations, named_files, on_hub, template_files, templates_read
from lineage import depth, iterations, models, pool_sizes, split_model

from metarewarding import templates
from metarewarding.errors import UserError
from metarewarding.evaluation import registry

# keys of `model`, by its source
MODEL_KEYS = {"pypi": ("package", "file"), "hub": ("repo", "revision"), "path": ("path",), "random": ("seed",)}


def check(settings: dict) -> list[str]:
    """Return every fault across keys: missing names and files, and pools with too few prompts."""
    faults = []
    model = settings["model"]
    for key in MODEL_KEYS[model["source"]]:
        if key not in model:
            faults.append(f"config: model.{key}: missing; model.source is {model['source']}.")
    if model["source"] == "path" and "path" in model and not Path(model["path"]).is_dir():
        # Snakemake itself would not report it where results of another model exist
        faults.append(f"config: model.path: {model['path']} is not a folder.")
    methods = settings["methods"]
    for name in settings["run"]:
        if name not in methods:
            faults.append(f"config: run: there is no method '{name}'. Methods: {', '.join(methods)}.")
    for name, method in methods.items():
        start = method["starts_from"]
        if start != "m0":
            other, number = split_model(start)
            if other not in methods or number > len(methods[other]["iterations"]):
                faults.append(f"config: methods.{name}.starts_from: there is no model {start}.")
            elif _loops(methods, name):
                faults.append(f"config: methods.{name}.starts_from: {start} itself starts from {name}.")
    if faults:
        return faults
    for name in methods:
        for number, own in enumerate(iterations(settings, name)):
            where = f"config: methods.{name}.iterations[{number}]"
            if own["stop_epoch"] > own["schedule_epochs"]:
                faults.append(
                    f"{where}.stop_epoch: {own['stop_epoch']} is after schedule_epochs {own['schedule_epochs']}."
                )
            if "judge" in own["train_on"] and (own["k"] is not None or own["n"] is not None):
                faults.append(
                    f"{where}: pairs.k and pairs.n cannot be set where the judge is trained: another response would be "
                    "meta-judged. Change sampling.responses.n or sampling.judgments.n, in a study with its own root "
                    "(pathvars.results)."
                )
            if own["loss_weights"] is not None and len(own["loss_weights"]) != len(own["loss_type"]):
                faults.append(
                    f"{where}.loss_weights: {len(own['loss_weights'])} weights for {len(own['loss_type'])} losses."
                )
            used = own["n"] or settings["sampling"]["judgments"]["n"]
            if own["consistent_halves"] and (own["scored_by"] is not None or used < 2):
                faults.append(f"{where}.consistent_halves: needs 2 judgments a response or more, and no scored_by.")
            if own["scored_by"] is not None:
                faults += _check_reward_model(where, own)
            for key, sampled in (("k", "responses"), ("n", "judgments")):
                if own[key] is not None and own[key] > settings["sampling"][sampled]["n"]:
                    most = settings["sampling"][sampled]["n"]
                    faults.append(f"{where}.{key}: {own[key]} is more than sampling.{sampled}.n {most}.")
    if settings["sft"]["stop_epoch"] > settings["sft"]["schedule_epochs"]:
        faults.append("config: sft.stop_epoch: it is after sft.schedule_epochs.")
    if settings["sampling"]["shards"] > settings["prompts"]["per_iteration"]:
        faults.append("config: sampling.shards: more shards than prompts.per_iteration leaves some empty.")
    if settings["prompts"]["source"] == "file" and not settings["prompts"]["path"]:
        return [*faults, "config: prompts.path: missing; prompts.source is file."]
    faults += _check_models_and_places(settings) + _check_judges(settings["benchmarks"])
    faults += [
        f"config: {key}: the file {path} does not exist."
        for key, path in named_files(settings)
        if not Path(path).is_file()
    ]
    return faults or [
        *_check_templates(settings),
        *_check_pool(settings),
        *value_checks.check(settings),
        *launch_checks.check(settings),
    ]


def _loops(methods: dict, name: str) -> bool:
    seen, current = set(), name
    while current not in seen:
        seen.add(current)
        start = methods[current]["starts_from"]
        if start == "m0":
            return False
        current = split_model(start)[0]
        if current not in methods:
            return False
    return True


def _check_reward_model(where: str, own: dict) -> list[str]:
    """Return the faults of an iteration with ``scored_by``: an invalid model, and settings without effect."""
    place, hub, faults = own["scored_by"], on_hub(own["scored_by"]), []
    if place.startswith("hf://"):
        if hub is None or hub["file"] or place.startswith("hf://datasets/"):
            faults.append(f"{where}.scored_by: {place} is not of the form hf://<owner>/<name>@<revision>.")
    elif not Path(place).is_dir():
        faults.append(f"{where}.scored_by: '{place}' is neither a folder nor hf://<owner>/<name>@<revision>.")
    if "actor" not in own["train_on"]:
        faults.append(
            f"{where}.scored_by: a reward model scores responses for actor pairs, and this iteration trains on judge "
            "pairs alone. Set scored_by in the iterations that train the actor."
        )
    if own["n"] is not None:
        faults.append(f"{where}.n: with scored_by, actor pairs do not depend on judgments. Remove one of the two.")
    return faults


def _check_models_and_places(settings: dict) -> list[str]:
    """Return the faults of trees and models: each is a local path, or a place on the hub with a revision."""
    faults = []
    trees, annotator = settings["eft"]["trees"], settings["eft"]["annotator"]
    hub = on_hub(trees)
    if trees.startswith("hf://") and not (hub and hub["file"] and trees.startswith("hf://datasets/")):
        faults.append(f"config: eft.trees: {trees} is not of the form hf://datasets/<owner>/<name>@<revision>/<file>.")
    if hub and annotator == "written":
        faults.append(
            "config: eft.annotator: written needs judgments in the trees, and released trees have none: set it to seed."
        )
    for key, place in (
        ("eft.annotator", annotator),
        ("prompts.generation.model", settings["prompts"]["generation"]["model"]),
    ):
        if place == "seed" or (place == "written" and key == "eft.annotator"):
            continue
        if place.startswith("hf://"):
            hub = on_hub(place)
            if hub is None or hub["file"] or place.startswith("hf://datasets/"):
                faults.append(f"config: {key}: {place} is not of the form hf://<owner>/<name>@<revision>.")
        elif not Path(place).is_dir():
            faults.append(f"config: {key}: '{place}' is neither seed, a folder, nor hf://<owner>/<name>@<revision>.")
    return faults


def _check_judges(benchmarks: dict) -> list[str]:
    """Return the faults of judges, of what benchmarks need besides, and of published answers."""
    faults = []
    for name in benchmarks["run"]:
        judge = benchmarks[name].get("judge")
        if judge is not None and judge not in benchmarks["judges"]:
            known = ", ".join(benchmarks["judges"]) or "none"
            faults.append(
                f"config: benchmarks.{name}.judge: '{judge}' is not under benchmarks.judges (there: {known})."
            )
    folder = benchmarks["lm_eval"]["folder"]
    if folder is not None and not Path(folder).is_dir():
        faults.append(f"config: benchmarks.lm_eval.folder: {folder} is not a folder.")
    for name, key in (("reward_bench_2", "revision"), ("own_preferences", "path")):
        if name in benchmarks["run"] and not benchmarks[name][key]:
            faults.append(f"config: benchmarks.{name}.{key}: missing; benchmarks.run names {name}.")
    for name, judge in benchmarks["judges"].items():
        where, weights = f"config: benchmarks.judges.{name}", judge["weights"]
        if (judge["base_url"] is None) == (weights is None):
            faults.append(f"{where}: set either base_url, a running server, or weights, a model to serve.")
        if weights is not None and weights not in ("seed", "m0") and not Path(weights).is_dir():
            faults.append(f"{where}.weights: '{weights}' is neither seed, m0, nor a folder.")
    calibrated = {row["benchmark"] for row in calibrations({"benchmarks": benchmarks})}
    for name, path in benchmarks["calibration"].items():
        if path is None:
            continue
        judge = benchmarks[name]["judge"]
        if judge not in benchmarks["judges"]:
            faults.append(f"config: benchmarks.{name}.judge: '{judge}' is not under benchmarks.judges.")
        models = [row["model"] for row in calibrations({"benchmarks": benchmarks}) if row["benchmark"] == name]
        if len(set(models)) < len(models):
            faults.append(
                f"config: benchmarks.calibration.{name}: {path}/model_judgment has verdicts of several judges on one "
                "model. Leave one judge's folder there."
            )
        if name not in calibrated:
            faults.append(
                f"config: benchmarks.calibration.{name}: {path} has no model with published answers and verdicts. "
                + {
                    "alpaca_eval": "Expected: <model>/model_outputs.json and <model>/<annotator>/annotations.json.",
                    "arena_hard": "Expected: model_answer/<model>.jsonl and model_judgment/<judge>/<model>.jsonl.",
                }[name]
            )
    sources = registry.sources()
    for name, path in benchmarks["files"].items():
        if name not in sources:
            faults.append(f"config: benchmarks.files.{name}: no such source. Sources: {', '.join(sources)}.")
        elif not Path(path).is_file():
            faults.append(f"config: benchmarks.files.{name}: the file {path} does not exist.")
    return faults


def _check_templates(settings: dict) -> list[str]:
    faults = []
    for key, role, path in templates_read(settings):
        try:
            templates.load(path if role == "category" else template_files(settings, role), role)
        except UserError as error:
            faults.append(f"config: {key}: {error}")
    return faults


def _check_pool(settings: dict) -> list[str]:
    """Return a fault where there are more iterations than the pools have prompts for."""
    prompts, sizes = settings["prompts"], pool_sizes(settings)
    per_iteration = prompts["per_iteration"]
    deepest = max(depth(settings, model) for model in models(settings, list(settings["methods"])))
    if deepest > sum(size // per_iteration for size in sizes):
        generates = prompts["source"] == "generate"
        have = " and ".join(map(str, sizes))
        fix = "raise prompts.generation.pools" if generates else "add a file to prompts.path"
        return [
            f"config: prompts: {deepest} iterations of prompts.per_iteration {per_iteration} need "
            f"{deepest * per_iteration} prompts, but "
            f"{'the pool' if generates else ', '.join(prompts['path'])} has {have}: {fix}."
        ]
    return []
