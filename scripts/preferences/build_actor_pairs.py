"""Score the responses, and build at most one (chosen, rejected) pair of responses for each prompt (section 2.1).

A response's score is the mean of its valid judgments, or a reward model's (section 3.5).
"""

from collections import Counter

from metarewarding import judging, pairs, ties
from metarewarding.engines import sampling
from metarewarding.jobs.job import logged
from metarewarding.jobs.logs import in_words, logger
from metarewarding.records import Judgment, Prompt, Response, Reward, read_jsonl, write_json, write_jsonl
from metarewarding.shards import check_known, read_shards


def first_responses(responses, k):
    """Return the first ``k`` distinct responses to each prompt (all for None), {prompt_id: rows}."""
    by_prompt: dict[str, list[dict]] = {}
    for row in sampling.distinct(responses):
        of_prompt = by_prompt.setdefault(row["prompt_id"], [])
        if k is None or len(of_prompt) < k:
            of_prompt.append(row)
    return by_prompt


def first_judgments(judgments, n):
    """Return the first ``n`` judgments of each response (all for None), by the order in which they were drawn."""
    return [row for row in judgments if n is None or int(row["judgment_id"].rsplit("/j", 1)[1]) < n]


def halves_agree(chosen: str, rejected: str, judgments_of) -> bool:
    """Return whether each half of the judgments, by the parity of their draw, scores ``chosen`` above ``rejected``."""
    for parity in (0, 1):
        means = judging.mean_scores(
            row
            for response_id in (chosen, rejected)
            for row in judgments_of[response_id]
            if int(row["judgment_id"].rsplit("/j", 1)[1]) % 2 == parity
        )
        if len(means) < 2 or ties.compare(means[chosen], means[rejected]) <= 0:
            return False
    return True


def actor_pairs(
    prompts,
    responses,
    judgments,
    rho,
    max_chosen_chars,
    allow_truncated_chosen,
    k,
    n,
    system_prompt,
    rewards=None,
    consistent_halves=False,
):
    """Return (score rows, pair rows, facts); ``facts`` counts for each reason the prompts that gave no pair.

    With ``rewards`` (rows of a reward model) no judgment is used. ``consistent_halves``: see ``halves_agree``.
    """
    judgments = first_judgments(judgments, n)
    scores_of = judging.valid_scores(judgments)
    means = judging.mean_scores(judgments)
    if rewards is not None:
        scores_of, means = {}, {row["response_id"]: row["reward"] for row in rewards}
    judgments_of: dict[str, list[dict]] = {}
    for row in judgments:
        judgments_of.setdefault(row["response_id"], []).append(row)
    by_prompt = first_responses(responses, k)
    drawn = Counter(row["prompt_id"] for row in responses)
    score_rows, pair_rows, outcome = [], [], Counter()
    for prompt in prompts:
        scored = [row for row in by_prompt.get(prompt["prompt_id"], []) if row["response_id"] in means]
        scores = [means[row["response_id"]] for row in scored]
        lengths = [len(row["text"]) for row in scored]
        for row, score, length in zip(scored, scores, lengths, strict=True):
            score_rows.append(
                {
                    "prompt_id": row["prompt_id"],
                    "response_id": row["response_id"],
                    "score": score,
                    "judgments": len(scores_of.get(row["response_id"], [])),
                    "length": length,
                    "finish_reason": row["finish_reason"],
                }
            )
        may = [pairs.may_be_chosen(row, allow_truncated_chosen) for row in scored]
        picked = pairs.select_actor_pair(scores, lengths, rho, may)
        if picked is None:
            different = len(by_prompt.get(prompt["prompt_id"], []))
            identical = different == 1 and drawn[prompt["prompt_id"]] > 1
            outcome["all responses identical" if identical else why_none(scores, may, rho)] += 1
        elif max_chosen_chars is not None and lengths[picked[0]] > max_chosen_chars:
            outcome["chosen too long"] += 1
        elif consistent_halves and not halves_agree(*(scored[i]["response_id"] for i in picked), judgments_of):
            outcome["halves of the judgments disagree"] += 1
        else:
            outcome["pair"] += 1
            chosen, rejected = picked
            pair_rows.append(
                {
                    "prompt_id": prompt["prompt_id"],
                    "kind": "actor",
                    "prompt": sampling.chat(prompt["text"], system_prompt),
                    "chosen": [{"role": "assistant", "content": scored[chosen]["text"]}],
                    "rejected": [{"role": "assistant", "content": scored[rejected]["text"]}],
                    "chosen_id": scored[chosen]["response_id"],
                    "rejected_id": scored[rejected]["response_id"],
                    "chosen_by": scores[chosen],
                    "rejected_by": scores[rejected],
                }
            )
    used = [row for rows in by_prompt.values() for row in rows]
    facts = {
        "prompts": len(prompts),
        "pairs": len(pair_rows),
        "outcome": dict(outcome.most_common()),
        "responses": len(responses),
        "distinct_responses": len(used),
        "scored_responses": len(score_rows),
        "truncated_responses": sum(row["finish_reason"] == "length" for row in used),
        "mean_length": sum(row["length"] for row in score_rows) / len(score_rows) if score_rows else None,
        "mean_score": sum(row["score"] for row in score_rows) / len(score_rows) if score_rows else None,
    }
    return score_rows, pair_rows, facts


def why_none(scores, may, rho) -> str:
    """Return the reason, in words, why select_actor_pair gave no pair."""
    if len(scores) < 2:
        return "fewer than two scored responses"
    if pairs.select_actor_pair(scores, [0] * len(scores), 0) is None:
        return "all scores equal"
    if any(may[i] for i in pairs.tiers(scores, rho)[0]):
        return "shortest of the best is longest of the worst"
    return "no response of the top tier may be chosen (empty, or cut at the token limit)"


@logged
def main(job):
    p = job.params
    prompts = read_jsonl(job.input.prompts, Prompt)
    responses = read_shards(job.input.responses, Response)
    judgments = read_shards(job.input.get("judgments", []), Judgment)
    rewards = read_shards(job.input.get("rewards", []), Reward)
    check_known(responses, "prompt_id", {row["prompt_id"] for row in prompts}, "responses", job.input.prompts)
    known = {row["response_id"] for row in responses}
    check_known(judgments, "response_id", known, "judgments", "the responses")
    check_known(rewards, "response_id", known, "rewards", "the responses")
    score_rows, pair_rows, facts = actor_pairs(
        prompts,
        responses,
        judgments,
        p.rho,
        p.max_chosen_chars,
        p.allow_truncated_chosen,
        p.k,
        p.n,
        p.system_prompt,
        rewards if job.input.get("rewards") else None,
        p.consistent_halves,
    )
    logger.info(in_words(facts))
    write_jsonl(job.output.scores, score_rows)
    write_jsonl(job.output.pairs, pair_rows)
    write_json(job.output.stats, {"rule": job.rule} | facts)


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
