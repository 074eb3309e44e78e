"""A model's MT-Bench score: the mean over both turns' ratings by one judge."""

from metarewarding import benchmarks
from metarewarding.errors import UserError
from metarewarding.jobs.job import logged
from metarewarding.records import Rating, Turn, read_json, read_jsonl, write_json


@logged
def main(job):
    answers = read_jsonl(job.input.answers, Turn)
    ratings = read_jsonl(job.input.verdicts, Rating)
    facts = read_json(job.input.stats)
    score = benchmarks.mt_bench_score(ratings)
    if score["average"] is None:
        raise UserError(f"no rating of the judge '{facts['judge']}' could be read; its words: {job.input.verdicts}.")
    categories = sorted({row["category"] for row in ratings})
    result = {
        "benchmark": "mt_bench",
        "model": job.wildcards.model,
        "judge": facts["judge"],
        "judge_model": facts["judge_model"],
        **score,
        "by_category": {
            name: benchmarks.mt_bench_score([row for row in ratings if row["category"] == name]) for name in categories
        },
        "questions": facts["questions"],
        "complete": facts["questions"] == benchmarks.MT_BENCH_QUESTIONS,  # a subset's score compares with no other
        "unparsed": facts["unparsed"],
        "mean_length": sum(len(row["text"]) for row in answers) / len(answers),
        "cost": facts["cost"],
    }
    print({key: value for key, value in result.items() if key != "by_category"})
    write_json(job.output[0], result)


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
