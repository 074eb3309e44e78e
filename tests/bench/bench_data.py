"""What the CPU does beside models: Elo fits, scores and pairs, reading and joining rows.

Other libraries are imported where they are used: the processes that read rows measure their memory without them.
"""

import json
import multiprocessing
import random
import time
from itertools import permutations
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from measure import alternate, peak_memory_mb, row, text

from metarewarding import elo, meta_judging
from metarewarding.records import MetaJudgment
from preferences.build_actor_pairs import actor_pairs
from preferences.fit_elo import read_without_texts

L2 = 1e-3


def matrices(count: int, n: int, rng) -> np.ndarray:
    """Battles as the loop makes them: each pair in both orders, a verdict for nine presentations of ten."""
    strength = rng.normal(0, rng.uniform(0.3, 3, (count, 1)), (count, n))
    omega1, omega2 = 0.4, 0.6
    first_wins = rng.random((count, n, n)) < 1 / (1 + np.exp(strength[:, None, :] - strength[:, :, None]))
    parsed = (rng.random((count, n, n)) < 0.9) & ~np.eye(n, dtype=bool)
    return omega1 * (first_wins & parsed) + omega2 * (~first_wins & parsed).transpose(0, 2, 1)


def by_scipy(wins: np.ndarray) -> np.ndarray:
    from scipy.optimize import minimize

    games = wins + wins.T

    def loss(scores):
        difference = scores[:, None] - scores[None, :]
        gradient = L2 * scores - (wins - games / (1 + np.exp(-difference))).sum(axis=1)
        return (wins * np.logaddexp(0, -difference)).sum() + L2 / 2 * (scores**2).sum(), gradient

    return minimize(loss, np.zeros(len(wins)), jac=True, method="L-BFGS-B", options={"ftol": 1e-15, "gtol": 1e-9}).x


def by_sklearn(wins: np.ndarray) -> np.ndarray:
    from sklearn.linear_model import LogisticRegression

    m, n = np.nonzero(wins)
    rows = np.arange(len(m))
    design = np.zeros((2 * len(m), len(wins)))  # each win once from either side, at half its weight
    design[rows, m] = design[len(m) + rows, n] = 1
    design[rows, n] = design[len(m) + rows, m] = -1
    won = np.repeat([1, 0], len(m))
    model = LogisticRegression(C=1 / L2, fit_intercept=False, solver="lbfgs", tol=1e-9, max_iter=1000)
    return model.fit(design, won, sample_weight=np.tile(wins[m, n] / 2, 2)).coef_[0]


def elo_fits(quick: bool, model: Path) -> list[dict]:
    """5,000 matrices of 11 x 11 on one core, against two general optimisers on a part of them."""
    from threadpoolctl import threadpool_limits

    count, others = (50, 5) if quick else (5000, 100)
    battles, result = matrices(count, 11, np.random.default_rng(0)), []
    with threadpool_limits(1):
        scores = elo.fit(battles, L2)  # warm-up, and what the others are compared with
        for name, solve in (("scipy L-BFGS-B", by_scipy), ("scikit-learn LogisticRegression", by_sklearn)):
            ours, other, _, theirs = alternate(
                lambda: elo.fit(battles, L2), lambda solve=solve: np.array([solve(wins) for wins in battles[:others]])
            )
            apart = np.abs(theirs[0] - theirs[0].mean(axis=1, keepdims=True) - scores[:others]).max()
            result.append(
                row(
                    f"Elo, {count:,} matrices",
                    ours,
                    other * count / others,
                    name,
                    target="< 0.5 s",
                    met=ours < 0.5,
                    note=f"one core; the other's time from {others} matrices; scores differ by {apart:.0e} at most",
                )
            )
    return result


# -- scores and pairs


def sampled_rows(prompts: int, k: int, n: int) -> tuple[list, list, list]:
    """(prompts, responses, judgments) of an iteration."""
    drawn = random.Random(0)
    texts = [text(drawn.randrange(200, 3800), str(i)) for i in range(200)]
    requests = [{"prompt_id": f"g1-{i}", "text": texts[i % 200]} for i in range(prompts)]
    answers = [
        {"prompt_id": p["prompt_id"], "response_id": f"{p['prompt_id']}/r{j}"}
        | {"text": f"{drawn.choice(texts)} {j}", "tokens": 1, "finish_reason": "stop"}
        for p in requests
        for j in range(k)
    ]
    judged = [
        {"prompt_id": r["prompt_id"], "response_id": r["response_id"], "judgment_id": f"{r['response_id']}/j{j}"}
        | {"text": "", "score": drawn.choice([2.0, 3.0, 3.5, 4.0, 5.0, None]), "finish_reason": "stop"}
        for r in answers
        for j in range(n)
    ]
    return requests, answers, judged


def pairs_by_pandas(answers: list, judged: list, rho: float) -> set[tuple[str, str]]:
    """(chosen, rejected) response ids by group-bys over data frames, the usual way without a library for it."""
    import pandas as pd

    table = pd.DataFrame(answers)
    table["length"] = table["text"].str.len()
    means = pd.DataFrame(judged).dropna(subset="score").groupby("response_id")["score"].mean()
    table = table.merge(means.rename("score"), left_on="response_id", right_index=True)
    result = set()
    for _, group in table.groupby("prompt_id", sort=False):
        low, high = group["score"].min(), group["score"].max()
        if len(group) < 2 or high - low <= 1e-9:
            continue
        top = group[group["score"] >= (1 - rho) * high + rho * low - 1e-9].sort_values(
            ["length", "score"], ascending=[True, False], kind="stable"
        )
        bottom = group[group["score"] <= (1 - rho) * low + rho * high + 1e-9].sort_values(
            ["length", "score"], ascending=[False, True], kind="stable"
        )
        chosen, rejected = top.iloc[0]["response_id"], bottom.iloc[0]["response_id"]
        if chosen != rejected:
            result.add((chosen, rejected))
    return result


