"""Build at most one (chosen, rejected) pair of judgments for each prompt, by Elo (section 2.2)."""

from collections import Counter

from metarewarding import pairs, templates, ties
from metarewarding.engines import sampling
from metarewarding.jobs.job import logged
from metarewarding.jobs.logs import in_words, logger
from metarewarding.records import Elo, Judgment, Prompt, Response, read_jsonl, unique_by, write_json, write_jsonl
from metarewarding.shards import check_known, read_shards


def judge_pairs(prompts, responses, judgments, elo, template, max_judgment_chars, seed):
    """Return (pair rows, facts); ``facts`` counts for each reason the prompts that gave no pair."""
    response_of = unique_by(responses, "response_id", "responses")
    judgment_of = unique_by(judgments, "judgment_id", "judgments")
    by_prompt: dict[str, list[dict]] = {}
    for row in elo:
        by_prompt.setdefault(row["prompt_id"], []).append(row)
    rows, outcome = [], Counter()
    for prompt in prompts:
        rated = by_prompt.get(prompt["prompt_id"], [])
        if not rated:
            outcome["no response with two differing scores and texts"] += 1
            continue
        elos = [row["elo"] for row in rated]
        whole = [judgment_of[row["judgment_id"]]["finish_reason"] != "length" for row in rated]
        rng = sampling.rng(seed, "Elo ties", prompt["prompt_id"])
        picked = pairs.select_judge_pair(elos, rng, may_be_chosen=whole)
        if picked is None:
            equal = ties.compare(max(elos), min(elos)) == 0
            outcome[
                "all Elo scores equal (no verdict, or a draw)"
                if equal
                else "the judgment of highest Elo may not be chosen (cut at the token limit)"
            ] += 1
            continue
        best, worst = (rated[i] for i in picked)
        chosen, rejected = judgment_of[best["judgment_id"]], judgment_of[worst["judgment_id"]]
        if chosen["text"] == rejected["text"]:
            outcome["same text on both sides"] += 1
        elif max_judgment_chars is not None and len(chosen["text"]) > max_judgment_chars:
            outcome["chosen too long"] += 1
        else:
            outcome["pair"] += 1
            response = response_of[chosen["response_id"]]
            rows.append(
                {
                    "prompt_id": prompt["prompt_id"],
                    "kind": "judge",
                    "prompt": templates.fill(template, prompt=prompt["text"], response=response["text"]),
                    "chosen": [{"role": "assistant", "content": chosen["text"]}],
                    "rejected": [{"role": "assistant", "content": rejected["text"]}],
                    "chosen_id": chosen["judgment_id"],
                    "rejected_id": rejected["judgment_id"],
                    "chosen_by": best["elo"],
                    "rejected_by": worst["elo"],
                }
            )
    return rows, {"prompts": len(prompts), "pairs": len(rows), "outcome": dict(outcome.most_common())}


@logged
def main(job):
    p = job.params
    responses, judgments = read_shards(job.input.responses, Response), read_shards(job.input.judgments, Judgment)
    elo = read_jsonl(job.input.elo, Elo)
    check_known(judgments, "response_id", {row["response_id"] for row in responses}, "judgments", "the responses")
    check_known(elo, "judgment_id", {row["judgment_id"] for row in judgments}, job.input.elo, "the judgments")
    rows, facts = judge_pairs(
        read_jsonl(job.input.prompts, Prompt),
        responses,
        judgments,
        elo,
        templates.load(job.input.template, "judge"),
        p.max_judgment_chars,
        p.seed,
    )
    logger.info(in_words(facts))
    write_jsonl(job.output.pairs, rows)
    write_json(job.output.stats, {"rule": job.rule} | facts)


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
