"""One engine start for a model: its judgments of people's ranked replies, and its answers to the arena if that runs."""

from job import engine_facts, logged
from metarewarding import sampling, templates
from metarewarding.engines import open_engine
from metarewarding.records import Prompt, RankedReply, read_jsonl, unique_by, write_json, write_jsonl


@logged
def main(job):
    p = job.params
    prompts = read_jsonl(job.input.prompts, Prompt) if "prompts" in job.input.keys() else []
    unique_by(prompts, "prompt_id", "the arena's prompts")
    replies = read_jsonl(job.input.replies, RankedReply)
    template = templates.load(job.input.template, "judge")
    engine = open_engine(job.input.weights, gpus=job.resources.get("gpu", 1), **p.engine)

    if prompts:
        answers, facts = sampling.respond(engine, prompts, 1, decoding(p.responses), p.seed, p.system_prompt)
        write_jsonl(job.output.answers, answers)
        write_json(job.output.answers_stats, engine_facts(engine, facts))

    texts = {row["prompt_id"]: row["prompt"] for row in replies}
    judgments, facts = sampling.judge(
        engine,
        texts,
        replies,
        template,
        p.judgments["n"],
        decoding(p.judgments),
        p.seed,
        p.judgments["max_score"],
    )
    write_jsonl(job.output.judgments, judgments)
    write_json(job.output.judgments_stats, engine_facts(engine, facts))


def decoding(settings: dict) -> sampling.Decoding:
    return sampling.Decoding(settings["temperature"], settings["top_p"], settings["max_tokens"])


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
