"""What SFT and DPO share: arguments, batch arithmetic, the length rule, the stop epoch, checkpoints, outputs."""

import hashlib
import json
import math
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean

from metarewarding.engines.chat import inert
from metarewarding.engines.precision import resolve_dtype
from metarewarding.errors import UserError
from metarewarding.jobs.job import elapsed, provenance, sha256, versions, weights_sha256
from metarewarding.records import write_json

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # models and data are local; a compute node may have no way out


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


def auto_precision(config_class: type) -> type:
    """Return TRL's ``config_class`` with `bf16` by the rule `dtype: auto` where the recipe names no precision.

    TRL's own default is bf16 everywhere. The arguments check it against the hardware and hand it to accelerate while
    they are made, so it must be decided before that.
    """

    @dataclass
    class AutoPrecision(config_class):
        def __post_init__(self):
            if self.bf16 is None and not self.fp16:
                self.bf16 = resolve_dtype("auto", gpu=False if self.use_cpu else None) == "bfloat16"
            super().__post_init__()
            self.__class__ = config_class  # which pickle finds, when the arguments are saved in a checkpoint

    return AutoPrecision


def compute_dtype(args) -> str:
    """Return the type that the layers are computed in; weights, gradients and moments are float32."""
    return {"no": "float32", "bf16": "bfloat16", "fp16": "float16"}[args.mixed_precision]


def configure(args, run: RunArguments) -> None:
    """Fill in what follows from ``run``: accumulation, full-precision master weights, no silent cutting."""
    args.gradient_accumulation_steps = accumulation_steps(
        run.batch_size, args.per_device_train_batch_size, args.world_size
    )
    args.max_length = None  # too long examples are dropped before, counted; TRL would cut them
    args.model_init_kwargs = {"dtype": "float32"} | (args.model_init_kwargs or {})
    if args.bf16 and os.environ.get("ACCELERATE_USE_FSDP") == "true":
        args.fsdp_plugin_args = {"mixed_precision_policy": _fsdp_precision()}
    if args.process_index == 0:
        print(f"dtype: {compute_dtype(args)} on {args.device}", flush=True)
    if run.stop_epoch > args.num_train_epochs:
        raise UserError(
            f"stop_epoch {run.stop_epoch} lies after the end of the schedule, epoch {args.num_train_epochs}."
        )


def pack_on_cpu(trainer_module, args) -> None:
    """Have the trainer of ``trainer_module`` (of TRL) use the packed forward, where it trains on a CPU."""
    if args.device.type == "cpu" and os.environ.get("ACCELERATE_USE_FSDP") != "true":
        from metarewarding.training import shared_prompts

        trainer_module.add_fused_lm_head = shared_prompts.add_fused_lm_head


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


def _fsdp_precision() -> dict:
    """What FSDP computes, sums gradients and hands back in.

    Left to itself bf16 stands for all three, and a log-probability of -300 would come back rounded to
    a multiple of 2: a reward margin of 0.2 at beta 0.1.
    """
    import torch

    return {"param_dtype": torch.bfloat16, "reduce_dtype": torch.float32, "output_dtype": torch.float32}


def stop_after(epoch: int):
    """A callback that ends training after ``epoch``, on a schedule that was laid out for longer.

    Where checkpoints are written at all, one is written at the end of each epoch, after whatever else
    happens there, so that a run that goes on from it lacks nothing. None is at the end of the last one:
    the weights follow at once, and a run that went on from there would train into the next epoch.
    """
    from transformers import TrainerCallback

    class StopAfter(TrainerCallback):
        def on_step_end(self, args, state, control, **kwargs):
            if float(state.epoch).is_integer():
                control.should_save = False

        def on_epoch_end(self, args, state, control, **kwargs):
            control.should_training_stop = state.epoch >= epoch - 1e-6
            control.should_save = args.save_strategy != "no" and not control.should_training_stop

    return StopAfter()


