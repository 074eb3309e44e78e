"""The arguments of SFT and DPO, and what follows from them: accumulation, precision, the forward pass."""

import logging
import os
from dataclasses import dataclass, field

from metarewarding.engines.precision import resolve_dtype
from metarewarding.errors import UserError
from metarewarding.jobs import job  # noqa: F401  sets how threads wait, before torch is imported

logger = logging.getLogger(__name__)

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # models and data are local; a compute node may have no internet access


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
    engine_weights: str = field(default="", metadata={"help": "folder for a bfloat16 copy of the weights; '': none"})
    checkpoint_epochs: int = field(default=1, metadata={"help": "epochs from one checkpoint to the next"})
    log_file: str | None = field(default=None, metadata={"help": "where the output goes, for the manifest"})


def accumulation_steps(batch_size: int, per_device: int, devices: int) -> int:
    """Return the steps to accumulate for a batch of ``batch_size``; raise UserError where it cannot be split."""
    together = per_device * devices
    if batch_size % together:
        raise UserError(
            f"a batch_size of {batch_size} cannot be split over {devices} devices with {per_device} examples each: "
            f"it must be a multiple of {together}. Change batch_size, the number of devices, or "
            "per_device_train_batch_size in the recipe."
        )
    return batch_size // together


def auto_precision(config_class: type) -> type:
    """Return TRL's ``config_class`` with `bf16` by the rule of `dtype: auto` where the recipe does not set it.

    TRL's own default is bf16 everywhere. The arguments check it against the hardware and pass it to accelerate in their
    constructor, so it must be set before.
    """

    @dataclass
    class AutoPrecision(config_class):
        def __post_init__(self):
            if self.bf16 is None and not self.fp16:
                self.bf16 = resolve_dtype("auto", gpu=False if self.use_cpu else None) == "bfloat16"
            super().__post_init__()
            self.__class__ = config_class  # so that pickle can save the arguments in a checkpoint

    return AutoPrecision


def compute_dtype(args) -> str:
    """Return the type that the layers are computed in; weights, gradients and moments are float32."""
    return {"no": "float32", "bf16": "bfloat16", "fp16": "float16"}[args.mixed_precision]


def configure(args, run: RunArguments) -> None:
    """Fill in what follows from ``run``: accumulation, FSDP's precision, no silent cutting."""
    args.gradient_accumulation_steps = accumulation_steps(
        run.batch_size, args.per_device_train_batch_size, args.world_size
    )
    args.max_length = None  # longer examples have been dropped and counted; TRL would truncate them
    if args.bf16 and os.environ.get("ACCELERATE_USE_FSDP") == "true":
        args.fsdp_plugin_args = {"mixed_precision_policy": _fsdp_precision()}
    logger.info(f"dtype: {compute_dtype(args)} on {args.device}")
    if run.stop_epoch > args.num_train_epochs:
        raise UserError(f"stop_epoch {run.stop_epoch} is after the end of the schedule, epoch {args.num_train_epochs}.")


def pack_on_cpu(trainer_module, args) -> None:
    """Have the trainer of ``trainer_module`` (of TRL) use the packed forward, where it trains on a CPU."""
    if args.device.type == "cpu" and os.environ.get("ACCELERATE_USE_FSDP") != "true":
        from metarewarding.training import shared_prompts

        trainer_module.add_fused_lm_head = shared_prompts.add_fused_lm_head


def _fsdp_precision() -> dict:
    """Return the types in which FSDP computes, sums gradients and returns outputs.

    By default bf16 is used for all three, and a log-probability of -300 would come back rounded to
    a multiple of 2: a reward margin of 0.2 at beta 0.1.
    """
    import torch

    return {"param_dtype": torch.bfloat16, "reduce_dtype": torch.float32, "output_dtype": torch.float32}
