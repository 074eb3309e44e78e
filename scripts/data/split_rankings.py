"""Split human rankings into IFT demonstrations, replies to judge, held-out replies, and the prompts of table 3."""

from pathlib import Path

from metarewarding import eft
from metarewarding.engines.sampling import rng
from metarewarding.jobs.job import logged
from metarewarding.jobs.logs import in_words, logger
from metarewarding.records import Prompt, write_json, write_jsonl
from metarewarding.tree_checks import check_trees


def build(trees, seed, **wanted):
    """Return ({part: its prompts}, facts) of the trees at the path ``trees``; for ``wanted`` see ``eft.split``."""
    replies, with_synthetic = [], []
    check_trees(eft.read_trees(trees), trees)
    for tree in eft.read_trees(trees):
        replies.append(eft.ranked_replies(tree))
        with_synthetic.append(eft.ranked_replies(tree, synthetic=True))
    parts = eft.split(replies, rng(seed, "EFT split"), **wanted)
    facts = {
        "trees": len(replies),
        "ranked": eft.count(with_synthetic),
        "ranked_and_not_synthetic": eft.count(replies),
        "ift_prompts": len(parts["ift"]),
        "comparison_prompts": len(parts["comparison"]),
        "train_prompts": len(parts["train"]),
        "train_replies": sum(map(len, parts["train"])),
        "eval_prompts": len(parts["eval"]),
        "eval_replies": sum(map(len, parts["eval"])),
    }
    return parts, facts


@logged
def main(job):
    p = job.params
    ids = job.input.get("eval_ids")
    parts, facts = build(
        job.input.trees,
        p.seed,
        ift_prompts=p.ift_prompts,
        eval_prompts=p.eval_prompts,
        comparison_prompts=p.comparison_prompts,
        exclude_ift_prompts=p.exclude_ift_prompts,
        eval_ids=Path(ids).read_text(encoding="utf-8").split() if ids else None,
    )
    logger.info(in_words(facts))
    write_jsonl(job.output.ift, [of_prompt[0] for of_prompt in parts["ift"]])
    write_jsonl(job.output.candidates, [row for of_prompt in parts["train"] for row in of_prompt])
    write_jsonl(job.output.eval, [row for of_prompt in parts["eval"] for row in of_prompt])
    first = [of_prompt[0] for of_prompt in parts["comparison"]]
    write_jsonl(job.output.comparison, [Prompt(prompt_id=row["prompt_id"], text=row["prompt"]) for row in first])
    write_json(job.output.stats, {"rule": job.rule} | facts)


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
