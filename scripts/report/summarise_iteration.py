"""Summarise one iteration for the report: distributions, and a few prompts as examples.

Everything is joined by id; large files are read one row at a time.
"""

from collections import Counter
from collections.abc import Iterable, Iterator

import numpy as np

from metarewarding import degeneration, pairs, ties
from metarewarding.engines import sampling
from metarewarding.jobs.job import logged
from metarewarding.jobs.logs import in_words, logger
from metarewarding.records import (
    Elo,
    Judgment,
    MetaJudgment,
    Pair,
    Prompt,
    Response,
    Score,
    read_jsonl,
    write_json,
)
from metarewarding.row_checks import iter_jsonl

EXAMPLE_PROMPTS = 6  # prompts whose texts are kept, drawn by seed
POINTS = 150  # responses in the plot of length against score, of prompts drawn by seed
BINS = 24  # of the Elo histogram
DISTINCT_2_OF = 200  # prompts, drawn by seed: a fixed number, as distinct-2 falls with the number of texts
QUANTILES = (5, 25, 50, 75, 95)


def quantiles(values) -> dict | None:
    """Return {p5 ... p95, mean, n} of ``values``; None where there are none."""
    values = np.asarray(list(values), dtype=float)
    if not len(values):
        return None
    by_name = dict(zip((f"p{q}" for q in QUANTILES), np.percentile(values, QUANTILES).tolist(), strict=True))
    return by_name | {"mean": float(values.mean()), "n": len(values)}


def in_tiers(scores: list[dict], rho: float) -> list[dict]:
    """Return one prompt's score rows with their place and tier; empty where all its scores are equal.

    ``place`` is between the prompt's lowest (0) and highest (1) score; ``tier`` is top, bottom, both or none.
    """
    values = [row["score"] for row in scores]
    low, high = min(values), max(values)
    if pairs.select_actor_pair(values, [0] * len(values), 0) is None:
        return []
    top, bottom = (set(of) for of in pairs.tiers(values, rho))
    names = {(True, False): "top", (False, True): "bottom", (True, True): "both", (False, False): "none"}
    return [
        row | {"place": (row["score"] - low) / (high - low), "tier": names[i in top, i in bottom]}
        for i, row in enumerate(scores)
    ]


def length_against_score(scores: list[dict], actor_pairs: list[dict], rho: float, seed: int) -> list[dict]:
    """Return up to POINTS rows {response_id, length, score, place, tier, role} of whole prompts, drawn by seed."""
    role = {pair["chosen_id"]: "chosen" for pair in actor_pairs} | {p["rejected_id"]: "rejected" for p in actor_pairs}
    by_prompt: dict[str, list[dict]] = {}
    for row in scores:
        by_prompt.setdefault(row["prompt_id"], []).append(row)
    points: list[dict] = []
    for prompt_id in drawn(by_prompt, seed):
        rows = in_tiers(by_prompt[prompt_id], rho)
        if points and len(points) + len(rows) > POINTS:
            break
        points += [
            {key: row[key] for key in ("response_id", "length", "score", "place", "tier")}
            | {"role": role.get(row["response_id"], "neither")}
            for row in rows
        ]
    return points


def elo_spread(elo: list[dict]) -> dict | None:
    """Return a histogram of the Elo scores, and their range within a response; None without Elo scores."""
    by_response: dict[str, list[float]] = {}
    for row in elo:
        by_response.setdefault(row["response_id"], []).append(row["elo"])
    values = [value for of in by_response.values() for value in of]
    if not values:
        return None
    counts, edges = np.histogram(values, bins=BINS)
    return {
        "counts": counts.tolist(),
        "edges": edges.tolist(),
        "range": quantiles(max(of) - min(of) for of in by_response.values()),
    }


def degenerate(responses: Iterable[dict], of_distinct_2: set[str]) -> dict | None:
    """Return {responses, repeated_8grams, empty (shares of the responses), distinct_2}; None without responses.

    ``of_distinct_2``: the prompts of the responses that distinct-2 is computed over.
    """
    count = repeated = empty = 0
    texts = []
    for row in responses:
        count += 1
        repeated += degeneration.repeats(row["text"])
        empty += not row["text"].strip()
        if row["prompt_id"] in of_distinct_2:
            texts.append(row["text"])
    if not count:
        return None
    shares = {"repeated_8grams": repeated / count, "empty": empty / count}
    return {"responses": count} | shares | {"distinct_2": degeneration.distinct(texts)}


def drawn(prompt_ids: Iterable[str], seed: int) -> list[str]:
    """Return all of the ``prompt_ids``, in an order that follows from seed and ids."""
    return sorted(prompt_ids, key=lambda prompt_id: sampling.rng(seed, "report", prompt_id).random())