def scores_and_pairs(quick: bool, model: Path) -> list[dict]:
    """Mean scores and actor pairs of 5,000 prompts x 7 responses x 11 judgments, rows in memory."""
    prompts = 20 if quick else 5000
    requests, answers, judged = sampled_rows(prompts, 7, 11)
    rho = 0.32
    ours, other, built, theirs = alternate(
        lambda: actor_pairs(requests, answers, judged, rho, None, True, None, None, None)[1],
        lambda: pairs_by_pandas(answers, judged, rho),
    )
    if {(pair["chosen_id"], pair["rejected_id"]) for pair in built[0]} != theirs[0]:
        raise RuntimeError("the two ways chose different pairs")
    note = f"{len(judged):,} judgments, {len(built[0]):,} pairs, the same ones both ways"
    return [row(f"scores and pairs, {prompts:,} x 7 x 11", ours, other, "pandas group-bys", note=note)]


# -- reading and joining meta-judgments


def write_meta_judgments(folder: Path, prompts: int, shards: int = 32) -> list[Path]:
    """110 presentations a prompt with texts of about 1,000 characters, in ``shards`` files."""
    drawn = random.Random(0)
    texts = [text(950, str(i)).replace(" and ", " \u201cand\u201d\n") + "\nWinner: Judgement A" for i in range(200)]
    files = [folder / f"{shard}.jsonl" for shard in range(shards)]
    for shard, path in enumerate(files):
        with open(path, "w", encoding="utf-8") as file:
            for i in range(prompts * shard // shards, prompts * (shard + 1) // shards):
                prompt_id = f"g1-{i}"
                for a, b in permutations(range(11), 2):
                    meta = {"prompt_id": prompt_id, "response_id": f"{prompt_id}/r3"}
                    meta |= {"first": f"{prompt_id}/r3/j{a}", "second": f"{prompt_id}/r3/j{b}"}
                    meta |= {"text": drawn.choice(texts), "winner": drawn.choice(["first", "second", None])}
                    file.write(json.dumps(meta, ensure_ascii=False) + "\n")
    return files


def read_plainly(paths: list[Path]) -> list[dict]:
    rows = []
    for path in paths:
        with open(path, encoding="utf-8") as file:
            rows += [json.loads(line) for line in file]
    return rows


def join(verdicts: list[dict]) -> list[np.ndarray]:
    """The battle matrix of each response, as fit_elo joins them."""
    by_response: dict[str, list[dict]] = {}
    for verdict in verdicts:
        by_response.setdefault(verdict["response_id"], []).append(verdict)
    omegas = meta_judging.position_weights(verdicts)
    return [
        meta_judging.battle_matrix(
            list(dict.fromkeys(identity for verdict in of for identity in (verdict["first"], verdict["second"]))),
            of,
            *omegas,
        )
        for of in by_response.values()
    ]


def in_a_fresh_process(checked: bool, paths: list[Path], queue) -> None:
    start = time.perf_counter()
    verdicts = read_without_texts(paths, MetaJudgment) if checked else read_plainly(paths)
    read = time.perf_counter() - start
    matrices = join(verdicts)
    total = sum(matrix.sum() for matrix in matrices)
    queue.put((read, time.perf_counter() - start, peak_memory_mb(), len(verdicts), total))


def meta_judgment_rows(quick: bool, model: Path) -> list[dict]:
    """550,000 rows read, checked and joined, against json.loads of each line without a check."""
    prompts = 10 if quick else 5000
    context = multiprocessing.get_context("spawn")
    with TemporaryDirectory() as folder:
        paths = write_meta_judgments(Path(folder), prompts)

        def run(checked: bool):
            queue = context.Queue()
            process = context.Process(target=in_a_fresh_process, args=(checked, paths, queue))
            process.start()
            found = queue.get()
            process.join()
            return found

        _, _, ours, plain = alternate(lambda: run(True), lambda: run(False))
        megabytes = sum(path.stat().st_size for path in paths) / 1e6
    if ours[0][3:] != plain[0][3:]:
        raise RuntimeError("the two ways read different rows")
    read, seconds, memory = (float(np.median([run[i] for run in ours])) for i in range(3))
    _, plain_seconds, plain_memory = (float(np.median([run[i] for run in plain])) for i in range(3))
    count = ours[0][3]
    return [
        row(
            f"{count:,} meta-judgments read and joined",
            seconds,
            plain_seconds,
            "json.loads, no checks",
            target="< 5 s",
            met=seconds < 5,
            note=f"{count / seconds:,.0f} rows a second; reading {read:.1f} s of it; files of {megabytes:,.0f} MB",
        ),
        row(
            f"{count:,} meta-judgments: peak memory",
            memory,
            plain_memory,
            "json.loads, no checks",
            unit="MB",
            target="< 1 GB",
            met=memory < 1000,
        ),
    ]
