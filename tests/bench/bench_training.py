"""Training: our recipes for a CPU against TRL's defaults; bfloat16 against float32."""

import random
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from measure import ROOT, alternate, hardware_bfloat16, quiet, row, text

from metarewarding.records import write_jsonl


class Steps:
    """While the block runs: how long transformers' Trainer.train takes, and the tokens and padding of its batches.

    ``marks``: (time, tokens before it) at the beginning of each batch, and at the end.
    """

    def __enter__(self):
        import transformers

        self.seconds, self.tokens, self.slots, self.marks = 0.0, 0, 0, []
        self.trainer, steps = transformers.Trainer, self
        self.before = self.trainer.train, self.trainer.training_step

        def train(trainer, *args, **settings):
            start = time.perf_counter()
            try:
                return steps.before[0](trainer, *args, **settings)
            finally:
                steps.mark()
                steps.seconds += time.perf_counter() - start

        def training_step(trainer, model, inputs, *args, **settings):
            steps.mark()
            steps.slots += inputs["input_ids"].numel()
            steps.tokens += int(inputs["attention_mask"].sum())
            return steps.before[1](trainer, model, inputs, *args, **settings)

        self.trainer.train, self.trainer.training_step = train, training_step
        return self

    def __exit__(self, *error):
        self.trainer.train, self.trainer.training_step = self.before

    def mark(self) -> None:
        self.marks.append((time.perf_counter(), self.tokens))

    def tokens_per_second(self, skipped: int) -> float:
        """The rate after the first ``skipped`` batches, which allocate memory and compile."""
        (start, before), (end, tokens) = self.marks[skipped], self.marks[-1]
        return (tokens - before) / (end - start)


def examples(count: int, words: int) -> list[dict]:
    """SFT examples whose prompts and completions differ in length as the laptop run's do."""
    drawn = random.Random(0)

    def chars(mean: int) -> int:
        return int(mean * drawn.lognormvariate(0, 0.5))

    return [
        {"prompt_id": f"p{i}", "response_id": f"p{i}/r0", "score": 4.0}
        | {"prompt": [{"role": "user", "content": text(chars(words * 4), f"prompt {i}")}]}
        | {"completion": [{"role": "assistant", "content": text(chars(words), f"completion {i}")}]}
        for i in range(count)
    ]


def preferences(count: int, words: int) -> list[dict]:
    rows = []
    for i, example in enumerate(examples(count, words)):
        rejected = [
            {"role": "assistant", "content": text(int(random.Random(i).uniform(0.5, 2) * words), f"rejected {i}")}
        ]
        rows.append(
            {"prompt_id": f"p{i}", "kind": "actor", "prompt": example["prompt"], "chosen": example["completion"]}
            | {"rejected": rejected, "chosen_id": f"p{i}/r0", "rejected_id": f"p{i}/r1"}
            | {"chosen_by": 4.0, "rejected_by": 2.0}
        )
    return rows


def run_ours(stage: str, folder: Path, **settings) -> Steps:
    """Run train_<stage>.py in this process on ``folder``/rows.jsonl; ``settings`` are its options beside the files."""
    from trl import DPOConfig, ModelConfig, SFTConfig, TrlParser

    from metarewarding.training.arguments import RunArguments
    from train import train_dpo, train_sft

    script, arguments, config = {
        "sft": (train_sft, RunArguments, SFTConfig),
        "dpo": (train_dpo, train_dpo.DpoArguments, DPOConfig),
    }[stage]
    files = {
        "data": "rows.jsonl",
        "weights": "weights",
        "stats": "stats.json",
        "manifest": "manifest.json",
        "output_dir": "checkpoints",
    }
    settings |= {name: folder / file for name, file in files.items()}
    settings |= {"stop_epoch": 1, "num_train_epochs": 1, "token_limit": 2048, "learning_rate": 1e-5}
    words = [word for name, value in settings.items() for word in (f"--{name}", str(value))]
    with Steps() as steps:
        script.main(*TrlParser((arguments, config, ModelConfig)).parse_args_and_config(words))
    return steps


