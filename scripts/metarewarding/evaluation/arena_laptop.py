"""A model's win rate against the seed's answers: higher mean score of M0 wins, equal scores are half a win."""

from pathlib import Path

from metarewarding import ties
from metarewarding.errors import UserError
from metarewarding.evaluation import shared
from metarewarding.evaluation.registry import OWN_WIN_RATE, Benchmark
from metarewarding.intervals import share_interval
from metarewarding.records import Judgment, Prompt, Question, Response, read_jsonl


def read_questions(path: str | Path) -> list[Question]:
    return [Question(prompt_id=row["prompt_id"], category="", turns=[row["text"]]) for row in read_jsonl(path, Prompt)]


def by_prompt(verdicts) -> dict[str, float]:
    """Return {prompt_id: mean score of the one answer to it}; prompts without a readable verdict are absent."""
    from metarewarding import judging

    prompt_of = {row["response_id"]: row["prompt_id"] for row in verdicts}
    return {prompt_of[response_id]: score for response_id, score in judging.mean_scores(verdicts).items()}


def win_rate(scores: dict, baseline: dict, rounds: int, generator) -> dict:
    """Return the win rate in percent over the prompts that both were scored on.

    Its 95 % interval is from a bootstrap over prompts. Where all prompts have the same outcome, which would leave it
    without a width, it is Wilson's. ``baseline`` against itself is a draw without any uncertainty.
    """
    import numpy as np

    shared_prompts = sorted(set(scores) & set(baseline))
    if not shared_prompts:
        raise UserError("no prompt has a readable score for both the model's and the seed's answer.")
    model, seed = (np.array([of[prompt_id] for prompt_id in shared_prompts]) for of in (scores, baseline))
    outcomes = np.array([(1 + ties.compare(*of)) / 2 for of in zip(model, seed, strict=True)])
    n = len(shared_prompts)
    means = outcomes[generator.integers(n, size=(rounds, n))].mean(axis=1)
    low, high = 100 * np.percentile(means, [2.5, 97.5])
    if np.ptp(outcomes) == 0 and scores is not baseline:
        low, high = share_interval(outcomes[0], n)
    return {
        "win_rate": 100 * float(outcomes.mean()),
        "ci_low": float(low),
        "ci_high": float(high),
        "n": n,
        "wins": int((outcomes == 1).sum()),
        "ties": int((outcomes == 0.5).sum()),
        "losses": int((outcomes == 0).sum()),
        "mean_score": float(model.mean()),
        "baseline_mean_score": float(seed.mean()),
    }


def score_files(own, model: str) -> dict[str, str]:
    """Return the model's answers, M0's verdicts on them, and those on the seed's."""
    folder = "<results>/{}/benchmarks/arena_laptop"
    return {
        "answers": f"{folder.format(model)}/answers.jsonl",
        "verdicts": f"{folder.format(model)}/verdicts.jsonl",
        "baseline": f"{folder.format('seed')}/verdicts.jsonl",
    }


def score(files, own, model: str, seed: int) -> dict:
    """Return the win rate of ``model``, with the mean length of its answers."""
    from metarewarding.engines.sampling import rng

    answers = read_jsonl(files["answers"], Response)
    baseline = by_prompt(read_jsonl(files["baseline"], Judgment))
    scores = baseline if model == "seed" else by_prompt(read_jsonl(files["verdicts"], Judgment))
    return {
        **win_rate(scores, baseline, own["bootstrap_rounds"], rng(seed, "arena bootstrap")),
        "judge": "m0",
        "baseline": "seed",
        "prompts": len(answers),
        "mean_length": shared.mean_length(answers),
    }


BENCHMARK = Benchmark(
    name="arena_laptop",
    title="Win rate against the seed",
    kind=OWN_WIN_RATE,
    description="Answers scored against the seed's answers by the mean score that M0 gives. For small runs: it "
    "compares a run with itself, nothing else.",
    settings={
        "prompts": shared.text("config/laptop/arena.jsonl", "JSONL with prompt_id and text."),
        "judgments": shared.whole_number(3, "M0's judgments of an answer.", maximum=1024),
        "bootstrap_rounds": shared.whole_number(
            1000, "Rounds of the bootstrap over prompts behind the 95 % interval.", minimum=100
        ),
    },
    questions="prompts",
    read_questions=read_questions,
    # as the loop's responses
    decoding=lambda own, responses: {key: responses[key] for key in ("temperature", "top_p", "max_tokens")},
    score_keys=("bootstrap_rounds",),
    score=score,
    score_files=score_files,
    board=[("win rate vs seed, %", "win_rate", "{:.1f}"), ("95 % interval", "interval", "{}")],
    length=("mean_length", "arena answers"),
)
