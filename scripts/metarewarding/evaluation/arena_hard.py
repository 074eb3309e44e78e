"""Arena-Hard v0.1 as it was scored when the paper was written: two games a question against gpt-4-0314 (table 2)."""

import re
from collections import Counter
from collections.abc import Sequence

from metarewarding.errors import UserError
from metarewarding.evaluation import arena_hard_files, shared
from metarewarding.evaluation.registry import JUDGED_ANSWERS, Benchmark
from metarewarding.records import ArenaVerdict, Question, Response, read_json, read_jsonl, unique_by

FULL = 500  # questions of the whole benchmark
REVISION = "lmarena/arena-hard-auto/196f6b826783b3da7310e361a805fa36f0be83f3"

# {verdict: (winner when answer A is the baseline's, weight)}
_OUTCOMES = {
    "A>>B": ("model_a", 3),
    "A>B": ("model_a", 1),
    "A=B": ("tie", 1),
    "B>A": ("model_b", 1),
    "B>>A": ("model_b", 3),
}
VERDICTS = tuple(_OUTCOMES)
_SWAPPED = {"model_a": "model_b", "model_b": "model_a", "tie": "tie"}
_LABEL = re.compile(r"\[\[([AB<>=]+)\]\]")
# As upstream does, a judgment without any label is continued once; the wording is ours.
ASK_AGAIN = "Go on with your judgment, and end it with the label of your final verdict."


# -- the judge's requests


def requests(
    questions: Sequence[Question],
    answers: dict[str, str],
    baseline_answers: dict[str, str],
    prompt: dict,
    max_tokens: int = 4096,
) -> list[dict]:
    """Return two games a question: the baseline's answer is A in game 1, the model's in game 2.

    Both maps are {question id: answer}; ``prompt`` has ``system_prompt`` and ``prompt_template``.
    """
    wanted = {question["prompt_id"] for question in questions}
    shared.check_ids(wanted, set(answers), "the model's answers")
    shared.check_ids(wanted, set(baseline_answers), "the baseline's answers", True)
    built = []
    for question in questions:
        identity = question["prompt_id"]
        games = (baseline_answers[identity], answers[identity]), (answers[identity], baseline_answers[identity])
        for game, (a, b) in enumerate(games, start=1):
            built.append(
                {
                    "id": f"{identity}/game{game}",
                    "prompt_id": identity,
                    "game": game,
                    "messages": shared.judge_chat(prompt, QUESTION=question["turns"][0], ANSWER_A=a, ANSWER_B=b),
                    "temperature": 0.0,
                    "max_tokens": max_tokens,
                }
            )
    return built


def requests_again(first_requests: Sequence[dict], texts: dict[str, str]) -> list[dict]:
    """Return a follow-up request for each judgment without any label: the judgment, and a message to finish it."""
    return [
        {
            **request,
            "id": f"{request['id']}/again",
            "messages": [
                *request["messages"],
                {"role": "assistant", "content": texts[request["id"]]},
                {"role": "user", "content": ASK_AGAIN},
            ],
        }
        for request in first_requests
        if not _LABEL.search(texts[request["id"]])
    ]


def verdict(text: str) -> str | None:
    """Return the one label that ``text`` contains, any number of times; None for no label, two, or an unknown one."""
    labels = set(_LABEL.findall(text))
    return labels.pop() if len(labels) == 1 and labels <= _OUTCOMES.keys() else None


def play(games: Sequence[dict], asking) -> tuple[list[dict], dict]:
    """Return (a verdict for each game, facts); a judgment without any label is continued once."""
    from metarewarding.engines.sampling import parse_facts

    texts = {identity: row["text"] for identity, row in asking(games).items()}
    unfinished = requests_again(games, texts)
    for identity, row in asking(unfinished).items():
        texts[identity.removesuffix("/again")] += "\n" + row["text"]
    rows = [
        {"prompt_id": game["prompt_id"], "game": game["game"], "text": texts[game["id"]]}
        | {"verdict": verdict(texts[game["id"]])}
        for game in games
    ]
    return rows, {"asked_again": len(unfinished)} | parse_facts(row["verdict"] for row in rows)


