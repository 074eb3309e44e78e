"""One training run, SFT or DPO: resumed from the last checkpoint, it writes weights, stats and manifest."""

import hashlib
import json
import logging
import math
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import fmean

from metarewarding.jobs.job import elapsed
from metarewarding.jobs.kept import keep
from metarewarding.jobs.provenance import provenance, sha256, weights_sha256
from metarewarding.records import write_json
from metarewarding.training import adapters
from metarewarding.training.arguments import RunArguments, compute_dtype
from metarewarding.training.checkpoints import check_disk, last_checkpoint
from metarewarding.training.engine_copy import write_bfloat16_copy

logger = logging.getLogger(__name__)


def loss_by_epoch(log: list[dict]) -> list[dict]:
    """Return mean loss (nats a token) and token accuracy of each epoch's steps, each measured before the step."""
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


def trained_tokens(log: list[dict]) -> int:
    """Return the tokens of all steps in ``log``; TRL's count starts at 0 again where a run was resumed."""
    total = last = 0
    for entry in log:
        count = entry.get("num_tokens", last)
        total, last = total + (last if count < last else 0), count
    return int(total + last)


# Arguments of TRL and of ours, by the start of their names, that change no weights: where a run reads and writes, how
# it logs and saves, what is only measured, and how data reach the device.
_CHANGE_NOTHING = (
    "engine_weights", "checkpoint_epochs", "log_file", "output_dir", "logging_", "log_", "report_to", "run_name",
    "project", "trackio_", "disable_tqdm", "save_", "hub_", "push_to_hub", "do_", "eval_", "per_device_eval_",
    "prediction_", "dataloader_num_", "dataloader_pin_", "dataloader_pers", "dataloader_pref", "ddp_timeout",
    "local_rank",
)  # fmt: skip


def settings_of(run: RunArguments, args) -> dict:
    """Return the arguments that a training depends on: of ``run``, and of TRL all but _CHANGE_NOTHING."""
    every = vars(run) | args.to_dict() | {"world_size": args.world_size}
    kept = {name: value for name, value in every.items() if not name.startswith(_CHANGE_NOTHING)}
    return json.loads(json.dumps(kept, default=str))


def train(trainer, run: RunArguments, facts: dict, epochs: Callable[[], list[dict]], config) -> None:
    """Train, resuming from the last checkpoint of this same run where there is one, and write the three outputs.

    A checkpoint belongs to a run when model, data and arguments are the same; others are removed.
    ``epochs`` gives the rows on each epoch for the stats file, once training is over. ``config`` is TRL's ModelConfig:
    an adapter is kept in the folder `adapter`, next to the weights that it is merged into.
    """
    args, folder = trainer.args, Path(trainer.args.output_dir)
    rule = Path(sys.argv[0]).stem  # programs are named after their rules
    identity = {
        "dtype": compute_dtype(args),
        "settings": settings_of(run, args) | adapters.adapter_settings(config),
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
        last_checkpoint(folder)  # removes incomplete ones before any process looks for a checkpoint
    trainer.accelerator.wait_for_everyone()
    checkpoint = last_checkpoint(folder)
    trained = sum(parameter.numel() for parameter in trainer.model.parameters() if parameter.requires_grad)
    check_disk(args, trained)
    if checkpoint:
        logger.info(f"resuming from {checkpoint}")
    trainer.train(resume_from_checkpoint=checkpoint and str(checkpoint))

    partial, adapter = Path(run.weights + ".partial"), Path(run.weights).with_name("adapter")
    saved = Path(f"{adapter}.partial") if config.use_peft else partial
    trainer.save_model(str(saved))
    trainer.accelerator.wait_for_everyone()
    if args.process_index != 0:
        return
    for name in ("training_args.bin", "README.md"):  # the second is a model card template of peft
        (saved / name).unlink(missing_ok=True)
    shutil.rmtree(adapter, ignore_errors=True)  # also one left by an earlier run with another recipe
    if config.use_peft:
        error = adapters.quantization_error(trainer.model, run.model)
        facts = facts | {"adapter_parameters": trained, "quantization_error": error}
        adapters.merge(run.model, saved, partial)
        os.replace(saved, adapter)
    shutil.rmtree(run.weights, ignore_errors=True)
    os.replace(partial, run.weights)
    if run.engine_weights:
        write_bfloat16_copy(run.weights, run.engine_weights)
    write_json(
        run.stats,
        facts
        | {
            "rule": rule,
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
            "rule": rule,
            "log": run.log_file,
            "target": run.weights,
            "trained_from": run.model,
            **identity,
            "weights_sha256": weights_sha256(run.weights),
            "devices": args.world_size,
            "device": str(args.device),
            "tokens": trained_tokens(trainer.state.log_history),
            "seconds": round(elapsed(), 1),
            **provenance(),
        },
    )
    keep([run.weights, run.stats, run.manifest])
    shutil.rmtree(folder)
