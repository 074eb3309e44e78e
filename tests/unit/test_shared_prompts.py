"""The packed forward pass: its layout, and the same results as TRL's own."""

import pytest
import torch
import trl.trainer.utils
from transformers import LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM

from metarewarding.training import shared_prompts
from train import train_dpo

SMALL = {"vocab_size": 50, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2}
SMALL |= {"num_attention_heads": 4, "num_key_value_heads": 2}
OUTPUTS = ("log_probs", "entropy", "mean_logits", "is_top1")


def batch(*rows):
    """Return the batch that TRL's collators make of rows of (prompt, completion): padded right, with labels."""
    length = max(len(prompt) + len(completion) for prompt, completion in rows)
    result = {"input_ids": [], "attention_mask": [], "labels": []}
    for prompt, completion in rows:
        padding = length - len(prompt) - len(completion)
        result["input_ids"].append([*prompt, *completion] + [0] * padding)
        result["attention_mask"].append([1] * (length - padding) + [0] * padding)
        result["labels"].append([-100] * len(prompt) + [*completion] + [-100] * padding)
    return {name: torch.tensor(rows) for name, rows in result.items()}


def test_a_common_prefix_stands_once_and_rows_do_not_see_each_other():
    ids = torch.tensor([[5, 6, 7, 8, 0], [5, 6, 9, 0, 0], [5, 6, 7, 8, 9]])
    tokens, positions, visible, places = shared_prompts.pack(ids, torch.tensor([4, 3, 5]))
    assert tokens.tolist() == [5, 6, 7, 8, 9, 7, 8, 9]
    assert positions.tolist() == [0, 1, 2, 3, 2, 2, 3, 4]
    assert places.tolist() == [[0, 1, 2, 3, 0], [0, 1, 4, 0, 0], [0, 1, 5, 6, 7]]
    seen = [{i for i, sees in enumerate(row) if sees} for row in visible.tolist()]
    assert seen == [{0}, {0, 1}, {0, 1, 2}, {0, 1, 2, 3}, {0, 1, 4}, {0, 1, 5}, {0, 1, 5, 6}, {0, 1, 5, 6, 7}]


@pytest.mark.parametrize(
    "rows",
    [
        [([1, 2, 3], [4, 5])],
        [([1, 2, 3], [4, 5]), ([1, 2, 3], [6, 7, 8, 9])],
        [([1, 2, 3], [4, 5, 6]), ([1, 2, 3], [4, 5])],  # one completion begins the other
        [([1, 2, 3], [4, 5]), ([1, 2, 3], [4, 5])],
        [([1, 2], [3]), ([4, 5, 6, 7], [8, 9, 10]), ([1], [2, 3, 4, 5])],  # nothing in common
    ],
)
@pytest.mark.parametrize("autocast", [False, True])
def test_values_and_gradients_are_those_of_trl(rows, autocast):
    torch.manual_seed(0)
    result = []
    for add in (trl.trainer.utils.add_fused_lm_head, shared_prompts.add_fused_lm_head):
        if not result:
            weights = LlamaForCausalLM(LlamaConfig(**SMALL)).state_dict()
        model = LlamaForCausalLM(LlamaConfig(**SMALL))
        model.load_state_dict(weights)
        add(model, outputs=OUTPUTS)
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            given = model(**batch(*rows), use_cache=False, fused_lm_head=True)
        (given.log_probs.sum(1) * torch.arange(1, len(rows) + 1)).sum().backward()
        result.append(given | {name: weight.grad for name, weight in model.named_parameters()})
    assert result[0].keys() - result[1].keys() == {"loss"}
    for name in result[1]:
        torch.testing.assert_close(
            result[1][name], result[0][name], rtol=0.1 if autocast else 1e-4, atol=0.1 if autocast else 1e-5
        )


@pytest.mark.parametrize(
    "model",
    [
        MistralForCausalLM(MistralConfig(**SMALL)),
        LlamaForCausalLM(LlamaConfig(**SMALL, attn_implementation="eager")),
    ],
    ids=["sliding window", "eager"],
)
def test_models_that_need_another_mask_keep_trls_own(model):
    shared_prompts.add_fused_lm_head(model)
    given = model(**batch(([1, 2, 3], [4, 5])), use_cache=False, fused_lm_head=True)
    assert given.loss is not None  # which the packed forward leaves out


def test_a_frozen_model_computes_each_batch_once():
    class Frozen:
        calls = 0

        def forward(self, **inputs):
            self.calls += 1
            return self.calls

    model = Frozen()
    train_dpo.compute_reference_once(model)
    one, other = batch(([1, 2], [3, 4])), batch(([1], [2, 3, 4]))  # the same tokens, other labels
    assert [model.forward(**inputs) for inputs in (one, other, one, other)] == [1, 2, 1, 2]