def judge(asking, questions, answers, files, own, model) -> tuple[list[dict], dict]:
    """Return the judge's verdicts on two games a question, and facts for their stats."""
    baseline, baseline_answers = arena_hard_files.published_answers(files["baseline"])
    games = requests(
        questions,
        {identity: row["text"] for identity, row in unique_by(answers, "prompt_id", "the answers").items()},
        baseline_answers,
        arena_hard_files.judge_prompt(files["judge_prompt"], files["judge_template"]),
        own["judge_max_tokens"],
    )
    rows, facts = play(games, asking)
    return rows, facts | {"baseline": baseline}


# -- the score


def battles_of(verdicts: Sequence[ArenaVerdict], model: str, baseline: str) -> list[dict]:
    """Return rows of {question_id, model_a: the baseline, model_b: the model, winner}; decisive verdicts count thrice.

    A game without a verdict gives no row.
    """
    battles, seen = [], set()
    for row in verdicts:
        if (row["prompt_id"], row["game"]) in seen:
            raise UserError(f"game {row['game']} of question '{row['prompt_id']}' was judged twice.")
        seen.add((row["prompt_id"], row["game"]))
        if row["verdict"] is not None:
            winner, times = _OUTCOMES[row["verdict"]]
            winner = winner if row["game"] == 1 else _SWAPPED[winner]
            battle = {"question_id": row["prompt_id"], "model_a": baseline, "model_b": model, "winner": winner}
            battles += [battle] * times
    return battles


def arena_hard_score(battles: Sequence[dict], baseline: str, rounds: int = 100, seed: int = 0) -> dict:
    """Return {score, ci_low, ci_high, n}: win rate against ``baseline`` in percent, 95 % bootstrap interval, rows.

    With one baseline the Bradley-Terry win rate that upstream fits is (wins + ties / 2) / rows, in every
    bootstrap round too. ``winner`` is model_a, model_b, or starts with "tie".
    """
    import numpy as np

    models = {row[side] for row in battles for side in ("model_a", "model_b")} - {baseline}
    if len(models) != 1 or any(baseline not in (row["model_a"], row["model_b"]) for row in battles):
        raise UserError(f"battles of one model against '{baseline}' are expected, not of {sorted(models)}.")
    points = [1 if row["winner"].startswith("tie") else 2 * (row[_side(row["winner"])] != baseline) for row in battles]
    n, most = len(points), 2 * len(points) + 1
    # Distribution of the sum of n points of rows drawn with replacement: that of one row, convolved n times.
    odds = np.bincount(points, minlength=3) / n
    cumulative = np.cumsum(np.fft.irfft(np.fft.rfft(odds, most) ** n, most))
    # Stratified draws, one round in each of ``rounds`` equally likely slices: plain draws move the ends by 0.5 %.
    slices = (np.arange(rounds) + np.random.default_rng(seed).random(rounds)) / rounds
    drawn = np.minimum(np.searchsorted(cumulative, slices), most - 1)
    low, high = np.percentile(100 * drawn / (2 * n), [2.5, 97.5])
    return {"score": 100 * sum(points) / (2 * n), "ci_low": float(low), "ci_high": float(high), "n": n}


def _side(winner: str) -> str:
    if winner not in ("model_a", "model_b"):
        raise UserError(f"a battle's winner is {winner!r}; model_a, model_b or tie are expected.")
    return winner


