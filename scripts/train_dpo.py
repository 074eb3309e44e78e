"""M(t-1) -> M(t): DPO on actor and judge pairs together, reference M(t-1) (section 2, appendix A.3).

By hand:
    accelerate launch --config_file config/accelerate/cpu.yaml scripts/train_dpo.py \\
        --config config/trl/dpo_laptop.yaml --model results/m0/weights \\
        --data results/meta-rewarding/m1/pairs/actor.jsonl results/meta-rewarding/m1/pairs/judge.jsonl \\
        --weights /tmp/m1 --stats /tmp/m1.json --manifest /tmp/m1.manifest.json --output_dir /tmp/m1.checkpoints \\
        --batch_size 4 --stop_epoch 1 --token_limit 512 --learning_rate 5e-6 --beta 0.1 --num_train_epochs 1
"""

import training
from job import spoken_errors
from metarewarding.errors import UserError
from metarewarding.records import Pair, read_jsonl


def main(run: training.RunArguments, args) -> None:
    from datasets import Dataset
    from transformers import AutoTokenizer
    from trl import DPOTrainer

    training.configure(args, run)
    tokenizer = AutoTokenizer.from_pretrained(run.model)
    rows = [row for path in run.data for row in read_jsonl(path, Pair)]
    pairs = training.inert_rows(rows, tokenizer, ("prompt", "chosen", "rejected"))
    pairs = [pair | {"kind": row["kind"]} for pair, row in zip(pairs, rows, strict=True)]
    kept = training.within(pairs, tokenizer, run.token_limit, "prompt", ("chosen", "rejected"))
    facts = {
        kind: {
            "pairs": sum(pair["kind"] == kind for pair in pairs),
            "trained_on": sum(pair["kind"] == kind for pair in kept),
        }
        for kind in ("actor", "judge")
    } | {"too_long": len(pairs) - len(kept)}
    print(facts, flush=True)
    if not kept:
        raise UserError(f"{', '.join(run.data)}: no pair has at most {run.token_limit} tokens a side (dpo.max_length).")
    dataset = Dataset.from_list([{k: v for k, v in pair.items() if k != "kind"} for pair in kept])
    trainer = DPOTrainer(
        model=run.model,
        args=args,
        train_dataset=dataset,
        # TRL logs a batch before it trains on it: what training did to the pairs is measured afterwards
        eval_dataset=dataset if args.eval_strategy != "no" else None,
        processing_class=tokenizer,
        callbacks=[training.stop_after(run.stop_epoch)],
    )
    training.train(trainer, run, facts)


if __name__ == "__main__":
    from trl import DPOConfig, TrlParser

    with spoken_errors():
        main(*TrlParser((training.RunArguments, DPOConfig)).parse_args_and_config())