def last_checkpoint(folder: Path) -> Path | None:
    """The newest whole checkpoint; newer ones, which a kill left half-written, are removed.

    A checkpoint's trainer_state.json is the last file that is written of it.
    """
    for path in sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]), reverse=True):
        try:
            json.loads((path / "trainer_state.json").read_text())
            return path
        except (FileNotFoundError, json.JSONDecodeError):
            shutil.rmtree(path)
    return None


def check_disk(args, parameters: int) -> None:
    """Say what checkpoints will take, before the first step; UserError where the disk has no room for them.

    Weights and two moments in float32 are 12 bytes a parameter; FSDP writes the weights twice. One more checkpoint
    than ``save_total_limit`` is there while it is written.
    """
    if args.save_strategy == "no":
        return
    folder = Path(args.output_dir)
    each = parameters * (16 if os.environ.get("ACCELERATE_USE_FSDP") == "true" else 12) / 1e9
    most = each * ((args.save_total_limit or args.num_train_epochs) + 1)
    there = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())  # of an earlier try
    free = (shutil.disk_usage(folder).free + there) / 1e9
    said = f"{folder}: checkpoints take {each:.1f} GB each, {most:.1f} GB at most, until training ends"
    if free < most:
        raise UserError(
            f"{said}, and the disk has {free:.1f} GB free. Make room, keep results/ on a larger disk, or set "
            'save_strategy: "no" in the recipe (a killed run then starts over).'
        )
    if args.process_index == 0:
        print(f"{said}; the disk has {free:.1f} GB free", flush=True)


def loss_by_epoch(log: list[dict]) -> list[dict]:
    """Mean loss (nats a token) and token accuracy of each epoch's steps, each measured before the step."""
    epochs: dict[int, list[dict]] = {}
    for entry in log:
        if "loss" in entry:
            epochs.setdefault(math.ceil(entry["epoch"] - 1e-6), []).append(entry)
    return [
        {
            "epoch": epoch,
            "loss": fmean(entry["loss"] for entry in entries),
            "token_accuracy": fmean(entry["mean_token_accuracy"] for entry in entries),
        }
        for epoch, entries in epochs.items()
    ]


def train(trainer, run: RunArguments, facts: dict, epochs: Callable[[], list[dict]]) -> None:
    """Train, from the last checkpoint of this same run where there is one, and write the three outputs.

    A checkpoint belongs to a run when model, data and arguments are the same; others are removed.
    ``epochs`` gives the rows on each epoch for the stats file, once training is over.
    """
    args, folder = trainer.args, Path(trainer.args.output_dir)
    identity = {
        "dtype": compute_dtype(args),
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
        last_checkpoint(folder)  # removes half-written ones before any process looks
    trainer.accelerator.wait_for_everyone()
    checkpoint = last_checkpoint(folder)
    check_disk(args, sum(parameter.numel() for parameter in trainer.model.parameters()))
    if checkpoint:
        print(f"going on from {checkpoint}", flush=True)
    trainer.train(resume_from_checkpoint=checkpoint and str(checkpoint))

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
        facts
        | {
            "dtype": identity["dtype"],
            "steps": trainer.state.global_step,
            "epochs": epochs(),
            "log": trainer.state.log_history,
            "seconds": round(elapsed(), 1),
        },
    )
    write_json(
        run.manifest,
        {
            "target": run.weights,
            "trained_from": run.model,
            **identity,
            "weights_sha256": weights_sha256(run.weights),
            "devices": args.world_size,
            "device": str(args.device),
            "versions": versions("torch", "transformers", "trl", "accelerate", "datasets"),
            "tokens": int(max((entry.get("num_tokens", 0) for entry in trainer.state.log_history), default=0)),
            "seconds": round(elapsed(), 1),
            **provenance(),
        },
    )
    shutil.rmtree(folder)


_SETTINGS = (
    "learning_rate", "beta", "num_train_epochs", "lr_scheduler_type", "warmup_steps", "weight_decay", "optim",
    "per_device_train_batch_size", "gradient_accumulation_steps", "gradient_checkpointing", "seed", "max_grad_norm",
    "precompute_ref_log_probs", "loss_type", "world_size", "model_init_kwargs",
)  # fmt: skip
