"""Measure the effect of K, N and rho from a model's samples, without new sampling."""

import numpy as np

from metarewarding import consistency, pairs, reliability, sensitivity
from metarewarding.engines import sampling
from metarewarding.jobs.job import logged
from metarewarding.jobs.logs import logger
from metarewarding.records import Judgment, MetaJudgment, Response, read_jsonl, write_json
from metarewarding.row_checks import iter_jsonl

RHOS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)


def rows_without_texts(paths, kind) -> list[dict]:
    """Return the rows with ``chars``, the length of the text, instead of the text."""
    rows = []
    for path in paths:
        for row in iter_jsonl(path, kind):
            row["chars"] = len(row.pop("text"))
            rows.append(row)
    return rows


def arrays(responses, judgments, allow_truncated: bool):
    """Return (scores (prompts, K, N), lengths (prompts, K), may_be_chosen (prompts, K)).

    A missing score is NaN; a missing response has length 0 and may not be chosen.
    """
    by_prompt: dict[str, list[dict]] = {}
    for row in responses:
        by_prompt.setdefault(row["prompt_id"], []).append(row)
    of_response: dict[str, list] = {}
    for row in judgments:
        of_response.setdefault(row["response_id"], []).append(row["score"])
    k = max(len(rows) for rows in by_prompt.values())
    n = max(len(scores) for scores in of_response.values())
    scores = np.full((len(by_prompt), k, n), np.nan)
    lengths, may = np.zeros((len(by_prompt), k)), np.zeros((len(by_prompt), k), dtype=bool)
    for p, rows in enumerate(by_prompt.values()):
        for r, row in enumerate(rows):
            lengths[p, r] = len(row["text"])
            may[p, r] = pairs.may_be_chosen(row, allow_truncated)
            for j, score in enumerate(of_response.get(row["response_id"], [])):
                scores[p, r, j] = np.nan if score is None else score
    return scores, lengths, may


def verdict_matrices(meta_judgments) -> list[np.ndarray]:
    """Return arrays in the form of ``reliability.of_elo``, one for each number of judgments that a response has."""
    by_response: dict[str, list[dict]] = {}
    for row in meta_judgments:
        by_response.setdefault(row["response_id"], []).append(row)
    by_size: dict[int, list] = {}
    for rows in by_response.values():
        ids = sorted({row[side] for row in rows for side in ("first", "second")})
        place = {identity: i for i, identity in enumerate(ids)}
        matrix = np.zeros((len(ids), len(ids)))
        for row in rows:
            matrix[place[row["first"]], place[row["second"]]] = {"first": 1, "second": -1, None: 0}[row["winner"]]
        by_size.setdefault(len(ids), []).append(matrix)
    return [np.stack(matrices) for _, matrices in sorted(by_size.items())]


def measure(responses, judgments, meta_judgments, repeats, rho, allow_truncated, elo_l2, draws, seed) -> dict:
    """Return all measurements of one model; Elo and consistency are None where nothing was meta-judged."""
    responses = sampling.distinct(responses)
    scores, lengths, may = arrays(responses, judgments, allow_truncated)
    rng = sampling.rng(seed, "sensitivity")
    response_chars = float(lengths[~np.isnan(scores).all(axis=2)].mean()) if len(responses) else 0.0
    judgment_chars = float(np.mean([row["chars"] for row in judgments]))
    rows = sensitivity.of_k_and_n(scores, lengths, may, rho, draws, rng)
    advice = sensitivity.recommend(rows, response_chars, judgment_chars)
    matrices = verdict_matrices(meta_judgments)
    # the largest group of responses with the same number of judgments
    largest = max(matrices, key=len, default=None)
    usable = largest is not None and largest.shape[-1] >= 3
    one = reliability.of_one_judgment(scores)
    return {
        "prompts": len(scores),
        "k": scores.shape[1],
        "n": scores.shape[2],
        "rho": rho,
        "draws": draws,
        "response_chars": response_chars,
        "judgment_chars": judgment_chars,
        "reliability": None
        if one is None
        else [reliability.spearman_brown(one, n) for n in range(1, scores.shape[2] + 1)],
        "k_and_n": rows,
        "rhos": sensitivity.of_rho(scores, lengths, may, rho, sorted({*RHOS, rho})),
        "recommendation": advice,
        "sentence": sensitivity.sentence(advice, len(scores)),
        "elo": reliability.of_elo(largest, elo_l2, draws, rng) | {"responses": len(largest)} if usable else None,
        "consistency": consistency.of_repeats(meta_judgments, repeats) if repeats else None,
    }


@logged
def main(job):
    p, given = job.params, job.input
    result = measure(
        [row for path in given.responses for row in read_jsonl(path, Response)],
        rows_without_texts(given.judgments, Judgment),
        rows_without_texts(given.get("meta_judgments", []), MetaJudgment),
        rows_without_texts(given.get("repeats", []), MetaJudgment),
        p.rho,
        p.allow_truncated_chosen,
        p.elo_l2,
        p.draws,
        p.seed,
    )
    logger.info(result["sentence"])
    write_json(job.output[0], result | {"model": job.wildcards.model})


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
