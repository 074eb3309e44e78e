"""A model's Arena-Hard score against the baseline, from one judge's verdicts."""

from collections import Counter

from metarewarding import benchmarks
from metarewarding.errors import UserError
from metarewarding.jobs.job import logged
from metarewarding.records import ArenaVerdict, Response, read_json, read_jsonl, write_json


def mean_tokens(answers, tokenizer) -> tuple[float, str]:
    """(mean tokens of an answer, whose): by tiktoken's ``tokenizer``, or as the model's own counted them (None)."""
    if tokenizer is None:
        return sum(row["tokens"] for row in answers) / len(answers), "the model's own"
    import tiktoken

    try:
        encoding = tiktoken.get_encoding(tokenizer)
    except OSError as error:  # a download, once
        raise UserError(
            f"tiktoken cannot fetch the vocabulary of {tokenizer} ({type(error).__name__}). Set TIKTOKEN_CACHE_DIR to "
            "a folder that has it, or the tokenizer in the config to null for counts by the model's own."
        ) from None
    return sum(len(encoding.encode(row["text"], disallowed_special=())) for row in answers) / len(answers), tokenizer


@logged
def main(job):
    p = job.params
    answers = read_jsonl(job.input.answers, Response)
    verdicts = read_jsonl(job.input.verdicts, ArenaVerdict)
    facts = read_json(job.input.stats)
    model = job.wildcards.model
    battles = benchmarks.arena_hard_battles(verdicts, model, facts["baseline"])
    if not battles:
        raise UserError(f"no verdict of the judge '{facts['judge']}' could be read; its words: {job.input.verdicts}.")
    tokens, tokenizer = mean_tokens(answers, p.tokenizer)
    result = {
        "benchmark": "arena_hard",
        "model": model,
        "judge": facts["judge"],
        "judge_model": facts["judge_model"],
        "baseline": facts["baseline"],
        **benchmarks.arena_hard_score(battles, facts["baseline"], p.rounds, p.seed),
        "questions": facts["questions"],
        "complete": facts["questions"] == benchmarks.ARENA_HARD_QUESTIONS,  # a subset's score compares with no other
        "verdicts": dict(Counter(str(row["verdict"]) for row in verdicts)),
        "mean_length": sum(len(row["text"]) for row in answers) / len(answers),
        "mean_tokens": tokens,
        "tokenizer": tokenizer,
        "cost": facts["cost"],
    }
    print(result)
    write_json(job.output[0], result)


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