def score(files, own, model: str, seed: int) -> dict:
    """Return the score of ``model`` against the baseline, from one judge's verdicts."""
    answers, verdicts = read_jsonl(files["answers"], Response), read_jsonl(files["verdicts"], ArenaVerdict)
    facts = read_json(files["stats"])
    battles = battles_of(verdicts, model, facts["baseline"])
    if not battles:
        raise UserError(f"no verdict of the judge '{facts['judge']}' could be read; see {files['verdicts']}.")
    tokens, tokenizer = shared.mean_tokens(answers, own["tokenizer"])
    return {
        **{key: facts[key] for key in ("judge", "judge_model", "baseline")},
        **arena_hard_score(battles, facts["baseline"], own["bootstrap_rounds"], seed),
        "questions": facts["questions"],
        "complete": facts["questions"] == FULL,  # a subset's score is not comparable
        "verdicts": dict(Counter(str(row["verdict"]) for row in verdicts)),
        "mean_length": shared.mean_length(answers),
        "mean_tokens": tokens,
        "tokenizer": tokenizer,
        "cost": facts["cost"],
    }


BENCHMARK = Benchmark(
    name="arena_hard",
    title="Arena-Hard",
    kind=JUDGED_ANSWERS,
    description="Arena-Hard v0.1 (table 2), two games a question against gpt-4-0314.",
    settings={
        "judge": shared.judge("gpt-4-1106-preview"),
        "subset": shared.subset(FULL, "; a subset is not comparable."),
        **shared.decoding(0, 1, 4096),
        "judge_max_tokens": shared.whole_number(4096, "Maximum number of new tokens of a verdict."),
        "bootstrap_rounds": shared.whole_number(100, "Rounds behind the 95 % interval."),
        "tokenizer": shared.tokenizer("cl100k_base"),
    },
    sources={
        "arena_hard_questions": (
            "github",
            f"{REVISION}/data/arena-hard-v0.1/question.jsonl",
            "2650242d2883f22b2abd498f273b6a7e02253cce533f5c91a858e1d44aa3002f",
        ),
        "arena_hard_baseline": (
            "github",
            f"{REVISION}/data/arena-hard-v0.1/model_answer/gpt-4-0314.jsonl",
            "0f6abc84de4600fde987d9db70f838f4ecdbd27a2f1f4058c12aa322a6f791b2",
        ),
        # the judge's prompt is pinned by its commit alone
        "arena_hard_judge_prompt": ("github", f"{REVISION}/utils/judge_utils.py", None),
        "arena_hard_judge_template": ("github", f"{REVISION}/config/arena-hard-v0.1.yaml", None),
    },
    questions="arena_hard_questions",
    read_questions=arena_hard_files.read_questions,
    judge_reads={
        "baseline": "arena_hard_baseline",
        "judge_prompt": "arena_hard_judge_prompt",
        "judge_template": "arena_hard_judge_template",
    },
    judge_keys=("judge_max_tokens",),
    judge=judge,
    score_keys=("bootstrap_rounds", "tokenizer"),
    score=score,
    columns=[
        ("Score, %", "score", 1),
        ("95 % from", "ci_low", 1),
        ("to", "ci_high", 1),
        ("Mean characters", "mean_length", 1),
        ("Mean tokens", "mean_tokens", 1),
        ("Battles", "n", 1),
    ],
    board=[("Arena-Hard, %", "score", "{:.1f}")],
    outcome=("score", "Arena-Hard score", " %"),
    figure=("score", "Score, %", "Table 2"),
    # characters of a question and an answer (table 2); also: instructions and the baseline's answer (assumed)
    volume={"questions": FULL, "requests": 2, "question": 700, "answer": 2430, "context": 1700 + 1700},
    paper_tables={"Table 2": "Arena-Hard"},
    labels={"score": "Score", "mean_length": "Mean length"},
    claims=[
        ("Arena-Hard: Meta-Rewarding gains over the seed", "score", "meta-rewarding/m4", "seed"),
        ("and over Self-Rewarding", "score", "meta-rewarding/m4", "self-rewarding/m4"),
    ],
)
