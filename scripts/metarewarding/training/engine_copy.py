"""A copy of trained weights for engines: bfloat16, half the size of the float32 weights that training goes on from."""

import json
import os
import shutil
from pathlib import Path


def write_bfloat16_copy(weights: str | Path, copy: str | Path) -> None:
    """Write the model directory ``copy``, whole or not at all: ``weights`` with each float32 tensor as bfloat16.

    An engine that computes in bfloat16 rounds float32 weights in the same way when it loads them, so it samples the
    same from both. One file at a time is in memory.
    """
    import torch
    from safetensors import safe_open
    from safetensors.torch import save_file

    weights, partial = Path(weights), Path(f"{copy}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(weights, partial, ignore=shutil.ignore_patterns("*.safetensors"))
    for file in sorted(weights.glob("*.safetensors")):
        with safe_open(file, framework="pt") as opened:
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}
            facts = opened.metadata()
        halves = {
            name: tensor.to(torch.bfloat16) if tensor.dtype == torch.float32 else tensor
            for name, tensor in tensors.items()
        }
        save_file(halves, partial / file.name, metadata=facts)
    _say_bfloat16(partial)
    shutil.rmtree(copy, ignore_errors=True)
    os.replace(partial, copy)


def _say_bfloat16(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["dtype"] = "bfloat16"
    config.pop("torch_dtype", None)  # its name before transformers 5
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        listed = json.loads(index.read_text())
        if "total_size" in listed.get("metadata", {}):
            listed["metadata"]["total_size"] //= 2
        index.write_text(json.dumps(listed, indent=2) + "\n")
