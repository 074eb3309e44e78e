"""Compare a substitute judge's scores of published answers with the scores that were published for them."""

import json
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory

from scipy.stats import spearmanr

from metarewarding.errors import UserError
from metarewarding.evaluation import arena_hard, registry
from metarewarding.evaluation.alpaca_scores import alpaca_eval_scores, read_rows
from metarewarding.jobs.job import logged
from metarewarding.jobs.logs import logger
from metarewarding.records import read_json, replacing, write_json


def published_alpaca_eval(file: str, questions: list[dict], gamed: str | None, reference: str) -> dict:
    """Return {win_rate, lc_win_rate} of published annotations, over the questions that the substitute judged.

    The length-controlled rate is None for a subset.
    """
    instructions = {question["turns"][0] for question in questions}
    rows = [
        row for row in read_rows(file, "instruction", "output_2", "preference") if row["instruction"] in instructions
    ]
    if len(rows) < len(instructions):
        raise UserError(f"{file}: {len(rows)} of the {len(instructions)} questions have a published verdict.")
    with TemporaryDirectory() as folder:
        part = Path(folder) / "annotations.json"
        part.write_text(json.dumps(rows))
        return alpaca_eval_scores(part, gamed, reference)


def published_arena_hard(file: str, questions: list[dict], model: str, rounds: int, seed: int) -> dict:
    """Return {score} of published judgments (rows with ``games``, each with a ``score``), over the same questions."""
    question_ids = {question["prompt_id"] for question in questions}
    verdicts, judged = [], set()
    with open(file, encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                row = json.loads(line)
                identity = row.get("uid") or row["question_id"]
                games = [game["score"] for game in row["games"]]
            except (ValueError, KeyError, TypeError) as error:
                raise UserError(f"{file}, line {number}: not a judgment in Arena-Hard's format ({error!r}).") from None
            if identity in question_ids:
                judged.add(identity)
                verdicts += [
                    {"prompt_id": identity, "game": n, "verdict": score if score in arena_hard.VERDICTS else None}
                    for n, score in enumerate(games, start=1)
                ]
    if judged != question_ids:
        raise UserError(f"{file}: {len(judged)} of the {len(question_ids)} questions have a published verdict.")
    battles = arena_hard.battles_of(verdicts, model, "baseline")
    return {"score": arena_hard.arena_hard_score(battles, "baseline", rounds, seed)["score"]}


METRICS = {"alpaca_eval": ("win_rate", "lc_win_rate"), "arena_hard": ("score",)}


def shifts(rows: list[dict]) -> dict:
    """Return {"<benchmark> <metric>": {models, mean_shift, mean_absolute_shift, spearman}}, shifts in % points."""
    by_benchmark = {}
    for benchmark, metric in sorted({(row["benchmark"], row["metric"]) for row in rows}):
        of = [row for row in rows if (row["benchmark"], row["metric"]) == (benchmark, metric)]
        several = len({row["published"] for row in of}) > 1 and len({row["substitute"] for row in of}) > 1
        by_benchmark[f"{benchmark} {metric}"] = {
            "models": len(of),
            "mean_shift": fmean(row["shift"] for row in of),
            "mean_absolute_shift": fmean(abs(row["shift"]) for row in of),
            "spearman": float(spearmanr([r["published"] for r in of], [r["substitute"] for r in of]).statistic)
            if several
            else None,
        }
    return by_benchmark


@logged
def main(job):
    p = job.params
    rows = []
    for benchmark, model, score_file, published_file in zip(
        p.benchmarks, p.models, job.input.scores, job.input.published, strict=True
    ):
        score = read_json(score_file)
        questions = registry.questions(
            registry.get(benchmark), job.input[f"{benchmark}_questions"], p.subsets[benchmark]
        )
        if benchmark == "alpaca_eval":
            reference = job.input.alpaca_eval_questions
            published = published_alpaca_eval(published_file, questions, job.input.get("gamed"), reference)
        else:
            published = published_arena_hard(published_file, questions, model, p.rounds, p.seed)
        for metric in METRICS[benchmark]:
            if score[metric] is None or published[metric] is None:
                continue
            row = {"benchmark": benchmark, "model": model, "metric": metric, "published": published[metric]}
            row |= {"substitute": score[metric], "shift": score[metric] - published[metric]}
            rows.append(row | {key: score[key] for key in ("judge", "judge_model", "complete", "cost")})
    result = {"rows": rows, "together": shifts(rows)}
    lines = [
        f"{'benchmark':12} {'metric':12} {'model':32} {'judge':20} {'published':>10} {'substitute':>10} {'shift':>8}"
    ]
    lines += [
        f"{r['benchmark']:12} {r['metric']:12} {r['model']:32} {r['judge']:20} {r['published']:10.2f} "
        f"{r['substitute']:10.2f} {r['shift']:+8.2f}"
        for r in rows
    ]
    logger.info("\n".join(["shifts of the scores", *lines]))
    with replacing(job.output.table) as file:
        file.write("\n".join(lines) + "\n")
    write_json(job.output.shifts, result)


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
