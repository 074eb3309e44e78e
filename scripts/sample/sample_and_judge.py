"""Sample n responses to each prompt of one shard, and n judgments of each distinct response.

One job, as the start of the engine takes a large part of a short shard's time.
"""

from metarewarding import judging, templates
from metarewarding.engines import sampling
from metarewarding.engines.engine import open_engine
from metarewarding.engines.facts import engine_facts
from metarewarding.jobs.job import logged
from metarewarding.records import Prompt, read_jsonl, write_json, write_jsonl


@logged
def main(job):
    p, out = job.params, job.output
    prompts = sampling.shard(read_jsonl(job.input.prompts, Prompt), int(job.wildcards.shard), p.shards)
    template = templates.load(job.input.template, "judge")
    engine = open_engine(job.input.weights, gpus=job.resources.get("gpu", 1), store=p.store, **p.engine)

    n, decoding = sampling.n_and_decoding(p.responses)
    responses, facts = sampling.respond(engine, prompts, n, decoding, p.seed, p.system_prompt)
    write_jsonl(out.responses, responses)
    write_json(out.responses_stats, engine_facts(engine, facts, job))

    n, decoding = sampling.n_and_decoding(p.judgments)
    texts = {row["prompt_id"]: row["text"] for row in prompts}
    distinct, high = sampling.distinct(responses), p.judgments["max_score"]
    judgments, facts = judging.judge(engine, texts, distinct, template, n, decoding, p.seed, high)
    write_jsonl(out.judgments, judgments)
    write_json(out.judgments_stats, engine_facts(engine, facts, job))


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
