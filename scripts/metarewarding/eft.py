"""EFT data: human rankings become judge prompts with accepted judgments (section 3.1; Self-Rewarding, 3.1.1)."""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import combinations

import numpy as np

from metarewarding import agreement, ties
from metarewarding.errors import UserError
from metarewarding.records import RankedReply, SftExample
from metarewarding.templates import fill
from metarewarding.tree_checks import read_trees as read_trees  # re-exported; it is in a module without numpy


def ranked_replies(tree: dict, synthetic: bool = False) -> list[RankedReply]:
    """Return the ranked replies to an English first turn, best first; empty where the tree has none.

    Left out are deleted messages, replies without a rank, and, unless ``synthetic``, those that the
    export marks as machine-made. An absent key means the same as null, as exports differ.
    """

    def usable(message: dict) -> bool:
        made_by_people = synthetic or not message.get("synthetic")
        return (message.get("lang") or "en") == "en" and not message.get("deleted") and made_by_people

    prompt = tree["prompt"]
    if not usable(prompt) or (prompt.get("role") or "prompter") != "prompter":
        return []
    rows = []
    for reply in prompt.get("replies") or []:
        if usable(reply) and (reply.get("role") or "assistant") == "assistant" and reply.get("rank") is not None:
            row = RankedReply(
                prompt_id=tree["message_tree_id"],
                response_id=reply["message_id"],
                prompt=prompt["text"],
                text=reply["text"],
                rank=reply["rank"],
            )
            if reply.get("judgment"):
                row["judgment"] = reply["judgment"]
            rows.append(row)
    return sorted(rows, key=lambda row: (row["rank"], row["response_id"]))


def split(
    replies: Iterable[list[RankedReply]],
    rng: np.random.Generator,
    *,
    ift_prompts: int,
    eval_prompts: int,
    comparison_prompts: int,
    exclude_ift_prompts: bool = False,
    eval_ids: Sequence[str] | None = None,
) -> dict[str, list[list[RankedReply]]]:
    """Return {eval, comparison, train, ift}: lists of prompts, each prompt a list of its ranked replies.

    ``eval``: the prompts ``eval_ids``, or ``eval_prompts`` drawn ones, with at least two ranked replies each.
    ``comparison`` (table 3): the first ``comparison_prompts`` of them, and drawn ones where they are too few.
    ``train``: all others with at least two ranked replies; it shares no prompt with these two. ``ift``:
    ``ift_prompts`` prompts with a rank 0 reply, those that are not held out first. Its replies only serve as
    demonstrations, so ``train`` loses these prompts only with ``exclude_ift_prompts``: the ranked prompts would be
    too few.
    Raises UserError when there are not enough prompts.
    """
    prompts = sorted((rows for rows in replies if rows), key=lambda rows: rows[0]["prompt_id"])
    prompts = [prompts[i] for i in rng.permutation(len(prompts))]
    ranked = {rows[0]["prompt_id"]: rows for rows in prompts if len(rows) >= 2}
    if eval_ids is not None:
        unknown = [prompt_id for prompt_id in eval_ids if prompt_id not in ranked]
        if unknown:
            raise UserError(
                f"eft.eval_ids: {len(unknown)} ids do not belong to an English prompt with two ranked replies in "
                f"eft.trees; the first: '{unknown[0]}'."
            )
    held_out = [ranked[key] for key in (list(ranked)[:eval_prompts] if eval_ids is None else dict.fromkeys(eval_ids))]
    taken = {rows[0]["prompt_id"] for rows in held_out}
    rest = [rows for rows in prompts if rows[0]["prompt_id"] not in taken]
    comparison = held_out[:comparison_prompts]
    further, rest = rest[: comparison_prompts - len(comparison)], rest[comparison_prompts - len(comparison) :]
    comparison = comparison + further
    best_known = [rows for rows in (rest if exclude_ift_prompts else rest + further + held_out) if rows[0]["rank"] == 0]
    ift = best_known[:ift_prompts]
    excluded = {rows[0]["prompt_id"] for rows in ift} if exclude_ift_prompts else ()
    train = [rows for rows in rest if len(rows) >= 2 and rows[0]["prompt_id"] not in excluded]
    wanted = (ift_prompts, comparison_prompts, eval_prompts if eval_ids is None else 0)
    if len(ift) < wanted[0] or len(comparison) < wanted[1] or len(held_out) < wanted[2] or not train:
        raise UserError(
            f"eft.trees: {len(prompts)} English prompts with ranked replies are too few for eft.ift_prompts "
            f"{ift_prompts}, eft.eval_prompts {len(held_out) if eval_ids else eval_prompts}, "
            f"benchmarks.judge_vs_gpt4.prompts {comparison_prompts} and at least one prompt to train on."
        )
    return {"eval": held_out, "comparison": comparison, "train": train, "ift": ift}


