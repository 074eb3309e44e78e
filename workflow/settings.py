"""The config: validated, filled in with the schema's defaults, and read by the rules."""

import copy
import math
import re
from pathlib import Path

import yaml
from jsonschema import Draft202012Validator

from metarewarding import templates
from metarewarding.errors import UserError
from metarewarding.jobs.sources import SOURCES

SCHEMA_FILE = Path(__file__).parent / "schemas" / "config.schema.yaml"
YAML_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where libyaml is there


# how MT-Bench's answers are drawn, as published
MT_BENCH_TEMPERATURES = {
    "writing": 0.7,
    "roleplay": 0.7,
    "extraction": 0.0,
    "math": 0.0,
    "coding": 0.0,
    "reasoning": 0.0,
    "stem": 0.1,
    "humanities": 0.1,
}


# keys of earlier versions
RENAMED = {
    "truncated_may_be_chosen": "allow_truncated_chosen",
    "judge_pair_cap": "max_judge_pairs",
    "key_env": "api_key_env",
}


class ConfigError(Exception):
    """An error in the config; each line names the key and says how to fix it."""


def schema() -> dict:
    """The config's schema, with every key of `pairs` and `dpo` allowed in a method and in an iteration."""
    full = yaml.load(SCHEMA_FILE.read_text(encoding="utf-8"), YAML_LOADER)
    overrides = {
        key: {name: value for name, value in rule.items() if name != "default"}
        for section in ("pairs", "dpo")
        for key, rule in full["properties"][section]["properties"].items()
    }
    method = full["properties"]["methods"]["additionalProperties"]["properties"]
    method.update(overrides)
    method["iterations"]["items"]["properties"].update(overrides)
    return full


def load(files: list[str], changes: list[str] = ()) -> dict:
    """config/config.yaml with ``files`` and ``changes`` ("key=value") laid over it, as Snakemake does it."""
    from snakemake.cli import parse_config
    from snakemake.common.configfile import load_configfile
    from snakemake.utils import update_config

    config: dict = {}
    for path in ("config/config.yaml", *files):
        if not Path(path).is_file():
            raise ConfigError(f"{path}: there is no such config file here.")
        update_config(config, load_configfile(path))
    update_config(config, parse_config(list(changes)))
    return config


def resolve(config: dict) -> dict:
    """``config`` checked and with every default written out; raises ConfigError with all faults at once."""
    _check_values(config)
    full_schema = schema()
    errors = sorted(Draft202012Validator(full_schema).iter_errors(config), key=lambda error: list(map(str, error.path)))
    if errors:
        raise ConfigError("\n".join(_in_words(error) for error in errors))
    settings = _with_defaults(config, full_schema, full_schema["$defs"])
    # a config laid over another keeps the other's keys: only those of this source count
    source = settings["model"]["source"]
    settings["model"] = {
        key: settings["model"][key] for key in ("source", *_MODEL_KEYS[source]) if key in settings["model"]
    }
    if isinstance(settings["prompts"]["path"], str):
        settings["prompts"]["path"] = [settings["prompts"]["path"]]
    faults = _check_across(settings)
    if faults:
        raise ConfigError("\n".join(faults))
    return settings


def on_hub(place: str) -> dict | None:
    """{repo, revision, file} of `hf://[datasets/]<owner>/<name>@<revision>[/<file>]`; None for another text."""
    match = re.fullmatch(r"hf://(?:datasets/)?(?P<repo>[^/@]+/[^/@]+)@(?P<revision>[^/@]+)(?:/(?P<file>.+))?", place)
    return match and match.groupdict()


def other_models(settings: dict) -> dict[str, dict]:
    """{role: what fetches it} of the models beside the seed: `annotator` writes EFT, `generator` writes prompts."""
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


def pool_sizes(settings: dict) -> list[int]:
    """Prompts of each pool; those of a file are its lines, of which some may turn out to be repeats."""
    prompts = settings["prompts"]
    if prompts["source"] == "generate":
        return [prompts["generation"]["size"]] * prompts["generation"]["pools"]
    sizes = []
    for path in prompts["path"]:
        with open(path, "rb") as file:
            sizes.append(sum(1 for line in file if line.strip()))
    return sizes


