"""Each DPO variant of config/ablations.yaml trains, and its loss follows the formula of its paper."""

import pytest
import torch
import yaml
from conftest import ROOT
from test_training import Run, pairs
from torch.nn.functional import logsigmoid
from transformers import AutoModelForCausalLM, AutoTokenizer

from data import fetch_seed_model

METHODS = yaml.safe_load((ROOT / "config/ablations.yaml").read_text())["methods"]
LOSS_KEYS = ("loss_type", "loss_weights", "ld_alpha", "beta")
VARIANTS = {
    name: {key: method[key] for key in LOSS_KEYS if key in method}
    for name, method in METHODS.items()
    if {"loss_type", "ld_alpha"} & set(method)
}
BETA = 0.1


def token_logps(folder, rows):
    """Yield {side: log-probabilities of the answer's tokens} of each pair."""
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    for row in rows:
        of_sides = {}
        for side in ("chosen", "rejected"):
            prompt, whole = (
                tokenizer.apply_chat_template(chat, return_tensors="pt", return_dict=True, add_generation_prompt=start)
                for chat, start in ((row["prompt"], True), (row["prompt"] + row[side], False))
            )
            ids, start = whole["input_ids"], prompt["input_ids"].shape[1]
            with torch.no_grad():
                every = torch.log_softmax(model(ids).logits[0, :-1], -1).gather(1, ids[0, 1:, None])[:, 0]
            of_sides[side] = every[start - 1 :]
        yield of_sides


def loss_of_pair(policy, reference, loss_type=("sigmoid",), loss_weights=None, ld_alpha=1.0, beta=BETA):
    """Return the loss of a pair, computed by hand; LD-DPO weights tokens beyond the shorter side by ``ld_alpha``."""
    shorter = min(len(policy[side]) for side in policy)
    ratios, lengths = {}, {}
    for side, logps in policy.items():
        ratio, lengths[side] = logps - reference[side], len(logps)
        ratios[side] = ratio[:shorter].sum() + ld_alpha * ratio[shorter:].sum()
    losses = {
        "sigmoid": -logsigmoid(beta * (ratios["chosen"] - ratios["rejected"])),
        "sigmoid_norm": -logsigmoid(
            beta * (ratios["chosen"] / lengths["chosen"] - ratios["rejected"] / lengths["rejected"])
        ),
        "sft": -policy["chosen"].mean(),
    }
    weights = loss_weights or [1.0] * len(loss_type)
    return sum(weight * losses[name].item() for name, weight in zip(loss_type, weights, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("name", VARIANTS)
def test_the_loss_of_a_variant_is_its_formula(tmp_path, name):
    fetch_seed_model.from_random(0, tmp_path / "model")
    rows = list(pairs(2))

    def run(stop_epoch):
        options = {"stop_epoch": stop_epoch, "num_train_epochs": 2, "learning_rate": 1e-2, "bf16": "false"}
        trained = Run(tmp_path / f"after_{stop_epoch}", tmp_path / "model", rows, **options)
        for key, value in ({"beta": BETA} | VARIANTS[name]).items():
            trained.words += [f"--{key}", *map(str, value if isinstance(value, list) else [value])]
        return trained.quick()

    # all four pairs are one step: the second step's loss is that of the weights after the first
    losses = [entry["loss"] for entry in run(2).stats["log"] if "loss" in entry]
    policies = [tmp_path / "model", run(1).folder / "weights"]
    for loss, policy in zip(losses, policies, strict=True):
        of_pairs = zip(token_logps(policy, rows), token_logps(tmp_path / "model", rows), strict=True)
        expected = [loss_of_pair(ours, reference, **VARIANTS[name]) for ours, reference in of_pairs]
        assert loss == pytest.approx(sum(expected) / len(expected), abs=2e-4)
    assert losses[0] != pytest.approx(losses[1], abs=1e-3)


def test_each_successor_names_its_source():
    text = (ROOT / "config/ablations.yaml").read_text()
    successors = [*VARIANTS, "meta-consistent"]
    assert len(VARIANTS) == 3
    for name in successors:
        comment = text[: text.index(f"\n  {name}:")].rsplit("\n\n", 1)[-1]
        assert "arXiv" in comment