def count(replies: Iterable[list[RankedReply]]) -> dict:
    """Return counts: prompts with two ranked replies or more, their replies and ordered pairs; rank 0 replies (ift)."""
    replies = [rows for rows in replies if rows]
    ranked = [[row["rank"] for row in rows] for rows in replies if len(rows) >= 2]
    return {
        "prompts": len(ranked),
        "replies": sum(map(len, ranked)),
        "ordered_pairs": sum(a != b for ranks in ranked for a, b in combinations(ranks, 2)),
        "ift": sum(rows[0]["rank"] == 0 for rows in replies),
    }


def accepted(mean_scores: Sequence[float], ranks: Sequence[int], acceptance: str = "strict") -> bool:
    """Return whether the judgments of one prompt's replies agree well enough with people (Self-Rewarding, 3.1.1).

    ``ranks``: 0 = best; replies that people rank the same may be scored in any order. strict: the mean scores
    rank the replies exactly as people did, without ties. loose: Spearman > 0, and the reply that people ranked first
    scores no less than the one that they ranked second.
    """
    agrees = agreement.pairwise(mean_scores, ranks)
    if acceptance == "strict":
        return agrees["agreement"] == 1  # ties count as half
    if agrees["spearman"] is None or agrees["spearman"] <= 0:
        return False
    best, second = sorted(range(len(ranks)), key=lambda i: ranks[i])[:2]
    return ranks[best] == ranks[second] or ties.compare(mean_scores[best], mean_scores[second]) >= 0


def examples(
    replies: Sequence[RankedReply], judgments: dict[str, list[tuple[str, float]]], template: str
) -> list[SftExample]:
    """Return one training example for each (text, score) in ``judgments[response_id]`` of the given replies."""
    return [
        SftExample(
            prompt_id=reply["prompt_id"],
            response_id=reply["response_id"],
            prompt=fill(template, prompt=reply["prompt"], response=reply["text"]),
            completion=[{"role": "assistant", "content": text}],
            score=score,
        )
        for reply in replies
        for text, score in judgments[reply["response_id"]]
    ]


def nearest_to_mean(judgments: Sequence[tuple[str, float]], count: int | None) -> list[tuple[str, float]]:
    """Return the ``count`` judgments (text, score) of one reply with scores nearest to their mean (None: all).

    A prompt was accepted by its replies' mean scores, so these judgments represent them best. Among equals, the one
    that was drawn first comes first.
    """
    mean = sum(score for _, score in judgments) / len(judgments)
    return sorted(judgments, key=lambda judgment: round(abs(judgment[1] - mean), 9))[:count]


def rebalance(rows: Sequence[SftExample], rng: np.random.Generator) -> list[SftExample]:
    """Thin the most common score to at most twice the count of the second (Self-Rewarding, 3.1.1)."""
    counts = Counter(row["score"] for row in rows).most_common(2)
    if len(counts) < 2:
        return list(rows)
    (score, count), (_, second) = counts
    if count <= 2 * second:
        return list(rows)
    of_score = [i for i, row in enumerate(rows) if row["score"] == score]
    dropped = set(rng.choice(of_score, size=count - 2 * second, replace=False).tolist())
    return [row for i, row in enumerate(rows) if i not in dropped]


def cut(rows: Sequence[SftExample], count: int | None, rng: np.random.Generator) -> list[SftExample]:
    """Return ``count`` of the rows (None: all), drawn by ``rng``, in their order."""
    if count is None:
        return list(rows)
    return [rows[i] for i in sorted(rng.choice(len(rows), size=count, replace=False))]
