"""Build the EFT training data from judgments whose scores rank a prompt's replies as people did."""

from collections import Counter

from metarewarding import eft, judging, templates
from metarewarding.engines.sampling import rng
from metarewarding.errors import UserError
from metarewarding.jobs.job import logged
from metarewarding.jobs.logs import in_words, logger
from metarewarding.records import Judgment, RankedReply, read_json, read_jsonl, write_json, write_jsonl
from metarewarding.shards import check_known, read_shards


def written_judgments(replies, path, max_score=5) -> dict:
    """Return {response_id: [(text, score)]} of the judgments that are in the trees."""
    judgments = {}
    for row in replies:
        text = row.get("judgment")
        score = judging.parse_score(text, high=max_score) if text else None
        if score is None:
            raise UserError(
                f"{path}: the reply '{row['response_id']}' has no judgment that ends with a score line. "
                "eft.annotator: written needs one on every ranked reply; set eft.annotator: seed for judgments "
                "that the seed model writes."
            )
        judgments[row["response_id"]] = [(text, score)]
    return judgments


def sampled_judgments(rows) -> tuple[dict, dict]:
    """Return ({response_id: [(text, score)]}, facts), without unparsed and truncated judgments."""
    judgments: dict[str, list[tuple[str, float]]] = {}
    for row in rows:
        if row["score"] is not None and row["finish_reason"] != "length":
            judgments.setdefault(row["response_id"], []).append((row["text"], row["score"]))
    facts = {
        "judgments": len(rows),
        "judgments_unparsed": sum(row["score"] is None for row in rows),
        "judgments_truncated": sum(row["score"] is not None and row["finish_reason"] == "length" for row in rows),
    }
    return judgments, facts


def build(replies, judgments, per_reply, template, seed, acceptance="strict", train_examples=None):
    """Return (train examples, facts) from ranked replies and {response_id: [(text, score)]}.

    No examples where there are fewer than ``train_examples`` (None: all are taken).
    """
    by_prompt: dict[str, list[dict]] = {}
    for row in replies:
        by_prompt.setdefault(row["prompt_id"], []).append(row)
    accepted, judged = [], 0
    for of_prompt in by_prompt.values():
        scored = [row for row in of_prompt if row["response_id"] in judgments]
        if len(scored) < 2 or (acceptance == "strict" and len(scored) < len(of_prompt)):
            continue
        judged += 1
        means = [sum(s for _, s in judgments[r["response_id"]]) / len(judgments[r["response_id"]]) for r in scored]
        if eft.accepted(means, [row["rank"] for row in scored], acceptance):
            accepted.append(scored)
    learned = {key: eft.nearest_to_mean(of_reply, per_reply) for key, of_reply in judgments.items()}
    rows = [example for scored in accepted for example in eft.examples(scored, learned, template)]
    balanced = eft.rebalance(rows, rng(seed, "EFT rebalancing"))
    enough = len(balanced) >= (train_examples or 1)
    kept = eft.cut(balanced, train_examples, rng(seed, "EFT size")) if enough else []
    return kept, {
        "acceptance": acceptance,
        "train_prompts_judged": judged,  # strict: every reply has a valid judgment; loose: two of them
        "train_prompts_accepted": len(accepted),
        "train_replies_accepted": sum(map(len, accepted)),
        "train_judgments": len(rows),
        "train_judgments_after_rebalancing": len(balanced),
        "train_examples": len(kept),
        "train_scores": dict(sorted(Counter(str(row["score"]) for row in kept).items())),
    }


def too_few(facts, annotator, train_examples) -> str:
    """Return the message for too few accepted judgments: the counts of every step and the settings to change."""
    return (
        f"EFT has {facts['train_judgments_after_rebalancing']} examples, and eft.train_examples asks for "
        f"{train_examples or 'at least one'}. Of {facts['train_prompts']} prompts, {facts['train_prompts_judged']} "
        f"have readable judgments of their replies; the scores order {facts['train_prompts_accepted']} of these as "
        f"people did (eft.acceptance: {facts['acceptance']}), which gives {facts['train_judgments']} judgments before "
        "the most common score is thinned. Lower eft.train_examples (null: all that are accepted), raise "
        "eft.judgments_per_reply, or set eft.acceptance: loose. Where few prompts have readable judgments, the "
        f"annotator (eft.annotator: {annotator}) does not know the judge's form: take another one, or another "
        "template (templates.judge)."
    )


@logged
def main(job):
    p = job.params
    template = templates.load(job.input.template, "judge")
    replies = read_jsonl(job.input.replies, RankedReply)
    facts = read_json(job.input.split_stats)
    if p.annotator == "written":
        judgments = written_judgments(replies, p.trees, p.max_score)
    else:
        rows = read_shards(job.input.judgments, Judgment)
        known = {row["response_id"] for row in replies}
        check_known(rows, "response_id", known, "the annotator's judgments", job.input.replies)
        judgments, of_sampling = sampled_judgments(rows)
        facts |= of_sampling
    train, of_build = build(replies, judgments, p.judgments_per_reply, template, p.seed, p.acceptance, p.train_examples)
    facts |= {"annotator": p.annotator} | of_build
    logger.info(in_words(facts))
    if not train:
        raise UserError(too_few(facts, p.annotator, p.train_examples))
    write_jsonl(job.output.train, train)
    write_json(job.output.stats, facts | {"rule": job.rule})


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
