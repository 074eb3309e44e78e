"""Fit Elo scores of the judgments of each meta-judged response, from all verdicts of the iteration."""

import gc

import numpy as np

from metarewarding import elo, meta_judging
from metarewarding.jobs.job import logged
from metarewarding.jobs.logs import in_words, logger
from metarewarding.records import Judgment, MetaJudgment, unique_by, write_json, write_jsonl
from metarewarding.shards import check_known, iter_shards


def elo_rows(judgments, meta_judgments, position_weights, l2):
    """Return (Elo rows, facts) from the rows of all shards.

    ``position_weights``: "iteration" (omega from the totals of all rows), "response" (from those of each
    response) or "none" (0.5 each).
    """
    by_id = unique_by(judgments, "judgment_id", "judgments")
    by_response: dict[str, list[dict]] = {}
    for row in meta_judgments:
        by_response.setdefault(row["response_id"], []).append(row)
    omegas = meta_judging.position_weights(meta_judgments)
    rows, everything = [], {}
    for response_id, verdicts in by_response.items():
        ids = list(dict.fromkeys(identity for row in verdicts for identity in (row["first"], row["second"])))
        if position_weights == "response":
            weights = meta_judging.position_weights(verdicts)
        else:
            weights = {"iteration": omegas, "none": (0.5, 0.5)}[position_weights]
        everything[response_id] = (ids, meta_judging.battle_matrix(ids, verdicts, *weights))
    # responses with the same number of judgments are fitted in one batch
    for size in sorted({len(ids) for ids, _ in everything.values()}):
        batch = [(response_id, *of) for response_id, of in everything.items() if len(of[0]) == size]
        scores = elo.fit(np.stack([battles for _, _, battles in batch]), l2)
        for (response_id, ids, _), of_response in zip(batch, scores, strict=True):
            rows += [
                {
                    "prompt_id": by_id[judgment_id]["prompt_id"],
                    "response_id": response_id,
                    "judgment_id": judgment_id,
                    "elo": float(score),
                }
                for judgment_id, score in zip(ids, of_response, strict=True)
            ]
    winners = [row["winner"] for row in meta_judgments]
    facts = {
        "responses": len(by_response),
        "presentations": len(winners),
        "first_wins": winners.count("first"),
        "second_wins": winners.count("second"),
        "unparsed": winners.count(None),
        "omega1": omegas[0],
        "omega2": omegas[1],
    }
    return sorted(rows, key=lambda row: row["judgment_id"]), facts


def read_without_texts(paths, kind):
    """Return the rows of all ``paths`` without their texts, and each id as one shared string.

    An iteration of the paper has 935,000 rows.
    """
    gc.disable()  # the rows have no reference cycles, and garbage collection would take a third of the time
    rows, ids = [], {}
    shared = [field for field in ("prompt_id", "response_id", "first", "second") if field in kind.__annotations__]
    for row in iter_shards(paths, kind):
        del row["text"]
        for field in shared:
            row[field] = ids.setdefault(row[field], row[field])
        rows.append(row)
    gc.enable()
    return rows


@logged
def main(job):
    p = job.params
    judgments = read_without_texts(job.input.judgments, Judgment)
    meta_judgments = read_without_texts(job.input.meta_judgments, MetaJudgment)
    known = {row["judgment_id"] for row in judgments}
    for side in ("first", "second"):
        check_known(meta_judgments, side, known, "meta-judgments", "the judgments")
    rows, facts = elo_rows(judgments, meta_judgments, p.position_weights, p.elo_l2)
    logger.info(in_words(facts))
    if bias := meta_judging.one_sided(facts):
        logger.warning(bias)
    write_jsonl(job.output.elo, rows)
    write_json(job.output.stats, {"rule": job.rule} | facts)


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
