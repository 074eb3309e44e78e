"""What SFT and DPO share: arguments, batch arithmetic, the length rule, the stop epoch, checkpoints, outputs."""

import hashlib
import json
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from job import elapsed, sha256, versions, weights_sha256
from metarewarding.chat import inert
from metarewarding.errors import UserError
from metarewarding.records import write_json


@dataclass
class RunArguments:
    """Where a training run reads and writes; everything else is TRL's own configuration."""

    model: str = field(metadata={"help": "folder of the model that training starts from"})
    data: list[str] = field(metadata={"help": "JSONL files to train on"})
    weights: str = field(metadata={"help": "folder that the trained weights are written to"})
    stats: str = field(metadata={"help": "JSON file for what was trained on and how the loss went"})
    manifest: str = field(metadata={"help": "JSON file for how the model came about"})
    batch_size: int = field(metadata={"help": "global batch: examples an optimizer step, over all devices"})
    stop_epoch: int = field(metadata={"help": "end after this epoch; the schedule stays num_train_epochs long"})
    token_limit: int = field(metadata={"help": "tokens of prompt and completion together; longer ones are dropped"})


def accumulation_steps(batch_size: int, per_device: int, devices: int) -> int:
    """Steps to accumulate so that an optimizer step sees ``batch_size`` examples; UserError where none fits."""
    together = per_device * devices
    if batch_size % together:
        raise UserError(
            f"a batch_size of {batch_size} cannot be split over {devices} devices with {per_device} examples each: "
            f"it must be a multiple of {together}. Change batch_size, the number of devices, or "
            "per_device_train_batch_size in the recipe."
        )
    return batch_size // together


def configure(args, run: RunArguments) -> None:
    """Fill in what follows from ``run``: accumulation, full-precision master weights, no silent cutting."""
    args.gradient_accumulation_steps = accumulation_steps(
        run.batch_size, args.per_device_train_batch_size, args.world_size
    )
    args.max_length = None  # too long examples are dropped before, counted; TRL would cut them
    args.model_init_kwargs = {"dtype": "float32"} | (args.model_init_kwargs or {})
    if run.stop_epoch > args.num_train_epochs:
        raise UserError(
            f"stop_epoch {run.stop_epoch} lies after the end of the schedule, epoch {args.num_train_epochs}."
        )


def inert_rows(rows: list[dict], tokenizer, columns: tuple[str, ...]) -> list[dict]:
    """The rows reduced to ``columns`` of chat messages, in which no text opens or closes a turn."""
    return [
        {
            column: [{**message, "content": inert(message["content"], tokenizer)} for message in row[column]]
            for column in columns
        }
        for row in rows
    ]


def within(rows: list[dict], tokenizer, limit: int, prompt: str, completions: tuple[str, ...]) -> list[dict]:
    """The rows whose prompt together with each of the ``completions`` columns has at most ``limit`` tokens."""

    def tokens(row: dict, column: str) -> int:
        return len(
            tokenizer.apply_chat_template(row[prompt] + row[column], tokenize=True, return_dict=True)["input_ids"]
        )

    return [row for row in rows if all(tokens(row, column) <= limit for column in completions)]


def stop_after(epoch: int):
    """A callback that ends training after ``epoch``, on a schedule that was laid out for longer."""
    from transformers import TrainerCallback

    class StopAfter(TrainerCallback):
        def on_epoch_end(self, args, state, control, **kwargs):
            if state.epoch >= epoch - 1e-6:
                control.should_training_stop = True

    return StopAfter()


def train(trainer, run: RunArguments, facts: dict) -> None:
    """Train, from the last checkpoint of this same run where there is one, and write the three outputs.

    A checkpoint belongs to a run when model, data and arguments are the same; others are removed.
    """
    from transformers.trainer_utils import get_last_checkpoint

    args, folder = trainer.args, Path(trainer.args.output_dir)
    identity = {
        "settings": vars(run) | {name: getattr(args, name) for name in _SETTINGS if hasattr(args, name)},
        "data_sha256": {path: sha256(path) for path in run.data},
        "trained_from_sha256": weights_sha256(run.model),
    }
    key = hashlib.sha256(json.dumps(identity, sort_keys=True, default=str).encode()).hexdigest()
    marker = folder / "run.sha256"
    if args.process_index == 0 and folder.exists() and not (marker.is_file() and marker.read_text() == key):
        shutil.rmtree(folder)
    trainer.accelerator.wait_for_everyone()
    if args.process_index == 0:
        folder.mkdir(parents=True, exist_ok=True)
        marker.write_text(key)
    trainer.accelerator.wait_for_everyone()
    checkpoint = get_last_checkpoint(folder)
    if checkpoint:
        print(f"going on from {checkpoint}", flush=True)
    trainer.train(resume_from_checkpoint=checkpoint)

    partial = Path(run.weights + ".partial")
    trainer.save_model(str(partial))
    trainer.accelerator.wait_for_everyone()
    if args.process_index != 0:
        return
    (partial / "training_args.bin").unlink(missing_ok=True)
    shutil.rmtree(run.weights, ignore_errors=True)
    os.replace(partial, run.weights)
    write_json(
        run.stats,
        facts | {"steps": trainer.state.global_step, "log": trainer.state.log_history, "seconds": round(elapsed(), 1)},
    )
    write_json(
        run.manifest,
        {
            "trained_from": run.model,
            **identity,
            "weights_sha256": weights_sha256(run.weights),
            "devices": args.world_size,
            "device": str(args.device),
            "versions": versions("torch", "transformers", "trl", "accelerate", "datasets"),
            "seconds": round(elapsed(), 1),
        },
    )
    shutil.rmtree(folder)


_SETTINGS = (
    "learning_rate", "beta", "num_train_epochs", "lr_scheduler_type", "warmup_steps", "weight_decay", "optim", "bf16",
    "per_device_train_batch_size", "gradient_accumulation_steps", "gradient_checkpointing", "seed", "max_grad_norm",
)  # fmt: skip