def slice_place(settings: dict, iteration: int) -> tuple[int, int]:
    """(pool, slice of that pool), both from 1, that ``iteration`` takes its prompts from.

    A pool without a further whole slice is followed by the next, so a pool that is added changes no
    earlier iteration. An iteration beyond all pools is placed in the last one, whose slices then end.
    """
    per_iteration, sizes, before = settings["prompts"]["per_iteration"], pool_sizes(settings), 0
    for pool, size in enumerate(sizes, start=1):
        if iteration <= before + size // per_iteration or pool == len(sizes):
            return pool, iteration - before
        before += size // per_iteration
    raise ValueError("there is no pool")


def iterations(settings: dict, method: str) -> list[dict]:
    """The settings of each DPO round: its own keys, else the method's, else those of `pairs` and `dpo`."""
    of_method = settings["methods"][method]
    shared = {key: value for key, value in of_method.items() if key not in ("iterations", "starts_from")}
    return [settings["pairs"] | settings["dpo"] | shared | own for own in of_method["iterations"]]


def parent(settings: dict, method: str, iteration: int) -> str:
    """The model that iteration ``iteration`` (from 1) of ``method`` starts from and samples: `m0`, `<method>/m<t>`."""
    if iteration == 1:
        return settings["methods"][method]["starts_from"]
    return f"{method}/m{iteration - 1}"


def split_model(model: str) -> tuple[str, int]:
    """("meta-rewarding", 2) from `meta-rewarding/m2`."""
    method, _, iteration = model.rpartition("/m")
    return method, int(iteration)


def depth(settings: dict, model: str) -> int:
    """How many DPO rounds lie between M0 and ``model``; the seed and M0 have none."""
    rounds = 0
    while model not in ("seed", "m0"):
        model = parent(settings, *split_model(model))
        rounds += 1
    return rounds


def models(settings: dict, methods: list[str]) -> list[str]:
    """The seed, M0, and every model of ``methods`` with those that they start from, parents first."""
    found = ["seed", "m0"]
    for method in methods:
        chain, model = [], f"{method}/m{len(settings['methods'][method]['iterations'])}"
        while model not in found:
            chain.insert(0, model)
            model = parent(settings, *split_model(model))
        found += chain
    return found


def trains_judge(settings: dict, model: str) -> bool:
    """Whether the DPO round that makes ``model`` trains on judge pairs."""
    method, iteration = split_model(model)
    return "judge" in iterations(settings, method)[iteration - 1]["train_on"]


def scored_by(settings: dict, model: str) -> str | None:
    """The reward model that scores responses for the DPO round that makes ``model``; None for the parent's judge."""
    method, iteration = split_model(model)
    return iterations(settings, method)[iteration - 1]["scored_by"]


def uses_judgments(settings: dict, model: str) -> bool:
    """Whether the DPO round that makes ``model`` uses its parent's judgments: for actor pairs, or to be compared."""
    return scored_by(settings, model) is None or trains_judge(settings, model)


def reward_model_name(place: str) -> str | None:
    """The folder of a reward model that is fetched from the hub, `<owner>--<name>--<revision>`; None for a path."""
    hub = on_hub(place)
    return hub and f"{hub['repo'].replace('/', '--')}--{hub['revision']}"


def reward_models(settings: dict) -> dict[str, dict]:
    """{folder: {repo, revision}} of the reward models on the hub that methods name."""
    places = {own["scored_by"] for method in settings["methods"] for own in iterations(settings, method)} - {None}
    return {name: on_hub(place) for place in sorted(places) if (name := reward_model_name(place))}


def secrets(settings: dict) -> list[str]:
    """Names of the environment variables that hold tokens: the hub's, and those of the judges."""
    keys = [judge["api_key_env"] for judge in settings["benchmarks"]["judges"].values() if judge["api_key_env"]]
    return sorted({"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", *keys})


