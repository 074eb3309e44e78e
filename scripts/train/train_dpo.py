"""Train M(t) from M(t-1): DPO on actor and judge pairs together, reference M(t-1) (section 2, appendix A.3).

By hand:
    accelerate launch --config_file config/accelerate/cpu.yaml scripts/train/train_dpo.py \\
        --config config/trl/dpo_laptop.yaml --model results/m0/weights \\
        --data results/meta-rewarding/m1/pairs/actor.jsonl results/meta-rewarding/m1/pairs/judge.jsonl \\
        --weights /tmp/m1 --stats /tmp/m1.json --manifest /tmp/m1.manifest.json --output_dir /tmp/m1.checkpoints \\
        --batch_size 4 --stop_epoch 1 --token_limit 512 --learning_rate 5e-6 --beta 0.1 --num_train_epochs 1 \\
        --held_out 0.1 --measured_pairs 20
"""

from dataclasses import dataclass, field

from metarewarding.errors import UserError
from metarewarding.jobs.job import reporting
from metarewarding.jobs.logs import in_words, logger
from metarewarding.records import Pair, read_jsonl
from metarewarding.training import measure_pairs
from metarewarding.training.adapters import adapter_arguments, keep_in_float32
from metarewarding.training.arguments import RunArguments, auto_precision, configure, pack_on_cpu
from metarewarding.training.checkpoints import stop_after
from metarewarding.training.examples import inert_rows, within_limit
from metarewarding.training.run import train


@dataclass
class DpoArguments(RunArguments):
    """And which of the pairs are trained on and measured."""

    max_judge_pairs: int = field(default=0, metadata={"help": "judge pairs to train on, drawn by seed; 0: all"})
    held_out: float = field(default=0.0, metadata={"help": "share of the prompts whose pairs are only measured"})
    measured_pairs: int = field(default=0, metadata={"help": "trained-on pairs of each kind that are measured too"})


def check_reference(args) -> None:
    """Raise UserError where precomputed reference log-probabilities would differ from those of training.

    In bf16 a pair's log-probability depends on the padding, and so on the other pairs of the batch, and the two passes
    batch differently; one pair at a time is exact. TRL shares the values between processes by a file in a folder that
    only one of them can see.
    """
    alone = args.per_device_train_batch_size == 1 and args.precompute_ref_batch_size in (None, 1)
    if args.precompute_ref_log_probs and (args.world_size > 1 or (args.bf16 and not alone)):
        raise UserError(
            "precompute_ref_log_probs needs one process, and with bf16 one pair at a time "
            "(per_device_train_batch_size and precompute_ref_batch_size: 1). Change these in the recipe, or set "
            "precompute_ref_log_probs: false."
        )


def shard_reference(model, accelerator):
    """Return the reference model under FSDP, sharded layer by layer as accelerate shards the policy.

    TRL shards it as one block. Each process then gathers the whole model for each pass, rounds differently from the
    policy and, where only the first process loaded the weights, has zeros instead of the others.
    """
    from accelerate.utils.fsdp_utils import fsdp2_prepare_model

    return fsdp2_prepare_model(accelerator, model).eval()


def compute_reference_once(reference) -> None:
    """Cache the outputs of a model with fixed weights by batch.

    The measurement before training and each epoch of training need the reference's outputs for the same batches. With
    one pair in a batch this is always so, with several only where the same pairs are batched again.
    """
    forward, known = reference.forward, {}

    def cached_forward(**inputs):
        if "labels" not in inputs:  # logits, which are too large to keep
            return forward(**inputs)
        key = tuple(inputs[name].numpy().tobytes() for name in ("input_ids", "attention_mask", "labels"))
        if key not in known:
            known[key] = forward(**inputs)
        return known[key]

    reference.forward = cached_forward


def main(run: DpoArguments, args, config) -> None:
    """Train with ``args`` (TRL's DPOConfig) and ``config`` (TRL's ModelConfig: the adapter).

    With an adapter the reference is the model itself, with the adapter switched off.
    """
    import trl.trainer.dpo_trainer
    from datasets import Dataset
    from transformers import AutoTokenizer
    from trl import DPOTrainer

    trl.trainer.dpo_trainer.prepare_fsdp = shard_reference

    configure(args, run)
    pack_on_cpu(trl.trainer.dpo_trainer, args)
    check_reference(args)
    adapter = adapter_arguments(config, args)
    tokenizer = AutoTokenizer.from_pretrained(run.model)
    rows = [row for path in run.data for row in read_jsonl(path, Pair)]
    chats = inert_rows(rows, tokenizer, ("prompt", "chosen", "rejected"))
    pairs = [row | chat for row, chat in zip(rows, chats, strict=True)]
    kept = within_limit(pairs, tokenizer, run.token_limit, "prompt", ("chosen", "rejected"))
    if not kept:
        raise UserError(f"{', '.join(run.data)}: no pair has at most {run.token_limit} tokens a side (dpo.max_length).")
    trained, measured = measure_pairs.split(kept, args.seed, run.max_judge_pairs, run.held_out, run.measured_pairs)
    held_out = [pair for pair in measured if pair["set"] == "held_out"]

    def count(pairs: list[dict], kind: str) -> int:
        return sum(pair["kind"] == kind for pair in pairs)

    facts = {
        kind: {"pairs": count(pairs, kind), "held_out": count(held_out, kind), "trained_on": count(trained, kind)}
        for kind in measure_pairs.KINDS
    } | {"too_long": len(pairs) - len(kept), "judge_share": round(count(trained, "judge") / len(trained), 4)}
    logger.info(in_words(facts))

    def dataset(pairs: list[dict]) -> Dataset:
        return Dataset.from_list([{key: pair[key] for key in ("prompt", "chosen", "rejected")} for pair in pairs])

    trainer = DPOTrainer(
        model=run.model,
        args=args,
        train_dataset=dataset(trained),
        eval_dataset=dataset(measured) if measured else None,
        processing_class=tokenizer,
        callbacks=[stop_after(run.stop_epoch, run.checkpoint_epochs)],
        **adapter,
    )
    if config.use_peft:
        keep_in_float32(trainer.model)
    if trainer.ref_model is not None and args.device.type == "cpu" and args.world_size == 1:
        compute_reference_once(trainer.ref_model)
    measurements = measure_pairs.measuring(trainer, measured)
    trainer.add_callback(measurements)
    train(trainer, run, facts, measurements.rows, config)


if __name__ == "__main__":
    from trl import DPOConfig, ModelConfig, TrlParser

    with reporting("train_dpo"):
        main(*TrlParser((DpoArguments, auto_precision(DPOConfig), ModelConfig)).parse_args_and_config())
