"""Broken model folders are refused by a check of their files, before an engine or a trainer loads them."""

import json
import shutil
import struct

import numpy as np
import pytest

from metarewarding.errors import UserError
from metarewarding.jobs.model_check import check_files, read_header

WIDTH, LAYERS, WORDS = 4, 2, 6
CONFIG = {"model_type": "llama", "hidden_size": WIDTH, "num_hidden_layers": LAYERS, "vocab_size": WORDS}
TENSORS = {"model.embed_tokens.weight": (WORDS, WIDTH)}
TENSORS |= {f"model.layers.{layer}.mlp.up_proj.weight": (WIDTH, WIDTH) for layer in range(LAYERS)}


def safetensors(tensors: dict, dtype="F32", fill=1.0, **header) -> bytes:
    """Return the bytes of a safetensors file, written by the format's specification."""
    kind = {"F32": "<f4", "F16": "<f2", "BF16": "<u2"}[dtype]
    parts, offsets, place = [], {}, 0
    for name, shape in tensors.items():
        values = np.full(shape, fill, dtype=kind)
        offsets[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [place, place + values.nbytes]}
        parts.append(values.tobytes())
        place += values.nbytes
    text = json.dumps(offsets | header).encode()
    return struct.pack("<Q", len(text)) + text + b"".join(parts)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "model.safetensors").write_bytes(safetensors(TENSORS))
    (folder / "tokenizer.json").write_text("{}")
    return folder


def change(**values):
    return lambda folder: (folder / "config.json").write_text(json.dumps(CONFIG | values))


def put(name, content):
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return lambda folder: (folder / name).write_bytes(data)


def cut(size):
    def apply(folder):
        path = folder / "model.safetensors"
        path.write_bytes(path.read_bytes()[:size])

    return apply


def drop(name):
    return lambda folder: (folder / name).unlink()


WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
WHOLE = safetensors(TENSORS)
FAULTS = [
    (drop("config.json"), "the model lacks config.json"),
    (drop(WEIGHTS), "the model lacks safetensors weights"),
    (drop("tokenizer.json"), "the model lacks a tokenizer"),
    (put("config.json", {}), "has no model_type"),
    (put("config.json", []), "is not a JSON object"),
    (put("config.json", b"{"), "is not a complete JSON file"),
    (put("config.json", b""), "is not a complete JSON file"),
    (put("config.json", POINTER), "pointer of Git LFS"),
    (put("config.json", b"\xff\xfe{"), "UTF-16"),
    (put("config.json", b"[" * 100_000), "is not a complete JSON file"),
    (put("tokenizer.json", b"{"), "tokenizer.json is not a complete JSON file"),
    (put("tokenizer.json", POINTER), "pointer of Git LFS"),
    (put("generation_config.json", b""), "generation_config.json is not a complete JSON file"),
    (change(auto_map={"AutoModel": "own.py"}), "asks for code of the model's own"),
    (put("tokenizer_config.json", {"auto_map": {}}), "asks for code of the model's own"),
    (change(hidden_size=8), "hidden_size is 8, and the tensor model.embed_tokens.weight has 4"),
    (change(vocab_size=7), "vocab_size is 7, and the tensor"),
    (change(num_hidden_layers=3), "num_hidden_layers is 3, and the weights have no layer 2"),
    (change(num_hidden_layers=1), "num_hidden_layers is 1, and the weights have 2"),
    (cut(0), "is empty or cut off (0 bytes)"),
    (cut(7), "is empty or cut off (7 bytes)"),
    (cut(8), "is cut off or not a safetensors file"),
    (cut(60), "is cut off or not a safetensors file"),
    (cut(len(WHOLE) - 1), "is cut off or damaged"),
    (cut(len(WHOLE) - 100), "is cut off or damaged"),
    (put(WEIGHTS, WHOLE + b"\x00"), "is cut off or damaged"),
    (put(WEIGHTS, POINTER), "pointer of Git LFS, not the weights"),
    (put(WEIGHTS, b"not safetensors at all"), "is cut off or not a safetensors file"),
    (put(WEIGHTS, struct.pack("<Q", 5) + b"[1,2]"), "its header cannot be read"),
    (put(WEIGHTS, struct.pack("<Q", 5) + b"{1:2}"), "its header cannot be read"),
    (put(WEIGHTS, struct.pack("<Q", 2) + b"{}"), "has no tensors"),
    (put(WEIGHTS, struct.pack("<Q", 8) + b'{"a": 3}'), "its header cannot be read"),
    (put(WEIGHTS, safetensors(TENSORS, fill=float("nan"))), "model.embed_tokens.weight contains NaN"),
    (put(WEIGHTS, safetensors(TENSORS, fill=float("inf"))), "contains NaN or infinity"),
    (put(WEIGHTS, safetensors(TENSORS, "F16", float("nan"))), "contains NaN or infinity"),
    (put(WEIGHTS, safetensors(TENSORS, "BF16", 0x7FC0)), "contains NaN or infinity"),
    (put(INDEX, {"weight_map": {"a": "gone.safetensors"}}), "1 of its 1 files are missing, such as gone.safetensors"),
    (put(INDEX, {"weight_map": {"a": WEIGHTS}}), "lists the tensor a, which is in none of the files"),
    (put(INDEX, b"{"), "is not a complete JSON file"),
    (put("zz.safetensors", b""), "zz.safetensors is empty or cut off"),
]


@pytest.mark.parametrize(("fault", "words"), FAULTS, ids=[f"{i} {words[:40]}" for i, (_, words) in enumerate(FAULTS)])
def test_a_broken_model_is_refused_in_one_line(whole, tmp_path, fault, words):
    folder = shutil.copytree(whole, tmp_path / "model")
    fault(folder)
    with pytest.raises(UserError) as error:
        check_files(folder, "model.path")
    assert words in str(error.value)
    assert str(error.value).startswith("model.path: ")
    assert "\n" not in str(error.value)


def test_whole_models_pass(whole, tmp_path):
    check_files(whole, "model.path")
    shards = shutil.copytree(whole, tmp_path / "shards")
    (shards / WEIGHTS).unlink()
    for number, (name, shape) in enumerate(TENSORS.items()):
        (shards / f"{number}.safetensors").write_bytes(safetensors({name: shape}, "BF16", 0x3F80))
    names = {name: f"{number}.safetensors" for number, name in enumerate(TENSORS)}
    (shards / INDEX).write_text(json.dumps({"weight_map": names}))
    check_files(shards, "model.path")
    (shards / "1.safetensors").unlink()
    with pytest.raises(UserError, match=r"1 of its 3 files are missing, such as 1\.safetensors"):
        check_files(shards, "model.path")


def test_a_folder_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "model").write_text("")
    with pytest.raises(UserError, match="is not a folder"):
        check_files(tmp_path / "model", "model.path")


def test_headers_are_read_as_the_safetensors_library_reads_them(tmp_path):
    from safetensors.numpy import save_file

    save_file({"a": np.zeros((2, 3), np.float32), "b": np.zeros(4, np.int64)}, tmp_path / "x.safetensors")
    header = read_header(tmp_path / "x.safetensors")
    assert {name: (of["dtype"], of["shape"]) for name, of in header.items()} == {
        "a": ("F32", [2, 3]),
        "b": ("I64", [4]),
    }
