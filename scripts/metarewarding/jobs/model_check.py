"""Check a model directory before anything loads it: safetensors headers, sizes and values against config.json.

Loaders fail minutes later with a message that does not name the file, or load a broken file. Only the headers are read,
and the values by ``values_fault``, so the check of an 8B model takes seconds.
"""

import json
import math
import re
import struct
from pathlib import Path

from metarewarding.errors import UserError
from metarewarding.row_checks import encoding_fault

# bytes of a value; and for floats: (type of the bits, mask of the exponent)
SIZES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}
SIZES |= {"U16": 2, "U32": 4, "U64": 8, "F8_E4M3": 1, "F8_E5M2": 1, "F8_E8M0": 1}
EXPONENTS = {"F32": ("<u4", 0x7F800000), "F16": ("<u2", 0x7C00), "BF16": ("<u2", 0x7F80)}
TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.", "spiece.model")
CHUNK = 1 << 24  # values that are checked together


def check_files(folder: str | Path, source: str, values: bool = True) -> None:
    """Raise UserError, naming ``source``, unless ``folder`` is a complete model; ``values``: also look for NaN."""
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"{source}: {folder} is not a folder.")
    missing = [
        what
        for what, there in {
            "config.json": (folder / "config.json").is_file(),
            "safetensors weights": any(folder.glob("*.safetensors")),
            "a tokenizer": any(file.name.startswith(TOKENIZERS) for file in folder.iterdir()),
        }.items()
        if not there
    ]
    if missing:
        raise UserError(f"{source}: the model lacks {', '.join(missing)}.")
    fault = _config_fault(folder) or _tokenizer_fault(folder) or _weights_fault(folder, values)
    if fault:
        raise UserError(f"{source}: {fault}")


def read_config(folder: Path) -> dict | str:
    """Return config.json as a dict, or a message of what is wrong with it."""
    return _json_object(folder / "config.json")


def _json_object(path: Path) -> dict | str:
    try:
        content = path.read_bytes()
        value = json.loads(content)
    except (OSError, ValueError, RecursionError) as error:
        fault = encoding_fault(content[:64]) if not isinstance(error, OSError) else None
        return f"{path}: {fault}." if fault else f"{path} is not a complete JSON file ({error})."
    return value if isinstance(value, dict) else f"{path} is not a JSON object."


def _config_fault(folder: Path) -> str | None:
    config = read_config(folder)
    if isinstance(config, str):
        return config
    if "auto_map" in config:
        return (
            f"{folder / 'config.json'} asks for code of the model's own (auto_map), which is never run here. Take a "
            "model that transformers knows, or a copy converted to one."
        )
    if "model_type" not in config:
        return f"{folder / 'config.json'} has no model_type: it is empty, or not of a transformers model."
    return None


def _tokenizer_fault(folder: Path) -> str | None:
    for name in ("tokenizer.json", "tokenizer_config.json", "generation_config.json"):
        if (folder / name).is_file():
            content = _json_object(folder / name)
            if isinstance(content, str):
                return content
            if "auto_map" in content:
                return f"{folder / name} asks for code of the model's own (auto_map), which is never run here."
    return None


def _weights_fault(folder: Path, values: bool) -> str | None:
    files = sorted(folder.glob("*.safetensors"))
    index_file = folder / "model.safetensors.index.json"
    tensors: dict[str, dict] = {}
    if index_file.is_file():
        index = _json_object(index_file)
        if isinstance(index, str):
            return index
        named = set(index.get("weight_map", {}).values())
        missing = sorted(name for name in named if not (folder / str(name)).is_file())
        if missing:
            return f"{index_file}: {len(missing)} of its {len(named)} files are missing, such as {missing[0]}."
    for file in files:
        header = read_header(file)
        if isinstance(header, str):
            return header
        tensors |= header
        if values and (fault := values_fault(file, header)):
            return fault
    if index_file.is_file():
        absent = sorted(set(index.get("weight_map", {})) - set(tensors))
        if absent:
            return f"{index_file} lists the tensor {absent[0]}, which is in none of the files."
    return shape_fault(folder, tensors)


