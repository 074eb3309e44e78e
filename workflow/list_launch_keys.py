"""Write the list of keys, with their types, of recipes and accelerate files, from TRL and accelerate.

envs/run python workflow/list_launch_keys.py      # writes workflow/schemas/launch_keys.json

workflow/launch_checks.py reads the list, as the environment that runs Snakemake has neither package; a test compares
the two.
"""

import dataclasses
import json
import types
import typing
from enum import Enum
from pathlib import Path

LIST = Path(__file__).parent / "schemas/launch_keys.json"
NAMES = {int: "integer", float: "number", bool: "boolean", str: "string", dict: "mapping", list: "list"}


def kinds(hint) -> list:
    """Return the kinds of YAML values that a field with this type hint accepts; a choice is a list of its own."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        names = [kind for arg in args for kind in kinds(arg)]
        # an enum or any string: only the enum's values work
        return [kind for kind in names if kind != "string"] if any(isinstance(kind, list) for kind in names) else names
    if isinstance(hint, type) and issubclass(hint, Enum):
        return [[member.value for member in hint]]
    if origin is typing.Literal:
        return [list(args)]
    if hint is type(None):
        return ["null"]
    return [NAMES.get(origin or hint, "any")]


def of_class(cls: type) -> dict[str, list]:
    hints = typing.get_type_hints(cls)
    return {field.name: kinds(hints[field.name]) for field in dataclasses.fields(cls) if field.init}


def launch_keys() -> dict:
    """Return {"sft", "dpo": keys of a recipe, "accelerate": keys of an accelerate configuration}."""
    from accelerate.commands.config.config_args import ClusterConfig
    from trl import DPOConfig, ModelConfig, SFTConfig

    own = {"checkpoint_epochs": ["integer"]} | of_class(ModelConfig)  # keys that the trainer's config does not have
    own["lora_target_modules"] = ["string", *own["lora_target_modules"]]  # as TRL documents it: all-linear
    sft, dpo = of_class(SFTConfig) | own, of_class(DPOConfig) | own
    return {"sft": sft, "dpo": dpo, "accelerate": of_class(ClusterConfig)}


def as_json() -> str:
    rows = [
        f'"{section}": {{\n' + ",\n".join(f'  "{key}": {json.dumps(value)}' for key, value in keys.items()) + "\n}"
        for section, keys in launch_keys().items()
    ]
    return "{\n" + ",\n".join(rows) + "\n}\n"


if __name__ == "__main__":
    LIST.write_text(as_json(), encoding="utf-8")
