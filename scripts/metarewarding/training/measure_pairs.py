"""Which pairs DPO trains on and which it holds out, and measurements of both after each epoch.

TRL logs a batch before it is trained on, so its log does not show the effect of an epoch.
"""

import math
from contextlib import nullcontext
from pathlib import Path
from statistics import fmean

from metarewarding.engines.sampling import rng
from metarewarding.records import read_json, write_json

KINDS, SETS = ("actor", "judge"), ("trained", "held_out")
KL_PAIRS = 16  # of each set and kind: thousands of tokens, which is enough for a mean


def draw(pairs: list[dict], count: int, seed: int, stage: str) -> list[dict]:
    """Return ``count`` of the ``pairs`` (all, where there are fewer), drawn by seed and ids, in their order."""

    def place(pair: dict) -> float:
        return rng(
            seed, stage, " ".join(pair[key] for key in ("kind", "prompt_id", "chosen_id", "rejected_id"))
        ).random()

    drawn = {id(pair) for pair in sorted(pairs, key=place)[:count]}
    return [pair for pair in pairs if id(pair) in drawn]


def held_out_prompts(prompt_ids: set[str], share: float, seed: int) -> set[str]:
    """Return ``share`` of the prompts, by a hash of seed and id; at least one for a share above 0, and never all."""
    count = min(max(1, round(share * len(prompt_ids))), len(prompt_ids) - 1) if share else 0
    return set(sorted(prompt_ids, key=lambda prompt_id: rng(seed, "held out", prompt_id).random())[:count])


def split(
    pairs: list[dict], seed: int, max_judge_pairs: int = 0, held_out: float = 0.0, measured_pairs: int = 0
) -> tuple[list[dict], list[dict]]:
    """Return (the pairs to train on, the pairs to measure with their ``set``: trained or held_out).

    Pairs of one prompt are on one side, whatever their kind. ``held_out`` is a share of the prompts;
    ``max_judge_pairs`` counts judge pairs that are trained on (0: all), ``measured_pairs`` those of each
    kind that are trained on and measured too.
    """
    kept_out = held_out_prompts({pair["prompt_id"] for pair in pairs}, held_out, seed)
    left = [pair for pair in pairs if pair["prompt_id"] not in kept_out]
    judge = [pair for pair in left if pair["kind"] == "judge"]
    dropped = {id(pair) for pair in judge}
    dropped -= {id(pair) for pair in draw(judge, max_judge_pairs or len(judge), seed, "judge pair cap")}
    trained = [pair for pair in left if id(pair) not in dropped]
    measured = [
        pair | {"set": "trained"}
        for kind in KINDS
        for pair in draw([pair for pair in trained if pair["kind"] == kind], measured_pairs, seed, "measured pair")
    ]
    return trained, measured + [pair | {"set": "held_out"} for pair in pairs if pair["prompt_id"] in kept_out]


def groups(pairs: list[dict]) -> dict[tuple[str, str], list[int]]:
    """Return {(set, kind): the places of its pairs in ``pairs``} of those that have pairs."""
    by_group = {
        (which, kind): [i for i, pair in enumerate(pairs) if (pair["set"], pair["kind"]) == (which, kind)]
        for which in SETS
        for kind in KINDS
    }
    return {group: places for group, places in by_group.items() if places}


def summarise(epoch: int, pairs: list[dict], logps: list, reference: list, beta: float, kl: dict) -> list[dict]:
    """Return one row for each set and kind among ``pairs``: means over its pairs.

    ``logps`` and ``reference``: (chosen, rejected) log-probabilities in nats, summed over the
    completion's tokens, in the order of ``pairs``; rewards are ``beta`` times their difference, the
    loss is -log sigmoid(margin), and a margin of 0 is half right.

    ``kl`` is {place in ``pairs``: (chosen, rejected) divergences in nats, summed over the completion's tokens}; a
    row's ``kl`` is their mean over the tokens of both sides, None where none of its pairs has them.
    """
    rows = []
    for (which, kind), of in groups(pairs).items():
        compared = [i for i in of if i in kl]
        tokens = sum(sum(pairs[i]["tokens"]) for i in compared)
        rewards = [[beta * (now - then) for now, then in zip(logps[i], reference[i], strict=True)] for i in of]
        margins = [chosen - rejected for chosen, rejected in rewards]
        row = {
            "epoch": epoch,
            "set": which,
            "kind": kind,
            "pairs": len(of),
            "loss": fmean(max(-margin, 0.0) + math.log1p(math.exp(-abs(margin))) for margin in margins),
            "accuracy": fmean((margin > 0) + 0.5 * (margin == 0) for margin in margins),
            "margin": fmean(margins),
            "kl": sum(sum(kl[i]) for i in compared) / tokens if tokens else None,
            "kl_pairs": len(compared),
        }
        for i, side in enumerate(("chosen", "rejected")):
            row |= {
                f"{side}_logp": fmean(logps[j][i] for j in of),
                f"{side}_reward": fmean(reward[i] for reward in rewards),
                f"{side}_characters": fmean(len(pairs[j][side][-1]["content"]) for j in of),
                f"{side}_tokens": fmean(pairs[j]["tokens"][i] for j in of),
            }
        rows.append(row)
    return rows


