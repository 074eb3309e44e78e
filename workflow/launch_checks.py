"""Check recipes and accelerate configurations before a job starts, as Snakemake then deletes its old weights."""

import json
from pathlib import Path

import config_text
from config_files import named_files
from lineage import iterations

KEYS_FILE = Path(__file__).parent / "schemas/launch_keys.json"
TYPES = {"integer": int, "number": (int, float), "boolean": bool, "string": str, "mapping": dict, "list": (list, str)}


def check(settings: dict) -> list[str]:
    """Return the faults of every recipe and accelerate file that the config names, and of their batches."""
    keys, read, faults = json.loads(KEYS_FILE.read_text(encoding="utf-8")), {}, []
    for key, path in named_files(settings):
        kind = key.rsplit(".", 1)[1]
        if kind not in ("recipe", "accelerate"):
            continue
        section = "accelerate" if kind == "accelerate" else "sft" if key.startswith("sft.") else "dpo"
        try:
            values = config_text.load(path)
        except config_text.TextError as error:
            faults.append(f"config: {key}: {error}")
            continue
        what = "an accelerate configuration" if section == "accelerate" else "a TRL recipe"
        if not isinstance(values, dict) or not values:
            faults.append(f"config: {key}: {path} must be a mapping of keys, {what}.")
            continue
        messages = [f"config: {key}: {path}: {fault}" for fault in key_faults(values, keys[section], what)]
        if section != "accelerate" and values.get("bf16") is True and values.get("fp16") is True:
            messages.append(f"config: {key}: {path}: bf16 and fp16 cannot both be true.")
        if section == "accelerate":
            messages += _check_processes(key, path, values, settings["resources"]["train"]["gpu"])
        faults += messages
        read[path] = values
    return faults or _check_batches(settings, read)


def key_faults(values: dict, known: dict[str, list], what: str) -> list[str]:
    """Return the faults of the keys and values of one file, by the list of the keys that its reader takes."""
    faults = []
    for key, value in values.items():
        if key not in known:
            near = _nearest(str(key), list(known))
            faults.append(f"{key}: no such key of {what}." + (f" Did you mean {near}?" if near else ""))
        elif not any(fits(value, kind) for kind in known[key]):
            wanted = " or ".join(", ".join(map(str, kind)) if isinstance(kind, list) else kind for kind in known[key])
            faults.append(f"{key}: {value!r} is not of the expected type: {wanted}.")
    batch = values.get("per_device_train_batch_size", 1)
    if isinstance(batch, int) and batch < 1:
        faults.append(f"per_device_train_batch_size: {batch} must be at least 1.")
    return faults


def fits(value, kind) -> bool:
    """Return whether a YAML value is of the kind; TRL also reads numbers from strings, and strings as lists."""
    if isinstance(kind, list):
        return value in kind
    if kind == "any":
        return True
    if kind == "null":
        return value is None
    if kind in ("integer", "number") and isinstance(value, str):
        try:
            return (kind == "number" and float(value) == float(value)) or (kind == "integer" and int(value) is not None)
        except ValueError:
            return False
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, TYPES[kind])


def _nearest(key: str, known: list[str]) -> str | None:
    from difflib import get_close_matches

    return next(iter(get_close_matches(key, known, n=1)), None)


def _check_processes(key: str, path: str, launch: dict, gpus: int) -> list[str]:
    """Return a fault where the processes do not match the GPUs of a training job: one process a GPU."""
    kind = launch.get("distributed_type")
    if kind is None:
        return [f"config: {key}: {path} is not an accelerate configuration; it has no distributed_type."]
    if kind == "NO" and gpus > 1:
        return [
            f"config: {key}: {path} trains on one GPU (distributed_type NO), and resources.train.gpu is {gpus}: "
            "set that to 1, or use a distributed configuration, such as config/accelerate/fsdp_8gpu.yaml."
        ]
    if kind != "NO" and gpus == 0:
        return [
            f"config: {key}: {path} is distributed ({kind}), one process on each GPU, and resources.train.gpu is 0: "
            "set that to the number of GPUs, or use config/accelerate/cpu.yaml."
        ]
    return []


def _check_batches(settings: dict, read: dict[str, dict]) -> list[str]:
    """Return the faults of batches that cannot be split over the processes, and of losses that the recipe disables."""
    trainings = [("sft", settings["sft"])] + [
        (f"methods.{name}.iterations[{number}]", own)
        for name in settings["methods"]
        for number, own in enumerate(iterations(settings, name))
    ]
    faults = {}
    for where, own in trainings:
        launch, recipe = read[own["accelerate"]], read[own["recipe"]]
        processes = 1 if launch["distributed_type"] == "NO" else settings["resources"]["train"]["gpu"]
        each = int(recipe.get("per_device_train_batch_size", 8))  # the default of the trainers
        if own["batch_size"] % (each * processes):
            key = (own["recipe"], own["accelerate"], own["batch_size"])
            faults[key] = (
                f"config: {where}.batch_size: {own['batch_size']} cannot be split over {processes} processes with "
                f"{each} examples each (per_device_train_batch_size in {own['recipe']}): it must be a multiple of "
                f"{each * processes}."
            )
        for loss in own.get("loss_type", []):
            if loss in ("robust", "exo_pair") and not float(recipe.get("label_smoothing", 0)) > 0:
                needed = "label_smoothing above 0: with 0, robust is sigmoid and exo_pair is refused by TRL"
            elif loss == "aot" and each == 1:
                needed = "per_device_train_batch_size above 1: aot sorts the pairs of a batch; with one it is sigmoid"
            else:
                continue
            fault = f"config: {where}.loss_type: {loss} needs, in {own['recipe']}, {needed}."
            faults.setdefault((loss, own["recipe"]), fault)
    return list(faults.values())
