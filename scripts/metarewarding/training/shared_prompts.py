"""The forward pass of training on a CPU: rows without padding, a common prompt once, logits for completions only.

Without a GPU, TRL pads the rows of a batch to one length, computes the prompt of a preference pair for both sides, and
projects every position onto the vocabulary. What is computed here is the same, with fewer tokens.
"""

import functools
import types

import trl.trainer.utils
from trl.trainer.utils import FusedCausalLMOutput

_OUTPUTS = ("log_probs", "entropy", "log_sum_sq_probs", "mean_logits", "is_top1")


def pack(input_ids, lengths):
    """Lay the rows of a batch out as one row, in which their common prefix appears once.

    ``input_ids`` is (rows, length), padded on the right; ``lengths`` (rows) counts the tokens of each row. Return
    tokens and positions, both (packed); visible (packed, packed), true where a token attends to another; and places
    (rows, length), where in the packed row each token of the batch is (padding: 0).
    """
    import torch

    alike = int((input_ids == input_ids[0]).all(0).long().cumprod(0).sum())
    shared = min(alike, int(lengths.min()))
    positions, owners, places = [torch.arange(shared)], [torch.full((shared,), -1)], torch.zeros_like(input_ids)
    start = shared
    for row, count in enumerate(lengths.tolist()):
        places[row, :shared] = positions[0]
        places[row, shared:count] = torch.arange(start, start + count - shared)
        positions.append(torch.arange(shared, count))
        owners.append(torch.full((count - shared,), row))
        start += count - shared
    positions, owners = torch.cat(positions), torch.cat(owners)
    visible = ((owners[:, None] == owners) | (owners == -1)) & (positions[:, None] >= positions)
    return input_ids[owners.clamp(min=0), positions], positions, visible, places


def add_fused_lm_head(model, outputs: tuple[str, ...] = ("log_probs",)) -> None:
    """Do what TRL's function of this name does, in packed rows.

    Only for Llama-shaped models with PyTorch's attention: the mask alone must decide what a token attends to, and be
    read as true and false. Others get TRL's own.
    """
    if (model.config.model_type, model.config._attn_implementation) != ("llama", "sdpa"):
        trl.trainer.utils.add_fused_lm_head(model, outputs=outputs)
        return
    original = model.forward

    @functools.wraps(type(model).forward)
    def forward(self, *args, fused_lm_head=False, **inputs):
        if not fused_lm_head:
            return original(*args, **inputs)
        # the last token of a row has no target
        ids, lengths, labels = inputs["input_ids"][:, :-1], inputs["attention_mask"].sum(1) - 1, inputs["labels"][:, 1:]
        tokens, positions, visible, places = pack(ids, lengths)
        # without a mask, attention is causal, which is right for a single row
        layout = {"attention_mask": visible[None, None], "position_ids": positions[None]} if len(ids) > 1 else {}
        hidden = self.base_model(input_ids=tokens[None], use_cache=False, **layout).last_hidden_state[0]
        mask, head = labels != -100, self.get_output_embeddings()
        computed = trl.trainer.utils._ChunkedLogProbFunction.apply(
            hidden[places[mask]],
            head.weight,
            head.bias,
            labels[mask],
            1.0,  # temperature
            trl.trainer.utils._CHUNKED_LOGPROB_CHUNK_SIZE,
            None,  # no cap on logits
            1.0,  # no scale
            outputs,
        )
        fields = {
            name: values.new_zeros(mask.shape).masked_scatter(mask, values)
            for name, values in zip(_OUTPUTS, computed, strict=True)
            if values is not None
        }
        return FusedCausalLMOutput(label_mask=mask, **fields)

    model.forward = types.MethodType(forward, model)
