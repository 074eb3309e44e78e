"""Checkpoints of a training run: when one is written, which one a run resumes from, and the disk space they need."""

import json
import logging
import os
import shutil
from pathlib import Path

from metarewarding.errors import UserError

logger = logging.getLogger(__name__)


def stop_after(epoch: int, every: int = 1):
    """Return a callback that ends training after ``epoch`` of a schedule of more epochs.

    Where checkpoints are written at all, one is written at the end of each ``every``-th epoch, after all other
    callbacks, so that it is complete. None is written at the end of the last epoch: the weights follow at once, and
    a run resumed from there would train into the next epoch.
    """
    from transformers import TrainerCallback

    class StopAfter(TrainerCallback):
        def on_step_end(self, args, state, control, **kwargs):
            if float(state.epoch).is_integer():
                control.should_save = False

        def on_epoch_end(self, args, state, control, **kwargs):
            control.should_training_stop = state.epoch >= epoch - 1e-6
            due = round(state.epoch) % every == 0
            control.should_save = args.save_strategy != "no" and due and not control.should_training_stop

    return StopAfter()


def last_checkpoint(folder: Path) -> Path | None:
    """Return the newest complete checkpoint; newer ones, which a kill left incomplete, are removed.

    The last file of a checkpoint that is written is trainer_state.json.
    """
    for path in sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]), reverse=True):
        try:
            json.loads((path / "trainer_state.json").read_text())
            return path
        except (FileNotFoundError, json.JSONDecodeError):
            shutil.rmtree(path)
    return None


def check_disk(args, parameters: int) -> None:
    """Log what checkpoints will take, before the first step; raise UserError where the disk has no room for them.

    Weights and two moments in float32 are 12 bytes a parameter; FSDP writes the weights twice. During a write there is
    one checkpoint more than ``save_total_limit``.
    """
    if args.save_strategy == "no":
        return
    folder = Path(args.output_dir)
    each = parameters * (16 if os.environ.get("ACCELERATE_USE_FSDP") == "true" else 12) / 1e9
    most = each * ((args.save_total_limit or args.num_train_epochs) + 1)
    there = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())  # left by an earlier try
    free = (shutil.disk_usage(folder).free + there) / 1e9
    estimate = f"{folder}: checkpoints take {each:.1f} GB each, {most:.1f} GB at most, until training ends"
    if free < most:
        raise UserError(
            f"{estimate}, and the disk has {free:.1f} GB free. Make room, keep results/ on a larger disk, or set "
            'save_strategy: "no" in the recipe (a killed run then starts over).'
        )
    logger.info(f"{estimate}; the disk has {free:.1f} GB free")
