"""Human rankings -> three sets without a common prompt: IFT demonstrations, replies to judge, held-out replies."""

from job import logged
from metarewarding import eft
from metarewarding.errors import UserError
from metarewarding.records import Prompt, write_json, write_jsonl
from metarewarding.sampling import rng


def build(trees, ift_prompts, eval_prompts, seed):
    """(IFT replies, candidate replies, held-out replies, facts) from the trees at the path ``trees``."""
    replies, with_synthetic, seen = [], [], set()
    for tree in eft.read_trees(trees):
        if tree["message_tree_id"] in seen:
            raise UserError(f"{trees}: the tree '{tree['message_tree_id']}' stands there twice; sets must be disjoint.")
        seen.add(tree["message_tree_id"])
        replies.append(eft.ranked_replies(tree))
        with_synthetic.append(eft.ranked_replies(tree, synthetic=True))
    ift, train, held_out = eft.split(replies, ift_prompts, eval_prompts, rng(seed, "EFT split"))
    facts = {
        "trees": len(replies),
        "ranked": eft.count(with_synthetic),
        "ranked_and_not_synthetic": eft.count(replies),
        "ift_prompts": len(ift),
        "train_prompts": len(train),
        "train_replies": sum(map(len, train)),
        "eval_prompts": len(held_out),
        "eval_replies": sum(map(len, held_out)),
    }
    in_rows = [[row for of_prompt in part for row in of_prompt] for part in (train, held_out)]
    return [of_prompt[0] for of_prompt in ift], *in_rows, facts


@logged
def main(job):
    p = job.params
    ift, candidates, held_out, facts = build(job.input.trees, p.ift_prompts, p.eval_prompts, p.seed)
    print(facts, flush=True)
    write_jsonl(job.output.ift, ift)
    write_jsonl(job.output.candidates, candidates)
    write_jsonl(job.output.eval, held_out)
    prompts = {row["prompt_id"]: Prompt(prompt_id=row["prompt_id"], text=row["prompt"]) for row in held_out}
    write_jsonl(job.output.eval_prompts, prompts.values())
    write_json(job.output.stats, facts)


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
