"""Measure how a judge's mean scores agree with people's rankings of the held-out replies (section 3.4, table 7)."""

from metarewarding import agreement, judging
from metarewarding.engines.sampling import parse_facts
from metarewarding.errors import UserError
from metarewarding.jobs.job import logged
from metarewarding.jobs.logs import in_words, logger
from metarewarding.records import Judgment, RankedReply, read_jsonl, write_json


def score(replies, judgments) -> dict:
    """Return the agreement over all prompts; replies without a readable score are left out and counted."""
    known = {row["response_id"] for row in replies}
    unknown = [row["response_id"] for row in judgments if row["response_id"] not in known]
    if unknown:
        raise UserError(f"the judgments name the reply '{unknown[0]}', which is not among the ranked replies.")
    means = judging.mean_scores(judgments)
    by_prompt: dict[str, list[dict]] = {}
    for row in replies:
        if row["response_id"] in means:
            by_prompt.setdefault(row["prompt_id"], []).append(row)
    results = [
        agreement.pairwise([means[row["response_id"]] for row in rows], [row["rank"] for row in rows])
        for rows in by_prompt.values()
    ]
    values = [row["score"] for row in judgments if row["score"] is not None]
    return agreement.over_prompts(results) | {
        "replies": len(replies),
        "replies_without_score": len(replies) - len(means),
        "mean_score": sum(values) / len(values) if values else None,
        **parse_facts(row["score"] for row in judgments),
    }


@logged
def main(job):
    result = score(read_jsonl(job.input.replies, RankedReply), read_jsonl(job.input.judgments, Judgment))
    result |= {"benchmark": "judge_agreement", "model": job.wildcards.model}
    logger.info(in_words(result))
    write_json(job.output[0], result)


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