def compare(stage: str, rows: list[dict], model: Path, columns: tuple[str, ...]) -> list[dict]:
    """One optimizer step on ``rows``: train_<stage>.py with the laptop's recipe against TRL's trainer as it comes.

    Both in the same precision: float32 where the CPU does not compute bfloat16 in hardware.
    """
    from datasets import Dataset
    from transformers import AutoTokenizer
    from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

    bf16 = hardware_bfloat16()
    config, trainer = {"sft": (SFTConfig, SFTTrainer), "dpo": (DPOConfig, DPOTrainer)}[stage]
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_jsonl(folder / "rows.jsonl", rows)

        def ours() -> Steps:
            recipe = ROOT / f"config/trl/{stage}_laptop.yaml"
            return run_ours(stage, folder, config=recipe, model=model, batch_size=len(rows), bf16=bf16)

        def defaults(rows: list[dict] = rows) -> Steps:
            args = config(
                output_dir=str(folder / "trl"), use_cpu=True, bf16=bf16, num_train_epochs=1, learning_rate=1e-5,
                report_to="none", save_strategy="no",
            )  # fmt: skip
            made = trainer(
                model=str(model),
                args=args,
                train_dataset=Dataset.from_list([{column: row[column] for column in columns} for row in rows]),
                processing_class=AutoTokenizer.from_pretrained(model),
            )
            with Steps() as steps:
                made.train()
            return steps

        with quiet():
            defaults(rows[:1])  # the first step allocates and compiles
            _, _, our_steps, their_steps = alternate(ours, defaults)
    our_seconds, their_seconds = (sorted(s.seconds for s in steps) for steps in (our_steps, their_steps))
    a, b = sum(our_seconds) / 2, sum(their_seconds) / 2
    one, two = our_steps[0], their_steps[0]
    if one.tokens != two.tokens:
        raise RuntimeError(f"the two ways trained on {one.tokens} and {two.tokens} tokens")
    note = (
        f"{len(rows)} {'pairs' if stage == 'dpo' else 'examples'}, {one.tokens:,} tokens, "
        f"{'bfloat16' if bf16 else 'float32'}; {one.tokens / a:.0f} against {two.tokens / b:.0f} tokens a second; "
        f"padding {1 - one.tokens / one.slots:.0%} of a batch against {1 - two.tokens / two.slots:.0%}"
    )
    return [row(f"{stage.upper()}, one optimizer step", a, b, "TRL's defaults", note=note)]


def sft(quick: bool, model: Path) -> list[dict]:
    """An SFT step of 8 examples: tokens a second and padding."""
    return compare("sft", examples(2 if quick else 8, 20 if quick else 130), model, ("prompt", "completion"))


def dpo(quick: bool, model: Path) -> list[dict]:
    """A DPO step of 8 pairs: tokens a second and padding."""
    rows = preferences(2 if quick else 8, 20 if quick else 100)
    return compare("dpo", rows, model, ("prompt", "chosen", "rejected"))


def precision(quick: bool, model: Path) -> list[dict]:
    """bfloat16 against float32: a matrix product, and a training step of a tiny Llama.

    Small, as a CPU without bfloat16 in hardware is some sixty times slower with it.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    def product(dtype):
        a, b = torch.ones(256, 576, dtype=dtype), torch.ones(576, 1536, dtype=dtype)
        return lambda: [a @ b for _ in range(2)]

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=512, hidden_size=128, intermediate_size=256, num_hidden_layers=2, num_attention_heads=4
    )
    tiny = LlamaForCausalLM(config)
    ids = torch.randint(0, 512, (1, 64))

    def step(enabled: bool):
        def run():
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
                loss = tiny(input_ids=ids, labels=ids).loss
            loss.backward()

        return run

    result = []
    for name, full, half in (
        ("matrix product 256 x 576 x 1536, twice", product(torch.float32), product(torch.bfloat16)),
        ("training step of a tiny Llama, 64 tokens", step(False), step(True)),
    ):
        full()
        half()
        a, b, _, _ = alternate(full, half, rounds=1 if quick else 3)
        note = "the CPU has bfloat16 in hardware" if hardware_bfloat16() else "the CPU has no bfloat16 in hardware"
        result.append(row(f"float32: {name}", a * 1000, b * 1000, "bfloat16", unit="ms", note=note))
    return result
