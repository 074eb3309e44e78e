"""A model's win rate against the seed's answers: higher mean score of M0 wins, equal scores are half a win."""

import numpy as np

from metarewarding import judging, ties
from metarewarding.engines.sampling import rng
from metarewarding.errors import UserError
from metarewarding.jobs.job import logged
from metarewarding.records import Judgment, Response, read_jsonl, write_json


def by_prompt(verdicts) -> dict[str, float]:
    """{prompt_id: mean score of the one answer to it}; prompts without a readable verdict are absent."""
    prompt_of = {row["response_id"]: row["prompt_id"] for row in verdicts}
    return {prompt_of[response_id]: score for response_id, score in judging.mean_scores(verdicts).items()}


def win_rate(scores: dict, baseline: dict, rounds: int, generator) -> dict:
    """Win rate in percent over the prompts that both were scored on, with a 95 % bootstrap interval over prompts."""
    shared = sorted(set(scores) & set(baseline))
    if not shared:
        raise UserError("no prompt has a readable score for both the model's and the seed's answer.")
    model, seed = (np.array([of[prompt_id] for prompt_id in shared]) for of in (scores, baseline))
    outcomes = np.array([(1 + ties.compare(*of)) / 2 for of in zip(model, seed, strict=True)])
    means = outcomes[generator.integers(len(shared), size=(rounds, len(shared)))].mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return {
        "win_rate": 100 * float(outcomes.mean()),
        "ci_low": 100 * float(low),
        "ci_high": 100 * float(high),
        "n": len(shared),
        "wins": int((outcomes == 1).sum()),
        "ties": int((outcomes == 0.5).sum()),
        "losses": int((outcomes == 0).sum()),
        "mean_score": float(model.mean()),
        "baseline_mean_score": float(seed.mean()),
    }


@logged
def main(job):
    p = job.params
    answers = read_jsonl(job.input.answers, Response)
    scores = by_prompt(read_jsonl(job.input.verdicts, Judgment))
    baseline = by_prompt(read_jsonl(job.input.baseline, Judgment))
    result = win_rate(scores, baseline, p.rounds, rng(p.seed, "arena bootstrap"))
    result |= {
        "benchmark": "arena_laptop",
        "model": job.wildcards.model,
        "judge": "m0",
        "baseline": "seed",
        "prompts": len(answers),
        "mean_length": sum(len(row["text"]) for row in answers) / len(answers),
    }
    print(result)
    write_json(job.output[0], result)


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