def _in_words(error) -> str:
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path).lstrip(".")
    if error.validator == "additionalProperties" and error.schema.get("additionalProperties") is False:
        known = error.schema.get("properties", {})
        unknown = sorted(str(key) for key in error.instance if key not in known)
        where = f"{path}." if path else ""
        renamed = [key for key in unknown if key in RENAMED]
        if renamed:
            return "\n".join(f"config: {where}{key}: this key is now called {RENAMED[key]}." for key in renamed)
        return (
            f"config: {', '.join(where + key for key in unknown)}: no such key. Known here: {', '.join(sorted(known))}."
        )
    if error.validator == "required":
        missing = [key for key in error.validator_value if key not in error.instance]
        return f"config: {', '.join((path + '.' if path else '') + key for key in missing)}: missing."
    if error.validator == "type" and isinstance(error.instance, str) and _is_number(error.instance):
        number = error.instance if "." in error.instance else error.instance.replace("e", ".0e")
        return f"config: {path}: '{error.instance}' is text here; write {number} in a config file, without quotes."
    if path.endswith((".api_key_env", ".base_url")):  # a secret may stand there by mistake, and is not repeated
        return f"config: {path}: not of the form that is wanted. ({error.schema['description']})"
    description = error.schema.get("description") if isinstance(error.schema, dict) else None
    return f"config: {path}: {error.message}." + (f" ({description})" if description else "")


def _check_values(config, path: str = "config") -> None:
    """Faults that a schema cannot name: keys that are not strings, numbers that are not finite (.nan, .inf)."""
    if isinstance(config, dict):
        for key, value in config.items():
            if not isinstance(key, str):
                raise ConfigError(f"{path}: the key {key!r} must be a string; put it in quotes.")
            _check_values(value, f"{path}: {key}" if path == "config" else f"{path}.{key}")
    elif isinstance(config, list):
        for number, value in enumerate(config):
            _check_values(value, f"{path}[{number}]")
    elif isinstance(config, float) and not math.isfinite(config):
        raise ConfigError(f"{path}: {config} is not allowed; a number must be finite.")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _with_defaults(value, rule: dict, defs: dict):
    """``value`` with defaults, in one form for all that means the same: keys in the schema's order (names of the
    user's own by alphabet), numbers as floats, sets in the order of their enum."""
    if "$ref" in rule:
        rule = defs[rule["$ref"].rsplit("/", 1)[1]]
    types = rule.get("type") if isinstance(rule.get("type"), list) else [rule.get("type")]
    if isinstance(value, dict) and "object" in types:
        properties, other = rule.get("properties", {}), rule.get("additionalProperties")
        filled = {}
        for key, of_key in properties.items():
            of_key = defs[of_key["$ref"].rsplit("/", 1)[1]] if "$ref" in of_key else of_key
            if key in value or "default" in of_key:
                filled[key] = _with_defaults(value.get(key, copy.deepcopy(of_key.get("default"))), of_key, defs)
        for key in sorted(set(value) - set(properties)):
            filled[key] = _with_defaults(value[key], other if isinstance(other, dict) else {}, defs)
        return filled
    if isinstance(value, list) and "array" in types:
        items = rule.get("items", {})
        if rule.get("uniqueItems") and "enum" in items:
            return sorted(value, key=items["enum"].index)
        return [_with_defaults(item, items, defs) for item in value]
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value) if "number" in types else int(value) if "integer" in types else value
    return copy.deepcopy(value)


_MODEL_KEYS = {"pypi": ("package", "file"), "hub": ("repo", "revision"), "path": ("path",), "random": ("seed",)}