def of_prompts(paths: list[str], kind: type, wanted: set[str]) -> dict[str, list[dict]]:
    """Return {prompt_id: rows} of the ``wanted`` prompts."""
    by_prompt: dict[str, list[dict]] = {prompt_id: [] for prompt_id in wanted}
    for row in rows_of(paths, kind):
        if row["prompt_id"] in wanted:
            by_prompt[row["prompt_id"]].append(row)
    return by_prompt


def rows_of(paths: list[str], kind: type) -> Iterator[dict]:
    for path in paths:
        yield from iter_jsonl(path, kind)


def examples(prompts, responses, judgments, verdicts, scores, elo, chosen_pairs) -> list[dict]:
    """Return the prompts with their rows, joined by id.

    Each has its responses, best first, with their judgments; its chosen and rejected texts; and for the meta-judged
    response the judgments by Elo and every verdict.
    """
    role = {}
    for pair in chosen_pairs:
        role |= {pair["chosen_id"]: "chosen", pair["rejected_id"]: "rejected"}
    score_of = {row["response_id"]: row for row in scores}
    elo_of = {row["judgment_id"]: row["elo"] for row in elo}
    level_of: dict[str, int] = {}  # of a response among its prompt's, by score
    result = []
    for prompt in prompts:
        prompt_id = prompt["prompt_id"]
        of_response: dict[str, list[dict]] = {}
        for row in judgments[prompt_id]:
            shown = {key: row[key] for key in ("judgment_id", "text", "score")}
            shown |= {"elo": elo_of.get(row["judgment_id"]), "role": role.get(row["judgment_id"])}
            of_response.setdefault(row["response_id"], []).append(shown)
        answers = [
            {key: row[key] for key in ("response_id", "text", "finish_reason")}
            | {"score": score_of.get(row["response_id"], {}).get("score"), "role": role.get(row["response_id"])}
            | {"judgments": of_response.get(row["response_id"], [])}
            for row in responses[prompt_id]
        ]
        scored = [row for row in answers if row["score"] is not None]
        for row, level in zip(scored, ties.levels([row["score"] for row in scored]), strict=True):
            level_of[row["response_id"]] = level
        answers.sort(key=lambda row: (-level_of.get(row["response_id"], -1), row["response_id"]))
        ranked = sorted((row for row in elo if row["prompt_id"] == prompt_id), key=lambda row: -row["elo"])
        met = [{key: row[key] for key in ("first", "second", "winner", "text")} for row in verdicts[prompt_id]]
        result.append(
            {"prompt_id": prompt_id, "text": prompt["text"], "responses": answers}
            | {"meta_judged": ranked[0]["response_id"] if ranked else None}
            | {"ranking": [row["judgment_id"] for row in ranked], "verdicts": met}
        )
    return result


@logged
def main(job):
    p, files = job.params, job.input
    paths = {
        name: [of] if isinstance(of := files.get(name, []), str) else list(of)
        for name in ("responses", "judgments", "meta_judgments", "elo", "actor_pairs", "judge_pairs")
    }
    prompts = {row["prompt_id"]: row for row in read_jsonl(files.prompts, Prompt)}
    scores = read_jsonl(files.scores, Score) if files.get("scores") else []
    elo = list(rows_of(paths["elo"], Elo))
    actor_pairs, judge_pairs = (list(rows_of(paths[name], Pair)) for name in ("actor_pairs", "judge_pairs"))
    wanted = set(drawn(prompts, p.seed)[:EXAMPLE_PROMPTS])
    given = Counter(row["score"] for row in rows_of(paths["judgments"], Judgment) if row["score"] is not None)
    summary = {
        "rho": p.rho,
        "scores_given": {str(score): given[score] for score in sorted(given)},
        "lengths": quantiles(row["length"] for row in scores),
        "points": length_against_score(scores, actor_pairs, p.rho, p.seed),
        "elo": elo_spread(elo),
        "degeneration": degenerate(rows_of(paths["responses"], Response), set(drawn(prompts, p.seed)[:DISTINCT_2_OF])),
    }
    logger.info(in_words({key: value for key, value in summary.items() if key != "points"}))
    write_json(job.output.summary, summary)
    inside = examples(
        [prompts[prompt_id] for prompt_id in drawn(wanted, p.seed)],
        of_prompts(paths["responses"], Response, wanted),
        of_prompts(paths["judgments"], Judgment, wanted),
        of_prompts(paths["meta_judgments"], MetaJudgment, wanted),
        scores,
        [row for row in elo if row["prompt_id"] in wanted],
        [pair for pair in actor_pairs + judge_pairs if pair["prompt_id"] in wanted],
    )
    write_json(job.output.examples, {"prompts": inside})


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
