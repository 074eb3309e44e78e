"""The rest of a run by its plan: hours left, corrected by finished jobs, and wall-clock hours."""

import lineage


def hours_left(plan: dict) -> dict | None:
    """Return {gpu_hours, times_planned} of a measured plan, None at its start.

    ``times_planned``: what sampling and training took, as a multiple of the plan.

    The hours of finished jobs correct the rest of their stage; a stage without finished jobs is corrected by those of
    its kind.
    """
    took, planned = {}, {}
    for row in plan["rows"]:
        if row["gpu_hours"] and row.get("measured") and row["measured"]["gpu_hours"]:
            for key in (row["stage"], row["kind"]):
                took[key] = took.get(key, 0) + row["measured"]["gpu_hours"]
                planned[key] = planned.get(key, 0) + row["gpu_hours"] * done(row, plan["rows"])
    if not took:
        return None
    factor = {key: took[key] / planned[key] for key in took}
    left = sum(
        (row["gpu_hours"] or 0) * (1 - done(row, plan["rows"])) * factor.get(row["stage"], factor.get(row["kind"], 1.0))
        for row in plan["rows"]
    )
    kinds = {kind: round(factor[kind], 2) for kind in ("sample", "train") if kind in factor}
    return {"gpu_hours": round(left, 2), "times_planned": kinds}


def done(row: dict, rows: list[dict]) -> float:
    """Return the share of a row's jobs that are finished; checkpoints are saved by the jobs that train."""
    if row["kind"] == "save":
        trained = [(done(other, rows), other["gpu_hours"] or 0) for other in rows if other["kind"] == "train"]
        hours = sum(of for _, of in trained)
        return sum(share * of for share, of in trained) / hours if hours else 0.0
    return min(1.0, row["measured"]["jobs"] / row["jobs"]) if row.get("measured") and row["jobs"] else 0.0


def hours_on_the_clock(plan: dict, settings: dict, gpus: int) -> float | None:
    """Return the wall-clock hours of the run on ``gpus`` GPUs without queueing; None where a job needs more GPUs.

    It is the longer of two times: all GPU hours divided by ``gpus``, and the longest chain of stages that depend on
    each other, each on as many GPUs as its jobs can use. Judges behind an API are not included.
    """
    engine, train = settings["resources"]["engine"]["gpu"], settings["resources"]["train"]["gpu"]
    if plan["totals"]["gpu_hours"] is None or gpus < max(engine, train):
        return None
    rows = {row["stage"]: row for row in plan["rows"]}
    shards = settings["sampling"]["shards"]
    width = min(shards, gpus // engine) * engine if engine else 0

    def hours(stage: str, parts: float, on: int) -> float:
        row = rows.get(stage)
        return row["gpu_hours"] / parts / on if row and row["gpu_hours"] else 0.0

    def files(stage: str) -> int:
        return len(rows[stage]["files"]) if stage in rows else 1

    models = lineage.models(settings, settings["run"])
    start = max(hours("annotate_eft", 1, width), hours("generate_prompts", 1, engine)) + hours("train_sft", 1, train)
    chains = []
    for method in settings["run"]:
        chain, model = 0.0, f"{method}/m{len(settings['methods'][method]['iterations'])}"
        while model != "m0":
            chain += hours("sample_and_judge", files("sample_and_judge") / 2 / shards, width)
            if lineage.scored_by(settings, model):
                chain += hours("score_responses", files("score_responses") / shards, width)
            if lineage.trains_judge(settings, model):
                chain += hours("meta_judge", files("meta_judge") / shards, width)
            chain += hours("train_dpo", files("train_dpo"), train) + hours("save_checkpoints", len(models), train)
            model = lineage.parent(settings, *lineage.split_model(model))
        chains.append(chain)
    chain = start + max(chains) + hours("evaluate_model", len(models), engine)
    return round(max(chain, plan["totals"]["gpu_hours"] / gpus), 1)
