"""A reward model instead of the judge (section 3.5): a sequence classifier gives each response a score."""

import os
import time
from collections.abc import Sequence
from pathlib import Path

from metarewarding.engines.chat import inert
from metarewarding.engines.precision import resolve_dtype
from metarewarding.engines.sampling import chat, text_of
from metarewarding.errors import UserError
from metarewarding.jobs.progress import Progress
from metarewarding.records import Response, Reward


class RewardModel:
    """A model of the class that transformers' AutoModelForSequenceClassification gives, with one output.

    ``max_model_len``: tokens of prompt and response together. ``batch_size``: texts at once. Raise UserError for a
    folder with something else, above all a language model: its missing head would be filled with random numbers.
    """

    def __init__(self, weights: str | Path, max_model_len: int, dtype: str, batch_size: int):
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        import torch
        import transformers

        if not (Path(weights) / "config.json").is_file():
            raise UserError(f"scored_by: {weights} is not a model directory: it has no config.json.")
        dtype = resolve_dtype(dtype)
        outputs = transformers.AutoConfig.from_pretrained(weights).num_labels
        if outputs != 1:
            raise UserError(
                f"scored_by: {weights} has {outputs} outputs (num_labels in its config.json). A reward model has one."
            )
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(weights, padding_side="right")
        if self.tokenizer.chat_template is None:
            raise UserError(f"scored_by: the tokenizer of {weights} has no chat template. Add a chat_template.jinja.")
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.model, loading = transformers.AutoModelForSequenceClassification.from_pretrained(
            weights, dtype=getattr(torch, dtype), output_loading_info=True
        )
        if loading["missing_keys"]:
            raise UserError(
                f"scored_by: {weights} lacks the weights {', '.join(sorted(loading['missing_keys'])[:3])} of "
                f"{type(self.model).__name__}. Convert the reward model to this class (config/README.md)."
            )
        self.model.to(self.device).eval()
        self.max_model_len = max_model_len
        # The class reads the score at the last token that is not padding. A model without a padding token was trained
        # without padding, and gets one text at a time.
        self.pad = self.model.config.get_text_config().pad_token_id
        self.batch_size = batch_size if self.pad is not None else 1
        self.facts = {"engine": "transformers", "engine_version": transformers.__version__, "dtype": dtype}

    def tokens(self, prompt: str, response: str) -> list[int]:
        """Return the token ids of one exchange in the reward model's own chat template."""
        messages = [*chat(prompt), {"role": "assistant", "content": response}]
        return self.tokenizer.apply_chat_template(
            [{**message, "content": inert(message["content"], self.tokenizer)} for message in messages],
            tokenize=True,
            return_dict=True,
        )["input_ids"]

    def scores(self, texts: Sequence[list[int]]) -> list[float]:
        """Return the score of each of the ``texts`` (token ids), in their order."""
        import torch

        order = sorted(range(len(texts)), key=lambda i: (len(texts[i]), i))  # similar lengths need less padding
        scores = {}
        with Progress(total=len(texts), desc="Responses") as progress, torch.inference_mode():
            for start in range(0, len(order), self.batch_size):
                batch = order[start : start + self.batch_size]
                width = max(len(texts[i]) for i in batch)
                ids = [texts[i] + [self.pad] * (width - len(texts[i])) for i in batch]
                mask = [[1] * len(texts[i]) + [0] * (width - len(texts[i])) for i in batch]
                tensors = {"input_ids": torch.tensor(ids), "attention_mask": torch.tensor(mask)}
                output = self.model(**{name: tensor.to(self.device) for name, tensor in tensors.items()})
                scores.update(zip(batch, output.logits[:, 0].float().tolist(), strict=True))
                progress.update(len(batch))
        return [scores[i] for i in range(len(texts))]


def score(model, prompt_texts: dict[str, str], responses: Sequence[Response]) -> tuple[list[Reward], dict]:
    """Return the rewards of the responses that fit the model's context, in their order, and the facts of this call.

    ``model`` is a RewardModel. Facts: requests, completions (rewards), prompt_tokens, too_long, reward_mean,
    reward_min, reward_max, seconds; and the counts of texts that a model writes, which are 0.
    """
    start = time.monotonic()
    read = [model.tokens(text_of(prompt_texts, row), row["text"]) for row in responses]
    kept = [i for i, tokens in enumerate(read) if len(tokens) <= model.max_model_len]
    values = model.scores([read[i] for i in kept])
    rows = [
        Reward(prompt_id=responses[i]["prompt_id"], response_id=responses[i]["response_id"], reward=value)
        for i, value in zip(kept, values, strict=True)
    ]
    facts = {
        "requests": len(responses),
        "completions": len(rows),
        "prompt_tokens": sum(len(read[i]) for i in kept),
        "cached_prompt_tokens": 0,
        "output_tokens": 0,
        "unparsed": 0,
        "too_long": len(responses) - len(kept),
        "reward_mean": sum(values) / len(values) if values else None,
        "reward_min": min(values, default=None),
        "reward_max": max(values, default=None),
        "seconds": round(time.monotonic() - start, 2),
    }
    return rows, facts
