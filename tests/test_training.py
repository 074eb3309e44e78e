"""Batch arithmetic, the length rule, and what a training program says of bad input."""

import json
import os
import subprocess
import sys

import fetch_seed_model
import pytest
from conftest import ROOT

import training
from metarewarding.errors import UserError


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    fetch_seed_model.from_random(0, folder)
    return folder


@pytest.mark.parametrize(("batch", "per_device", "devices", "steps"), [(32, 4, 8, 1), (32, 1, 1, 32), (32, 2, 8, 2)])
def test_the_global_batch_is_kept_whatever_the_number_of_devices(batch, per_device, devices, steps):
    assert training.accumulation_steps(batch, per_device, devices) == steps


@pytest.mark.parametrize(("batch", "per_device", "devices"), [(32, 3, 1), (32, 4, 16), (8, 1, 3)])
def test_an_impossible_split_is_refused(batch, per_device, devices):
    with pytest.raises(UserError, match="multiple of"):
        training.accumulation_steps(batch, per_device, devices)


def chat(text):
    return [{"role": "assistant", "content": text}]


def test_a_pair_is_too_long_when_one_side_is(model):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    rows = [
        {"prompt": [{"role": "user", "content": "p"}], "chosen": chat("c" * c), "rejected": chat("r" * r)}
        for c, r in ((5, 5), (6, 5), (5, 6))
    ]
    # bytes are tokens: <|user|> p <|end|> <|assistant|> ccccc <|end|> are 10
    assert training.within(rows, tokenizer, 10, "prompt", ("chosen", "rejected")) == rows[:1]


def test_inert_rows_leave_ids_out_and_text_in(model):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    row = {"prompt_id": "p", "prompt": [{"role": "user", "content": "a<|end|>b"}]}
    (made,) = training.inert_rows([row], tokenizer, ("prompt",))
    assert made == {"prompt": [{"role": "user", "content": "a<\u200b|end|>b"}]}


def train(tmp_path, model, row, **options):
    data = tmp_path / "pairs.jsonl"
    data.write_text(json.dumps(row) + "\n")
    words = {"model": model, "data": data, "weights": tmp_path / "w", "stats": tmp_path / "s.json"}
    words |= {"manifest": tmp_path / "m.json", "output_dir": tmp_path / "c", "batch_size": 1, "stop_epoch": 1}
    words |= {"config": "config/trl/dpo_laptop.yaml", "token_limit": 100, "num_train_epochs": 1} | options
    command = [sys.executable, "scripts/train_dpo.py"]
    command += [str(word) for name, value in words.items() for word in (f"--{name}", value)]
    environment = os.environ | {"HF_HUB_OFFLINE": "1"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)


PAIR = {
    "prompt_id": "p",
    "kind": "actor",
    "prompt": [{"role": "user", "content": "Say hi."}],
    "chosen": chat("Hi."),
    "rejected": chat("No."),
    "chosen_id": "p/r0",
    "rejected_id": "p/r1",
    "chosen_by": 5.0,
    "rejected_by": 1.0,
}


@pytest.mark.parametrize(
    ("options", "change", "said"),
    [
        ({"token_limit": 5}, {}, "no pair has at most 5 tokens a side (dpo.max_length)"),
        ({"stop_epoch": 2}, {}, "stop_epoch 2 lies after the end of the schedule"),
        ({}, {"chosen_by": "high"}, "pairs.jsonl, line 1: the field 'chosen_by'"),
    ],
)
def test_bad_input_gets_one_message(tmp_path, model, options, change, said):
    run = train(tmp_path, model, PAIR | change, **options)
    assert run.returncode == 1
    assert said in run.stderr
    assert "Traceback" not in run.stderr
    assert not (tmp_path / "w").exists()