def log_probs(trainer, model, batch: dict) -> tuple:
    """Return the log-probabilities in nats, summed over each completion: (chosen, rejected), both (pairs).

    TRL's ``compute_ref_log_probs`` would switch an adapter off, and so measure the reference.
    """
    import torch
    from trl.models.utils import disable_gradient_checkpointing

    inputs = {name: value for name, value in batch.items() if name in ("input_ids", "attention_mask", "token_type_ids")}
    labels = batch["input_ids"].masked_fill(batch["completion_mask"] == 0, -100)
    with (
        torch.no_grad(),
        disable_gradient_checkpointing(trainer.model, trainer.args.gradient_checkpointing_kwargs),
        trainer.accelerator.autocast(),
    ):
        of_tokens = model(**inputs, labels=labels, use_cache=False, fused_lm_head=True).log_probs
    return of_tokens.sum(dim=1).chunk(2)


def divergences(trainer, batch: dict) -> tuple:
    """Return KL(model || reference) in nats, summed over each completion's tokens: (chosen, rejected), both (pairs).

    At each token it is that of the two distributions of this token after all before it, summed over the vocabulary.
    """
    import torch
    from trl.models.utils import disable_gradient_checkpointing
    from trl.trainer.utils import use_adapter

    inputs = {name: value for name, value in batch.items() if name in ("input_ids", "attention_mask", "token_type_ids")}
    mask = batch["completion_mask"].bool()
    # only the logits of the completions, as prompts are long and a row of logits is as wide as the vocabulary
    kept = mask.shape[1] - int(mask.int().argmax(dim=1).min()) + 1
    policy, reference = trainer.model_wrapped, trainer.ref_model
    off = nullcontext() if reference is not None else use_adapter(trainer.accelerator.unwrap_model(policy), None)
    with (
        torch.no_grad(),
        disable_gradient_checkpointing(trainer.model, trainer.args.gradient_checkpointing_kwargs),
        trainer.accelerator.autocast(),
    ):
        ours = policy(**inputs, use_cache=False, logits_to_keep=kept).logits[:, :-1]
        with off:
            theirs = (reference or policy)(**inputs, use_cache=False, logits_to_keep=kept).logits[:, :-1]
    sums = []
    for row, other, of_completion in zip(ours, theirs, mask[:, 1 - kept :], strict=True):
        now, then = (logits[of_completion].float().log_softmax(-1) for logits in (row, other))
        sums.append((now.exp() * (now - then)).sum())
    return torch.stack(sums).chunk(2)


def measuring(trainer, pairs: list[dict]):
    """Return a callback that measures ``pairs``, the trainer's eval_dataset, before training and after each epoch.

    The model before training is the reference, so a measurement is one pass over the pairs, and two more over
    KL_PAIRS of each set and kind; there is no KL where the reference was precomputed and is not in memory. What was
    measured is kept with the checkpoints, one file an epoch, and survives a kill; ``callback.rows()``
    summarises it when training is over.
    """
    import torch
    from accelerate.utils import is_peft_model
    from transformers import TrainerCallback

    args, folder = trainer.args, Path(trainer.args.output_dir) / "measured"
    for pair, row in zip(pairs, trainer.eval_dataset or [], strict=True):
        pair["tokens"] = [len(row["chosen_ids"]), len(row["rejected_ids"])]
    has_reference = trainer.ref_model is not None or is_peft_model(trainer.model)
    compared = sorted(i for of in groups(pairs).values() for i in of[:KL_PAIRS]) if has_reference else []

    class MeasurePairs(TrainerCallback):
        def on_train_begin(self, args, state, control, **kwargs):
            if state.global_step == 0:
                self.measure(0)

        def on_epoch_end(self, args, state, control, **kwargs):
            self.measure(round(state.epoch))

        def measure(self, epoch: int) -> None:
            if not pairs:
                return
            # Before training both models are the same, so these are the reference's values. With an adapter there is no
            # second model, but the adapter adds 0 before training.
            model = trainer.ref_model if epoch == 0 and trainer.ref_model is not None else trainer.model_wrapped
            rows, was_training = [], model.training
            model.eval()
            with torch.random.fork_rng(
                devices=[]
            ):  # a loader draws a seed at its start, which must not change training's random state
                for batch in trainer.get_eval_dataloader():
                    logps = torch.stack(log_probs(trainer, model, batch), dim=1)
                    rows.append(trainer.accelerator.gather_for_metrics(logps))
            kl = self.divergences_of_compared() if epoch else [[0.0, 0.0]] * len(compared)
            model.train(was_training)
            if args.process_index == 0:
                write_json(folder / f"{epoch}.json", {"logps": torch.cat(rows).tolist(), "kl": kl})

        def divergences_of_compared(self) -> list[list[float]]:
            """Return (chosen, rejected) of each pair in ``compared``."""
            if not compared:
                return []
            per_token = []
            with torch.random.fork_rng(devices=[]):
                for batch in trainer.get_eval_dataloader(trainer.eval_dataset.select(compared)):
                    per_token.append(
                        trainer.accelerator.gather_for_metrics(torch.stack(divergences(trainer, batch), 1))
                    )
            return torch.cat(per_token).tolist()

        def rows(self) -> list[dict]:
            """Return the measurements of all epochs, in order."""
            measured = {int(path.stem): read_json(path) for path in folder.glob("*.json")}
            rows = []
            for epoch, of in sorted(measured.items()):
                kl = dict(zip(compared, of.get("kl", []), strict=False))  # missing in rows of an older version
                rows += summarise(epoch, pairs, of["logps"], measured[0]["logps"], args.beta, kl)
            return rows

    return MeasurePairs()
