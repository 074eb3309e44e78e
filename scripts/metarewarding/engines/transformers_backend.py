"""Plain transformers as an engine, for machines without a vLLM build. It is imported when the engine starts."""

from collections.abc import Sequence
from itertools import groupby

from metarewarding.engines.sampling import Completion, Done, Request
from metarewarding.jobs.progress import Progress


class TransformersBackend:
    """Slower than vLLM, with the same interface."""

    def __init__(self, weights, max_model_len, dtype, batch_size):
        import torch
        import transformers

        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(weights, padding_side="left")
        self.model = transformers.AutoModelForCausalLM.from_pretrained(weights, dtype=getattr(torch, dtype))
        self.model.to(self.device).eval()
        self.max_model_len, self.batch_size = max_model_len, batch_size
        self.prompt_tokens = 0

    def complete(self, prompts: Sequence[list[int]], requests: Sequence[Request], done: Done) -> None:
        """Draw all samples of each request; ``prompts`` are the requests' token ids."""
        # One row for each sample. Rows of similar length share a batch, which needs less padding.
        rows = [
            (request.decoding, len(prompts[i]), i, k) for i, request in enumerate(requests) for k in range(request.n)
        ]
        rows.sort(key=lambda row: (row[0].temperature, row[0].top_p, row[0].max_tokens, *row[1:]))
        self.prompt_tokens += sum(row[1] for row in rows)
        with Progress(total=len(rows), desc="Completions") as progress:
            for decoding, same in groupby(rows, key=lambda row: row[0]):
                same = list(same)
                for start in range(0, len(same), self.batch_size):
                    batch = same[start : start + self.batch_size]
                    seeds = [requests[i].seed + k for _, _, i, k in batch]
                    drawn = self._complete([prompts[i] for _, _, i, _ in batch], seeds, decoding)
                    for (_, _, i, k), completion in zip(batch, drawn, strict=True):
                        done(i, k, completion)
                    progress.update(len(batch))

    def _complete(self, prompts: list[list[int]], seeds: list[int], decoding) -> list[Completion]:
        import torch
        from transformers import GenerationConfig, LogitsProcessorList

        width = max(map(len, prompts))
        pad = self.tokenizer.pad_token_id if self.tokenizer.pad_token_id is not None else 0
        ids = torch.tensor([[pad] * (width - len(prompt)) + prompt for prompt in prompts], device=self.device)
        mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts], device=self.device)
        ends = self.model.generation_config.eos_token_id
        ends = ends if ends is not None else self.tokenizer.eos_token_id
        ends = set(ends if isinstance(ends, list) else [ends])
        limit = min(decoding.max_tokens, self.max_model_len - min(map(len, prompts)))
        with torch.inference_mode():
            output = self.model.generate(
                input_ids=ids,
                attention_mask=mask,
                generation_config=GenerationConfig(
                    do_sample=False, max_new_tokens=limit, eos_token_id=sorted(ends), pad_token_id=pad
                ),
                logits_processor=LogitsProcessorList([_seeded_draw(seeds, decoding, self.device)]),
            )
        completions = []
        for prompt, row in zip(prompts, output[:, width:].tolist(), strict=True):
            row = row[: self.max_model_len - len(prompt)]  # its own limit; other rows of the batch may have more room
            end = next((i for i, token in enumerate(row) if token in ends), None)
            tokens = row if end is None else row[:end]
            text = self.tokenizer.decode(tokens, skip_special_tokens=True).strip()
            # the token that ends a text counts, as in vLLM
            completions.append(Completion(text, len(tokens) + (end is not None), "length" if end is None else "stop"))
        return completions

    def facts(self) -> dict:
        return {"attention_backend": self.model.config._attn_implementation}

    def usage(self) -> tuple[int, int]:
        return self.prompt_tokens, 0


def _seeded_draw(seeds: list[int], decoding, device):
    """Return a logits processor that turns the greedy choice into a draw, with a generator for each row.

    argmax(logits + Gumbel noise) is a draw from softmax(logits), so a batch can be sampled with one
    seed for each row, and a row does not depend on its neighbours (except for floating-point rounding).
    """
    import torch
    from transformers import LogitsProcessor, TopPLogitsWarper

    class SeededDraw(LogitsProcessor):
        def __init__(self):
            self.generators = [torch.Generator(device).manual_seed(seed) for seed in seeds]
            self.top_p = TopPLogitsWarper(decoding.top_p) if decoding.top_p < 1 else None

        def __call__(self, input_ids, scores):
            if decoding.temperature == 0:
                return scores
            scores = scores.float() / decoding.temperature
            if self.top_p:
                scores = self.top_p(input_ids, scores)
            uniform = torch.stack(
                [torch.rand(scores.shape[1], generator=g, device=device, dtype=torch.float64) for g in self.generators]
            )
            return scores - torch.log(-torch.log(uniform.clamp_min(1e-300)))

    return SeededDraw()
