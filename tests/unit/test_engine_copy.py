"""The bfloat16 copy of trained weights that engines read."""

import torch
from safetensors import safe_open
from transformers import AutoModelForCausalLM

from metarewarding.training.engine_copy import write_bfloat16_copy


def test_an_engine_computes_the_same_from_the_copy(weights, tmp_path):
    model = AutoModelForCausalLM.from_pretrained(weights, dtype=torch.float32)
    whole = tmp_path / "weights"
    model.save_pretrained(whole, max_shard_size="100KB")  # several files with an index, as of a large model
    (whole / "chat_template.jinja").write_text("template")
    write_bfloat16_copy(whole, tmp_path / "engine_weights")

    copy = tmp_path / "engine_weights"
    assert sorted(file.name for file in copy.iterdir()) == sorted(file.name for file in whole.iterdir())
    assert len(list(copy.glob("*.safetensors"))) > 1
    for file in copy.glob("*.safetensors"):
        with safe_open(file, framework="pt") as opened:
            assert {opened.get_tensor(name).dtype for name in opened.keys()} == {torch.bfloat16}
    tokens = torch.tensor([[1, 2, 3, 4]])
    logits = [
        AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16)(tokens).logits for folder in (whole, copy)
    ]
    assert torch.equal(*logits)
    read = AutoModelForCausalLM.from_pretrained(copy, dtype="auto")
    assert read.dtype == torch.bfloat16
    assert not list(tmp_path.glob("*.partial"))


def test_a_copy_that_was_there_is_replaced(weights, tmp_path):
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy/old.txt").write_text("old")
    write_bfloat16_copy(weights, tmp_path / "copy")
    assert not (tmp_path / "copy/old.txt").exists()
