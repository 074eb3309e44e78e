"""AlpacaEval's scores of a model, with the judge that gave the verdicts."""

from metarewarding.evaluation.alpaca import alpaca_eval_scores, category_win_rates
from metarewarding.jobs.job import logged
from metarewarding.records import read_json, write_json


@logged
def main(job):
    facts = read_json(job.input.stats)
    score = alpaca_eval_scores(job.input.annotations, job.input.get("gamed"), job.input.reference)
    if job.input.get("categories"):
        score["categories"] = category_win_rates(job.input.annotations, read_json(job.input.categories))
    score |= {field: facts[field] for field in ("judge", "judge_model", "annotator", "missing", "cost")}
    # a subset's score compares with no other
    score |= {"benchmark": "alpaca_eval", "model": job.wildcards.model, "complete": score["lc_win_rate"] is not None}
    write_json(job.output[0], score)
    print(
        f"{facts['judge']} ({facts['judge_model']}): win rate {score['win_rate']:.2f} %"
        + (f", length-controlled {score['lc_win_rate']:.2f} %" if score["lc_win_rate"] is not None else ", a subset")
        + f", {score['n']} verdicts, average length {score['avg_length']}",
        flush=True,
    )


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