def _check_across(settings: dict) -> list[str]:
    """What one key cannot say alone: names that must exist, files that must be there, pools that must suffice."""
    faults = []
    model = settings["model"]
    for key in _MODEL_KEYS[model["source"]]:
        if key not in model:
            faults.append(f"config: model.{key}: missing; model.source is {model['source']}.")
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
                    f"{where}.stop_epoch: {own['stop_epoch']} lies after schedule_epochs {own['schedule_epochs']}."
                )
            if "judge" in own["train_on"] and (own["k"] is not None or own["n"] is not None):
                faults.append(
                    f"{where}: pairs.k and pairs.n cannot be set where the judge is trained: another response would be "
                    "meta-judged. Change sampling.responses.n or sampling.judgments.n, in a study with its own root "
                    "(pathvars.results)."
                )
            if own["scored_by"] is not None:
                faults += _check_reward_model(where, own)
            for key, sampled in (("k", "responses"), ("n", "judgments")):
                if own[key] is not None and own[key] > settings["sampling"][sampled]["n"]:
                    most = settings["sampling"][sampled]["n"]
                    faults.append(f"{where}.{key}: {own[key]} is more than sampling.{sampled}.n {most}.")
    if settings["sft"]["stop_epoch"] > settings["sft"]["schedule_epochs"]:
        faults.append("config: sft.stop_epoch: lies after sft.schedule_epochs.")
    if settings["sampling"]["shards"] > settings["prompts"]["per_iteration"]:
        faults.append("config: sampling.shards: more shards than prompts.per_iteration leaves some empty.")
    if settings["prompts"]["source"] == "file" and not settings["prompts"]["path"]:
        return [*faults, "config: prompts.path: missing; prompts.source is file."]
    faults += _check_models_and_places(settings) + _check_judges(settings["benchmarks"])
    faults += [
        f"config: {key}: the file {path} does not exist." for key, path in _files(settings) if not Path(path).is_file()
    ]
    return faults or _check_templates(settings) + _check_pool(settings) + _check_accelerate(settings)


def _check_reward_model(where: str, own: dict) -> list[str]:
    """Faults of an iteration with ``scored_by``: a place that is none, and settings that it leaves without effect."""
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
        faults.append(f"{where}.n: with scored_by no judgment decides an actor pair. Remove one of the two.")
    return faults


def _check_templates(settings: dict) -> list[str]:
    faults = []
    for key, role, path in _templates(settings):
        try:
            templates.load(path if role == "category" else template_files(settings, role), role)
        except UserError as error:
            faults.append(f"config: {key}: {error}")
    return faults


def template_files(settings: dict, role: str) -> list[str]:
    """[a template's file, and the rubric's where the template includes it]."""
    path, rubric = settings["templates"][role], settings["templates"]["rubric"]
    return [path, rubric] if role != "generate" and rubric and templates.includes_rubric(path) else [path]


def _templates(settings: dict) -> list[tuple[str, str, str]]:
    """(key, role, path) of the templates that are read: two of them only where a model generates prompts or labels."""
    generates, alpaca = settings["prompts"]["source"] == "generate", settings["benchmarks"]["alpaca_eval"]
    roles = ("judge", "meta_judge", *["generate"] * generates)
    found = [(f"templates.{role}", role, settings["templates"][role]) for role in roles]
    if alpaca["categories"] == "judge":
        found.append(("benchmarks.alpaca_eval.category_template", "category", alpaca["category_template"]))
    return found


def _check_accelerate(settings: dict) -> list[str]:
    """Accelerate configs whose processes do not fit the GPUs that a training job asks for: one GPU a process."""
    faults, gpus = [], settings["resources"]["train"]["gpu"]
    for key, path in _files(settings):
        if not key.endswith(".accelerate"):
            continue
        try:
            launch = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
            kind, processes = launch["distributed_type"], int(launch.get("num_processes", 1))
        except (yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError):
            faults.append(f"config: {key}: {path} is not an accelerate configuration; it has no distributed_type.")
            continue
        if kind == "NO" and gpus > 1:
            faults.append(
                f"config: {key}: {path} trains on one GPU (distributed_type NO), and resources.train.gpu is {gpus}: "
                f"set that to 1, or take a distributed configuration with num_processes {gpus}, such as "
                "config/accelerate/fsdp_8gpu.yaml."
            )
        elif kind != "NO" and gpus != processes:
            faults.append(
                f"config: {key}: {path} starts {processes} processes (distributed_type {kind}), one on each GPU, and "
                f"resources.train.gpu is {gpus}: set that to {processes}, or take another configuration, such as "
                "config/accelerate/gpu.yaml for one GPU."
            )
    return faults


