"""Settings in which a run differs from another config, where results depend on them."""

import re
from functools import lru_cache
from pathlib import Path

import yaml
from config_text import YAML_LOADER
from lineage import iterations
from settings import read_texts, schema, with_defaults

# settings of the machine, the budget and paths, which results do not depend on
_NOT_SCIENCE = re.compile(
    r"engine\.(?!max_model_len|dtype|quantization)|run\b|gates\.|pathvars|resources|environments|plan\.|.*\b(recipe|accelerate|shards|trees_sha256)$"
    r"|benchmarks\.judges($|\.(?!.*\.(model|weights)$))|benchmarks\.(files|calibration|run|arena_laptop|.*\.(max_missing|categories|bootstrap_rounds))|prompts\.path"
    # measures that the paper does not have
    r"|benchmarks\.(lm_eval|llmbar|judgebench|pandalm|reward_bench_2|own_preferences|held_out_preferences)\."
    r"|sampling\.meta_judgments\.repeats|templates\.pairwise"
)


def differences(settings: dict, other: Path) -> list[list[str]]:
    """Return [key, value in the file ``other``, value in ``settings``] of differing settings that results depend on.

    Only methods that ``settings`` runs and both have are compared, and judges that both have; keys with a default may
    be absent from ``other``.
    """
    full = schema()
    loaded = read_texts(yaml.load(Path(other).read_text(encoding="utf-8"), YAML_LOADER), full, full["$defs"])
    theirs, ours = _science(with_defaults(loaded, full, full["$defs"])), _science(settings)
    shared = set(settings["run"]) & set(loaded["methods"])
    keys = [key for key in {**theirs, **ours} if not key.startswith("methods.") or key.split(".")[1] in shared]
    return [
        [key, *("—" if key not in of else str(of[key]) for of in (theirs, ours))]
        for key in keys
        if theirs.get(key) != ours.get(key)
        and (not key.startswith("benchmarks.judges.") or (key in theirs and key in ours))
    ]


def _science(settings: dict) -> dict:
    """Return {dotted key: value} of the settings that results depend on, complete for each iteration."""
    rounds = {
        method: {f"iterations[{i}]": own for i, own in enumerate(iterations(settings, method))}
        | {"starts_from": of["starts_from"]}
        for method, of in settings["methods"].items()
    }
    methods_only = ("pairs", "dpo")  # every round has them

    def flat(value: dict, path: str = "") -> dict:
        leaves = {}
        for key, inner in value.items():
            place = f"{path}{key}"
            leaves |= flat(inner, f"{place}.") if isinstance(inner, dict) and inner else {place: inner}
        return leaves

    kept = {key: value for key, value in settings.items() if key not in methods_only}
    result = flat(kept | {"methods": rounds})
    # whether a recipe trains an adapter
    adapters = {
        f"{key.removesuffix('recipe')}use_peft": _trains_adapter(value)
        for key, value in result.items()
        if key.endswith(".recipe")
    }
    return {key: value for key, value in (result | adapters).items() if not _NOT_SCIENCE.match(key)}


@lru_cache
def _trains_adapter(recipe: str) -> bool:
    return bool(yaml.safe_load(Path(recipe).read_text(encoding="utf-8")).get("use_peft", False))
