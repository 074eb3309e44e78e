"""The size of a model from its own files, for the plan."""

import json
import math
import struct
from pathlib import Path


def model_size(folder: str | Path) -> dict:
    """Return parameters and kv_bytes_per_token (two bytes a number) of a model directory; {} where it cannot be read.

    Parameters are counted from the shapes in the headers of its safetensors files (those in the index where there is
    one), and left out where there are no such files. The check of the model names the fault of a damaged one; the plan
    is made before it, while the Snakefile is read.
    """
    try:
        return _size(Path(folder))
    except (OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, struct.error):
        return {}


def _size(folder: Path) -> dict:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config = config.get("text_config", config)  # of models that also read images
    heads = config["num_attention_heads"]
    head_size = config.get("head_dim") or config["hidden_size"] // heads
    kv_heads = config.get("num_key_value_heads") or heads
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        files = {folder / name for name in json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()}
    else:
        files = set(folder.glob("model.safetensors"))
    parameters = sum(_parameters(file) for file in files)
    size = {"kv_bytes_per_token": float(2 * config["num_hidden_layers"] * kv_heads * head_size * 2)}
    return size | ({"parameters": float(parameters)} if parameters else {})


def _parameters(file: Path) -> int:
    """Return the number of parameters in a safetensors file, from the shapes in its JSON header."""
    with open(file, "rb") as opened:
        (length,) = struct.unpack("<Q", opened.read(8))
        if length > file.stat().st_size:  # the text of a Git LFS pointer, read as a number
            raise ValueError(f"{file}: not a safetensors file")
        header = json.loads(opened.read(length))
    return sum(math.prod(tensor["shape"]) for name, tensor in header.items() if name != "__metadata__")
