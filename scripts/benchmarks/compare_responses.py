"""Ask a judge to compare pairs of the seed's responses in both orders: two fixed ones, or a model's best and worst."""

from metarewarding import judging
from metarewarding.engines.sampling import distinct, parse_facts
from metarewarding.evaluation import judge_vs_gpt4
from metarewarding.jobs.job import logged
from metarewarding.judges.asking import job_facts
from metarewarding.judges.client import ask, connect
from metarewarding.records import Judgment, Prompt, Response, read_jsonl, write_json, write_jsonl


@logged
def main(job):
    p = job.params
    texts = {row["prompt_id"]: row["text"] for row in read_jsonl(job.input.prompts, Prompt)}
    responses = distinct(read_jsonl(job.input.responses, Response))
    if job.input.get("judgments"):
        means = judging.mean_scores(read_jsonl(job.input.judgments, Judgment))
        pairs = judge_vs_gpt4.best_and_worst(responses, means)
    else:
        pairs = judge_vs_gpt4.first_two(responses)
    text_of = {row["response_id"]: row["text"] for row in responses}
    weights = job.input.get("judge_weights")
    # a small local judge gives the two identifiers lower probabilities, so ask for more of its likeliest tokens
    requests = judge_vs_gpt4.requests(pairs, texts, text_of, 5 if weights is None else 20)
    with connect(p.judge, weights, p.engine, f"{job.log[0]}.server") as judge:
        replies, facts = ask(requests, judge, p.store)
    rows = judge_vs_gpt4.verdicts(requests, replies, judge)
    write_jsonl(job.output.verdicts, rows)
    facts |= {"rule": job.rule, "pairs": len(pairs)} | parse_facts(row["winner"] for row in rows)
    facts |= job_facts(served_here=weights is not None)
    write_json(job.output.stats, facts)


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
