"""Meta-judge both orders of every pair of judgments of each prompt's most disputed response, for one shard."""

from metarewarding import meta_judging, templates
from metarewarding.engines import sampling
from metarewarding.engines.engine import open_engine
from metarewarding.engines.facts import engine_facts
from metarewarding.jobs.job import logged
from metarewarding.records import Judgment, Prompt, Response, read_jsonl, write_json, write_jsonl
from metarewarding.shards import check_known, read_shards


@logged
def main(job):
    p = job.params
    texts = {row["prompt_id"]: row["text"] for row in read_jsonl(job.input.prompts, Prompt)}
    responses = sampling.distinct(read_shards(job.input.responses, Response))
    judgments = read_shards(job.input.judgments, Judgment)
    check_known(responses, "prompt_id", texts, "responses", job.input.prompts)
    check_known(judgments, "response_id", {row["response_id"] for row in responses}, "judgments", "the responses")
    template = templates.load(job.input.template, "meta_judge")
    engine = open_engine(job.input.weights, gpus=job.resources.get("gpu", 1), store=p.store, **p.engine)
    decoding = sampling.Decoding(p.temperature, p.top_p, p.max_tokens)
    rows, facts = meta_judging.meta_judge(
        engine, texts, responses, judgments, template, decoding, p.seed, p.strip_scores, p.orders
    )
    repeats, of_repeats = meta_judging.repeat(
        engine, texts, responses, judgments, template, decoding, p.seed, p.repeats, p.strip_scores
    )
    write_jsonl(job.output.meta_judgments, rows)
    write_jsonl(job.output.repeats, repeats)
    write_json(job.output.stats, engine_facts(engine, facts | {"repeated": of_repeats}, job))


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