def read_header(file: Path) -> dict[str, dict] | str:
    """Return {tensor: {dtype, shape, data_offsets}} of a safetensors file, or a message of what is wrong with it."""
    size = file.stat().st_size
    with open(file, "rb") as content:
        start = content.read(64)
        if start.startswith(b"version https://git-lfs"):
            return f"{file} is a pointer of Git LFS, not the weights. Fetch them with `git lfs pull`."
        if size < 8:
            return f"{file} is empty or cut off ({size} bytes)."
        (length,) = struct.unpack("<Q", start[:8])
        if length > size - 8:
            return f"{file} is cut off or not a safetensors file: its header would have {length} bytes, it has {size}."
        content.seek(8)
        try:
            header = json.loads(content.read(length))
            tensors = {name: of for name, of in header.items() if name != "__metadata__"}
            ends = [of["data_offsets"][1] for of in tensors.values()]
            for name, of in tensors.items():
                count = math.prod(of["shape"])
                begin, end = of["data_offsets"]
                if of["dtype"] in SIZES and end - begin != count * SIZES[of["dtype"]]:
                    return (
                        f"{file}: the tensor {name} has {end - begin} bytes, which do not fit its shape {of['shape']}."
                    )
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
            return f"{file} is not a safetensors file: its header cannot be read."
    if not tensors:
        return f"{file} has no tensors."
    if 8 + length + max(ends) != size:
        return f"{file} is cut off or damaged: it has {size} bytes, and its header asks for {8 + length + max(ends)}."
    return tensors


def values_fault(file: Path, tensors: dict[str, dict]) -> str | None:
    """Return which tensor of ``file`` contains NaN or infinity, or None."""
    import numpy as np  # not at the top, as the environment that runs Snakemake on a cluster has no numpy

    with open(file, "rb") as content:
        start = 8 + struct.unpack("<Q", content.read(8))[0]
    data = np.memmap(file, mode="r", dtype="u1")
    for name, of in tensors.items():
        if of["dtype"] not in EXPONENTS:
            continue
        kind, mask = EXPONENTS[of["dtype"]]
        begin, end = of["data_offsets"]
        values = np.frombuffer(data[start + begin : start + end], dtype=kind)
        for place in range(0, len(values), CHUNK):
            bits = values[place : place + CHUNK] & mask
            if (bits == mask).any():
                return f"{file}: the tensor {name} contains NaN or infinity. The model is damaged; fetch it again."
    return None


def shape_fault(folder: Path, tensors: dict[str, dict]) -> str | None:
    """Return how the tensors contradict config.json, or None."""
    config = read_config(folder)
    config = config.get("text_config", config)
    width, layers, words = (config.get(key) for key in ("hidden_size", "num_hidden_layers", "vocab_size"))
    where = folder / "config.json"
    for name, of in tensors.items():
        if name.endswith(("embed_tokens.weight", "wte.weight")) and len(of["shape"]) == 2:
            if width is not None and of["shape"][1] != width:
                return f"{where}: hidden_size is {width}, and the tensor {name} has {of['shape'][1]}."
            if words is not None and of["shape"][0] != words:
                return f"{where}: vocab_size is {words}, and the tensor {name} has {of['shape'][0]}."
    numbers = {int(match[1]) for name in tensors if (match := re.search(r"\blayers\.(\d+)\.", name))}
    # some models have an extra layer that predicts the token after the next one
    most = (layers or 0) + (config.get("num_nextn_predict_layers") or 0)
    if layers is not None and numbers and not set(range(layers)) <= numbers <= set(range(most)):
        lacking = sorted(set(range(layers)) - numbers)
        return f"{where}: num_hidden_layers is {layers}, and the weights have " + (
            f"no layer {lacking[0]}." if lacking else f"{len(numbers)}."
        )
    return None
