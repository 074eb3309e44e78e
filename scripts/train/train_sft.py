"""Train M0 from the seed: supervised fine-tuning on EFT, loss on the judgments only (section 3.1, appendix A.3).

By hand:
    accelerate launch --config_file config/accelerate/cpu.yaml scripts/train/train_sft.py \\
        --config config/trl/sft_laptop.yaml --model results/seed/weights --data results/data/eft/train.jsonl \\
        --weights /tmp/m0 --stats /tmp/m0.json --manifest /tmp/m0.manifest.json --output_dir /tmp/m0.checkpoints \\
        --batch_size 8 --stop_epoch 1 --token_limit 512 --learning_rate 1e-4 --num_train_epochs 1
"""

from metarewarding.errors import UserError
from metarewarding.jobs.job import reporting
from metarewarding.jobs.logs import in_words, logger
from metarewarding.records import SftExample, read_jsonl
from metarewarding.training.adapters import adapter_arguments, keep_in_float32
from metarewarding.training.arguments import RunArguments, auto_precision, configure, pack_on_cpu
from metarewarding.training.checkpoints import stop_after
from metarewarding.training.examples import inert_rows, within_limit
from metarewarding.training.run import loss_by_epoch, train


def main(run: RunArguments, args, config) -> None:
    """Train with ``args`` (TRL's SFTConfig) and ``config`` (TRL's ModelConfig: the adapter)."""
    import trl.trainer.sft_trainer
    from datasets import Dataset
    from transformers import AutoTokenizer
    from trl import SFTTrainer

    configure(args, run)
    pack_on_cpu(trl.trainer.sft_trainer, args)
    args.completion_only_loss = True
    adapter = adapter_arguments(config, args)
    tokenizer = AutoTokenizer.from_pretrained(run.model)
    rows = [row for path in run.data for row in read_jsonl(path, SftExample)]
    examples = inert_rows(rows, tokenizer, ("prompt", "completion"))
    kept = within_limit(examples, tokenizer, run.token_limit, "prompt", ("completion",))
    facts = {"examples": len(rows), "too_long": len(rows) - len(kept), "trained_on": len(kept)}
    logger.info(in_words(facts))
    if not kept:
        raise UserError(f"{', '.join(run.data)}: no example has at most {run.token_limit} tokens (sft.max_length).")
    trainer = SFTTrainer(
        model=run.model,
        args=args,
        train_dataset=Dataset.from_list(kept),
        processing_class=tokenizer,
        callbacks=[stop_after(run.stop_epoch, run.checkpoint_epochs)],
        **adapter,
    )
    if config.use_peft:
        keep_in_float32(trainer.model)
    train(trainer, run, facts, lambda: loss_by_epoch(trainer.state.log_history), config)


if __name__ == "__main__":
    from trl import ModelConfig, SFTConfig, TrlParser

    with reporting("train_sft"):
        main(*TrlParser((RunArguments, auto_precision(SFTConfig), ModelConfig)).parse_args_and_config())
