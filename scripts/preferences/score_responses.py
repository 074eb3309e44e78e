"""Score each distinct response of one shard with a reward model (section 3.5)."""

from metarewarding.engines import rewards, sampling
from metarewarding.jobs.job import elapsed, logged
from metarewarding.jobs.logs import in_words, logger
from metarewarding.jobs.provenance import host
from metarewarding.records import Prompt, Response, read_jsonl, write_json, write_jsonl
from metarewarding.shards import read_shards


@logged
def main(job):
    p = job.params
    texts = {row["prompt_id"]: row["text"] for row in read_jsonl(job.input.prompts, Prompt)}
    responses = sampling.distinct(read_shards(job.input.responses, Response))
    model = rewards.RewardModel(job.input.weights, p.max_model_len, p.dtype, p.batch_size)
    rows, facts = rewards.score(model, texts, responses)
    logger.info(in_words(facts))
    if facts["too_long"]:
        logger.warning(f"{facts['too_long']} responses do not fit engine.max_model_len and have no score")
    write_jsonl(job.output.rewards, rows)
    job_facts = {"rule": job.rule, "log": str(job.log[0]), "process_seconds": round(elapsed(), 1), "host": host()}
    write_json(job.output.stats, facts | model.facts | job_facts)


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
