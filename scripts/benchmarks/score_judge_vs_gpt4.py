"""A model's agreement with GPT-4 on the seed's responses, by both protocols (table 3)."""

from collections import Counter

from metarewarding import judging
from metarewarding.engines.sampling import parse_facts
from metarewarding.evaluation import judge_vs_gpt4
from metarewarding.jobs.job import logged
from metarewarding.records import Judgment, PairVerdict, read_json, read_jsonl, write_json


@logged
def main(job):
    judgments = read_jsonl(job.input.judgments, Judgment)
    means = judging.mean_scores(judgments)
    gpt4, own = (read_jsonl(path, PairVerdict) for path in (job.input.gpt4_chosen, job.input.self_chosen))
    # the fixed pairs' verdicts are the seed's, and are paid for once
    stats = [read_json(job.input.self_stats)] + [read_json(job.input.gpt4_stats)] * (job.wildcards.model == "seed")
    scores = [row["score"] for row in judgments if row["score"] is not None]
    result = {
        "benchmark": "judge_vs_gpt4",
        "model": job.wildcards.model,
        "judge": job.params.judge["name"],
        "judge_model": job.params.judge["model"],
        "gpt4_chosen": judge_vs_gpt4.gpt4_chosen(gpt4, means),
        "self_chosen": judge_vs_gpt4.self_chosen(own, means),
        "cost": sum(of["cost"] for of in stats),
        "scores": dict(sorted(Counter(str(score) for score in scores).items())),  # figure 5
        "mean_score": sum(scores) / len(scores) if scores else None,
        **parse_facts(row["score"] for row in judgments),
    }
    print(result, flush=True)
    write_json(job.output[0], result)


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
