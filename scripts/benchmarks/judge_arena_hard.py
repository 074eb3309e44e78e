"""A judge compares a model's answers to Arena-Hard with the baseline's, two games a question."""

from metarewarding import benchmarks
from metarewarding.engines.sampling import parse_facts
from metarewarding.evaluation import benchmark_files
from metarewarding.jobs.job import logged
from metarewarding.judges.client import ask, reached
from metarewarding.records import ArenaVerdict, Response, read_jsonl, unique_by, write_json, write_jsonl


def play(requests, judge, store) -> tuple[list[ArenaVerdict], dict]:
    """(a verdict for each game, facts); a judgment without any label is continued once."""
    replies, facts = ask(requests, judge, store)
    texts = {identity: row["text"] for identity, row in replies.items()}
    unfinished = benchmarks.arena_hard_ask_again(requests, texts)
    again, more = ask(unfinished, judge, store)
    for request in unfinished:
        identity = request["id"].removesuffix("/again")
        texts[identity] += "\n" + again[request["id"]]["text"]
    rows = [
        ArenaVerdict(
            prompt_id=request["prompt_id"],
            game=request["game"],
            judge=judge["name"],
            judge_model=judge["model"],
            text=texts[request["id"]],
            verdict=benchmarks.arena_hard_verdict(texts[request["id"]]),
        )
        for request in requests
    ]
    facts = more | {field: facts[field] + more[field] for field in ("asked", "from_store", "retries", "seconds")}
    served = sorted({row["served_model"] for row in [*replies.values(), *again.values()]})
    dates = sorted(row["date"] for row in [*replies.values(), *again.values()])
    facts |= {"served_models": served, "first_date": dates[0], "last_date": dates[-1], "asked_again": len(unfinished)}
    return rows, facts | parse_facts(row["verdict"] for row in rows)


@logged
def main(job):
    p = job.params
    questions = benchmark_files.questions("arena_hard", job.input.questions, p.subset)
    answers = unique_by(read_jsonl(job.input.answers, Response), "prompt_id", "the answers")
    baseline, baseline_answers = benchmark_files.arena_hard_answers(job.input.baseline)
    requests = benchmarks.arena_hard_requests(
        questions,
        {identity: row["text"] for identity, row in answers.items()},
        baseline_answers,
        benchmark_files.arena_hard_prompt(job.input.judge_prompt, job.input.judge_template),
        p.max_tokens,
    )
    # a local judge's server runs while it is asked
    with reached(p.judge, job.input.get("judge_weights"), p.engine, f"{job.log[0]}.server") as judge:
        rows, facts = play(requests, judge, p.store)
    write_jsonl(job.output.verdicts, rows)
    write_json(job.output.stats, {"rule": job.rule} | facts | {"baseline": baseline, "questions": len(questions)})


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
