"""Load the config, check it, and fill in the schema's defaults."""

import copy
import math
import re
from pathlib import Path

import config_checks
import config_text
import yaml
from jsonschema import Draft202012Validator

from metarewarding.evaluation import registry

_EXPONENT = re.compile(r"[-+]?[\d.]+[eE][-+]?\d+")
SCHEMA_FILE = Path(__file__).parent / "schemas" / "config.schema.yaml"

# renamed keys of earlier versions
RENAMED = {
    "truncated_may_be_chosen": "allow_truncated_chosen",
    "judge_pair_cap": "max_judge_pairs",
    "key_env": "api_key_env",
}


class ConfigError(Exception):
    """An error in the config; each line has the key and the fix."""


def base_schema() -> dict:
    """Return the schema file with a section for each benchmark in scripts/metarewarding/evaluation/."""
    full = yaml.load(SCHEMA_FILE.read_text(encoding="utf-8"), config_text.YAML_LOADER)
    measured = full["properties"]["benchmarks"]["properties"]
    always = measured.pop("judge_agreement")
    for name, benchmark in registry.every().items():
        measured[name] = {"type": "object", "description": benchmark.description, "additionalProperties": False}
        measured[name] |= {"default": {}, "properties": copy.deepcopy(benchmark.settings)}
        measured["run"]["items"]["enum"].append(name)
    measured["judge_agreement"] = always
    return full


def schema() -> dict:
    """Return ``base_schema`` with every key of `pairs` and `dpo` allowed in a method and in an iteration."""
    full = base_schema()
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
    """Return config/config.yaml with ``files`` and ``changes`` ("key=value") laid over it, as Snakemake does it."""
    from snakemake.cli import parse_config
    from snakemake.common.configfile import load_configfile
    from snakemake.utils import update_config

    config: dict = {}
    check_files(["config/config.yaml", *files])
    for path in ("config/config.yaml", *files):
        update_config(config, load_configfile(path))
    if faults := [f"--config {change}: write key=value." for change in changes if "=" not in change]:
        raise ConfigError("\n".join(faults))
    update_config(config, parse_config(list(changes)))
    return config


def check_files(files: list[str]) -> None:
    """Raise ConfigError where a config file cannot be read or has a key twice; Snakemake would use the last one."""
    faults = []
    for path in files:
        try:
            if not isinstance(config_text.load(path), dict):
                faults.append(f"{path}: the file must contain keys and values.")
        except config_text.TextError as error:
            faults.append(str(error))
    if faults:
        raise ConfigError("\n".join(faults))


def resolve(config: dict) -> dict:
    """Return ``config``, checked and with every default; raise ConfigError with all faults at once."""
    full_schema = schema()
    config = read_texts(config, full_schema, full_schema["$defs"])
    _check_values(config)
    errors = sorted(Draft202012Validator(full_schema).iter_errors(config), key=lambda error: list(map(str, error.path)))
    if errors:
        raise ConfigError("\n".join(_in_words(error) for error in errors))
    settings = with_defaults(config, full_schema, full_schema["$defs"])
    # a config laid over another keeps the other's keys, so drop those of other sources
    source = settings["model"]["source"]
    keys = ("source", *config_checks.MODEL_KEYS[source], "template_options")
    settings["model"] = {key: settings["model"][key] for key in keys if key in settings["model"]}
    if isinstance(settings["prompts"]["path"], str):
        settings["prompts"]["path"] = [settings["prompts"]["path"]]
    faults = config_checks.check(settings)
    if faults:
        raise ConfigError("\n".join(faults))
    return settings


def engine_room(engine: dict) -> set[str]:
    """Return the keys of ``engine`` that only set how much it computes at once; a change of them reruns nothing."""
    room = {"gpu_memory_utilization", "cpu_cache_gb", "max_num_seqs", "max_num_batched_tokens"}
    return room | ({"batch_size"} if engine["name"] == "vllm" else set())


def secrets(settings: dict) -> list[str]:
    """Return the names of the environment variables with tokens: the hub's, and those of the judges."""
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
    if path.endswith((".api_key_env", ".base_url")):  # the value may be a secret, so it is not printed
        return f"config: {path}: not of the expected form. ({error.schema['description']})"
    description = error.schema.get("description") if isinstance(error.schema, dict) else None
    return f"config: {path}: {error.message}." + (f" ({description})" if description else "")


def _check_values(config, path: str = "config") -> None:
    """Return the faults that a schema cannot express: keys that are not strings, and numbers that are not finite."""
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


def read_texts(value, rule: dict, defs: dict):
    """Return ``value`` with texts read as the numbers, booleans and nulls that the schema allows in their places.

    Every value in `--config 'sampling={seed: 1}'` is a text to Snakemake, and 7.62e9 is one to YAML 1.1.
    """
    rule = _referred(rule, defs)
    if isinstance(value, dict):
        properties, other = rule.get("properties", {}), rule.get("additionalProperties") or {}
        return {key: read_texts(inner, properties.get(key, other), defs) for key, inner in value.items()}
    if isinstance(value, list):
        return [read_texts(item, rule.get("items", {}), defs) for item in value]
    return _read_text(value, rule) if isinstance(value, str) else value


def _read_text(text: str, rule: dict):
    types = {*_types(rule), *(["null"] if None in rule.get("enum", ()) else [])}
    if text in ("null", "~") and "null" in types:
        return None
    if not types & {"boolean", "integer", "number"}:
        return text
    try:
        value = float(text) if _EXPONENT.fullmatch(text) else yaml.load(text, config_text.YAML_LOADER)
    except (yaml.YAMLError, ValueError):
        return text
    if isinstance(value, bool):
        return value if "boolean" in types else text
    return value if isinstance(value, int | float) and types & {"integer", "number"} else text


def _types(rule: dict) -> list:
    """Return the types that a rule allows."""
    return rule["type"] if isinstance(rule.get("type"), list) else [rule.get("type")]


def _referred(rule: dict, defs: dict) -> dict:
    """Return ``rule``, or the one that it refers to."""
    return defs[rule["$ref"].rsplit("/", 1)[1]] if "$ref" in rule else rule


def with_defaults(value, rule: dict, defs: dict):
    """Return ``value`` with defaults, in one form for all values of the same meaning.

    Keys are in the schema's order (the user's own names in alphabetical order), numbers are floats, and sets are in the
    order of their enum.
    """
    rule = _referred(rule, defs)
    types = _types(rule)
    if isinstance(value, dict) and "object" in types:
        properties, other = rule.get("properties", {}), rule.get("additionalProperties")
        filled = {}
        for key, of_key in properties.items():
            of_key = _referred(of_key, defs)
            if key in value or "default" in of_key:
                filled[key] = with_defaults(value.get(key, copy.deepcopy(of_key.get("default"))), of_key, defs)
        for key in sorted(set(value) - set(properties)):
            filled[key] = with_defaults(value[key], other if isinstance(other, dict) else {}, defs)
        return filled
    if isinstance(value, list) and "array" in types:
        items = rule.get("items", {})
        if rule.get("uniqueItems") and "enum" in items:
            return sorted(value, key=items["enum"].index)
        return [with_defaults(item, items, defs) for item in value]
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value) if "number" in types else int(value) if "integer" in types else value
    return copy.deepcopy(value)
