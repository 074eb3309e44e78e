"""A judge rates a model's answers to both turns of MT-Bench, 1 to 10."""

from metarewarding import benchmarks
from metarewarding.engines.sampling import parse_facts
from metarewarding.evaluation import benchmark_files
from metarewarding.jobs.job import logged
from metarewarding.judges.client import ask, reached
from metarewarding.records import Rating, Turn, read_jsonl, write_json, write_jsonl


def rate(requests, judge, store) -> tuple[list[Rating], dict]:
    """(a rating for each turn, facts)."""
    replies, facts = ask(requests, judge, store)
    rows = [
        Rating(
            prompt_id=request["prompt_id"],
            turn=request["turn"],
            category=request["category"],
            judge=judge["name"],
            judge_model=judge["model"],
            prompt=request["prompt"],
            text=replies[request["id"]]["text"],
            score=benchmarks.mt_bench_rating(replies[request["id"]]["text"]),
        )
        for request in requests
    ]
    served = sorted({row["served_model"] for row in replies.values()})
    dates = sorted(row["date"] for row in replies.values())
    facts |= {"served_models": served, "first_date": dates[0], "last_date": dates[-1]}
    return rows, facts | parse_facts(row["score"] for row in rows)


@logged
def main(job):
    p = job.params
    questions = benchmark_files.questions("mt_bench", job.input.questions, p.subset)
    answers = read_jsonl(job.input.answers, Turn)
    requests = benchmarks.mt_bench_requests(
        questions,
        benchmarks.turns_by_id(answers),
        benchmark_files.mt_bench_references(job.input.references),
        benchmark_files.mt_bench_prompts(job.input.judge_prompts),
        p.max_tokens,
    )
    # a local judge's server runs while it is asked
    with reached(p.judge, job.input.get("judge_weights"), p.engine, f"{job.log[0]}.server") as judge:
        rows, facts = rate(requests, judge, p.store)
    write_jsonl(job.output.verdicts, rows)
    write_json(job.output.stats, {"rule": job.rule} | facts | {"questions": len(questions)})


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