def _check_pool(settings: dict) -> list[str]:
    """More iterations than the pools have prompts for are refused before anything is sampled."""
    prompts, sizes = settings["prompts"], pool_sizes(settings)
    per_iteration = prompts["per_iteration"]
    deepest = max(depth(settings, model) for model in models(settings, list(settings["methods"])))
    if deepest > sum(size // per_iteration for size in sizes):
        generates = prompts["source"] == "generate"
        have = " and ".join(map(str, sizes))
        mend = "raise prompts.generation.pools" if generates else "add a file to prompts.path"
        return [
            f"config: prompts: {deepest} iterations of prompts.per_iteration {per_iteration} need "
            f"{deepest * per_iteration} prompts, and "
            f"{'the pool' if generates else ', '.join(prompts['path'])} has {have}: {mend}."
        ]
    return []


def _check_models_and_places(settings: dict) -> list[str]:
    """Trees and models that are named by a text: a local place, or one on the hub at a revision."""
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


def calibrations(settings: dict) -> list[dict]:
    """{benchmark, model, answers, verdicts} of each published model under `benchmarks.calibration`, in order."""
    folders, found = settings["benchmarks"]["calibration"], []
    if folders["alpaca_eval"]:
        annotator = settings["benchmarks"]["alpaca_eval"]["annotator"]
        for answers in sorted(Path(folders["alpaca_eval"]).glob("*/model_outputs.json")):
            verdicts = answers.parent / annotator / "annotations.json"
            if verdicts.is_file():
                found.append({"benchmark": "alpaca_eval", "answers": answers, "verdicts": verdicts})
                found[-1]["model"] = answers.parent.name
    if folders["arena_hard"]:
        for answers in sorted(Path(folders["arena_hard"]).glob("model_answer/*.jsonl")):
            for verdicts in sorted(Path(folders["arena_hard"]).glob(f"model_judgment/*/{answers.name}")):
                found.append({"benchmark": "arena_hard", "answers": answers, "verdicts": verdicts})
                found[-1]["model"] = answers.stem
    return [{key: str(value) for key, value in row.items()} for row in found]


def _check_judges(benchmarks: dict) -> list[str]:
    """Judges that benchmarks name, and where each is to be found."""
    faults = []
    for name in benchmarks["run"]:
        judge = benchmarks[name].get("judge")
        if judge is not None and judge not in benchmarks["judges"]:
            known = ", ".join(benchmarks["judges"]) or "none"
            faults.append(
                f"config: benchmarks.{name}.judge: '{judge}' is not under benchmarks.judges (there: {known})."
            )
    for name, judge in benchmarks["judges"].items():
        where, weights = f"config: benchmarks.judges.{name}", judge["weights"]
        if (judge["base_url"] is None) == (weights is None):
            faults.append(f"{where}: give either base_url, a server that runs, or weights, a model to serve.")
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
                f"config: benchmarks.calibration.{name}: {path}/model_judgment holds verdicts of several judges on one "
                "model. Leave one judge's folder there."
            )
        if name not in calibrated:
            faults.append(
                f"config: benchmarks.calibration.{name}: {path} holds no model with published answers and verdicts. "
                + {
                    "alpaca_eval": "Wanted: <model>/model_outputs.json and <model>/<annotator>/annotations.json.",
                    "arena_hard": "Wanted: model_answer/<model>.jsonl and model_judgment/<judge>/<model>.jsonl.",
                }[name]
            )
    for name, path in benchmarks["files"].items():
        if name not in SOURCES:
            faults.append(f"config: benchmarks.files.{name}: no such source. Sources: {', '.join(SOURCES)}.")
        elif not Path(path).is_file():
            faults.append(f"config: benchmarks.files.{name}: the file {path} does not exist.")
    return faults


def _files(settings: dict) -> list[tuple[str, str]]:
    files = [(key, path) for key, _, path in _templates(settings)]
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
    if "arena_laptop" in settings["benchmarks"]["run"]:
        files.append(("benchmarks.arena_laptop.prompts", settings["benchmarks"]["arena_laptop"]["prompts"]))
    return files


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
