"""Human rankings -> judge prompts with accepted judgments (EFT train) and held-out rankings (EFT eval)."""

from collections import Counter

from job import logged
from metarewarding import eft, judging, templates
from metarewarding.errors import UserError
from metarewarding.records import write_json, write_jsonl
from metarewarding.sampling import rng


def written_judgments(replies, path) -> dict:
    """{response_id: [(text, score)]} from the judgments that stand in the trees."""
    judgments = {}
    for row in replies:
        text = row.get("judgment")
        score = judging.parse_score(text) if text else None
        if score is None:
            raise UserError(
                f"{path}: the reply '{row['response_id']}' has no judgment that ends with a score line. "
                "eft.annotator: written needs one on every ranked reply."
            )
        judgments[row["response_id"]] = [(text, score)]
    return judgments


def build(trees, ift_prompts, eval_prompts, template, seed):
    """(IFT rows, train examples, eval replies, facts) from the trees at the path ``trees``."""
    replies, with_synthetic = [], []
    for tree in eft.read_trees(trees):
        replies.append(eft.ranked_replies(tree))
        with_synthetic.append(eft.ranked_replies(tree, synthetic=True))
    ift, train, held_out = eft.split(replies, ift_prompts, eval_prompts, rng(seed, "EFT split"))
    rows, accepted = [], 0
    for of_prompt in train:
        judgments = written_judgments(of_prompt, trees)
        means = [sum(s for _, s in judgments[r["response_id"]]) / len(judgments[r["response_id"]]) for r in of_prompt]
        if eft.accepted(means, [row["rank"] for row in of_prompt]):
            accepted += 1
            rows += eft.examples(of_prompt, judgments, template)
    kept = eft.rebalance(rows, rng(seed, "EFT rebalancing"))
    facts = {
        "trees": len(replies),
        "ranked": eft.count(with_synthetic),
        "ranked_and_not_synthetic": eft.count(replies),
        "ift_prompts": len(ift),
        "train_prompts": len(train),
        "train_prompts_accepted": accepted,
        "train_judgments": len(rows),
        "train_judgments_after_rebalancing": len(kept),
        "train_scores": dict(sorted(Counter(str(row["score"]) for row in kept).items())),
        "eval_prompts": len(held_out),
        "eval_replies": sum(map(len, held_out)),
    }
    return [of_prompt[0] for of_prompt in ift], kept, [row for of_prompt in held_out for row in of_prompt], facts


@logged
def main(job):
    p = job.params
    template = templates.load(job.input.template, "judge")
    ift, train, held_out, facts = build(job.input.trees, p.ift_prompts, p.eval_prompts, template, p.seed)
    print(facts)
    if not train:
        raise UserError(f"{job.input.trees}: no prompt's judgments agree with its human ranking, so EFT has no data.")
    write_jsonl(job.output.ift, ift)
    write_jsonl(job.output.train, train)
    write_jsonl(job.output.eval, held_out)
    write_json(job.output.stats, facts)


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
