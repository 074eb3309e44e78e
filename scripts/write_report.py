"""The page at the end of a run, a table for the terminal, and the numbers behind both, from the metrics files alone."""

import csv
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from job import logged
from metarewarding.records import read_json, replacing, write_json

PAPER_PROMPTS = 5000  # an iteration (section 3.1)


def collect(inputs: dict[str, list[str]], root: str, models: list[str], parents: dict[str, str]) -> dict:
    """All metrics of the run, by model; files are told apart by their paths under ``root``."""
    files = {
        kind: {of_model(path, root): read_json(path) for path in paths}
        for kind, paths in inputs.items()
        if kind != "judged"  # several files a model
    }
    judged: dict[str, dict] = {}
    for path in inputs["judged"]:
        judged.setdefault(of_model(path, root), {})[Path(path).parent.name] = read_json(path)
    stages: dict[str, dict] = {}
    for path in inputs["sampling"]:
        of_stage = stages.setdefault(stage_of(path, root), {"jobs": 0, "requests": 0, "completions": 0, "unparsed": 0})
        add_job(of_stage, read_json(path))
    for manifest in files["manifests"].values():
        name = {"seed": "fetch_seed_model", "m0": "train_sft"}.get(manifest.get("model"), "train_dpo")
        if "trained_from" in manifest:
            name = "train_sft" if manifest["trained_from"].endswith("seed/weights") else "train_dpo"
        of_stage = stages.setdefault(name, {"jobs": 0})
        of_stage["jobs"] += 1
        of_stage["seconds"] = of_stage.get("seconds", 0) + manifest["seconds"]
    rows = [
        {
            "model": model,
            "parent": parents.get(model),
            "agreement": files["agreement"][model],
            "arena": files["arena"].get(model),
            "training": files["training"].get(model),
            "pairs": files["pairs"].get(model),
            "elo": files["elo"].get(model),
            "bias": files["bias"].get(model),
            "judged": judged.get(model, {}),
        }
        for model in models
    ]
    return {"models": rows, "stages": stages, "eft": read_json(inputs["eft"][0])}


def of_model(path: str, root: str) -> str:
    """The model in whose folder ``path`` lies: `seed`, `m0`, or `<method>/m<t>`."""
    parts = Path(path).relative_to(root).parts
    return parts[0] if parts[0] in ("seed", "m0", "data") else f"{parts[0]}/{parts[1]}"


def stage_of(path: str, root: str) -> str:
    """The rule that wrote the stats file ``path``."""
    parts = Path(path).relative_to(root).parts
    if "benchmarks" in parts:
        names = {"verdicts": "judge_answers", "answers": "answer_arena", "judgments": "judge_rankings"}
        return names[parts[-1].split(".")[0]]
    if parts[0] == "data":
        return "annotate_eft" if parts[1] == "eft" else "generate_prompts"
    return {"responses": "sample_responses", "judgments": "judge_responses", "meta_judgments": "meta_judge"}[parts[-2]]


def add_job(stage: dict, facts: dict) -> None:
    for key in ("requests", "completions", "unparsed", "prompt_tokens", "cached_prompt_tokens", "output_tokens"):
        stage[key] = stage.get(key, 0) + facts.get(key, 0)
    stage["engine_seconds"] = stage.get("engine_seconds", 0) + facts["seconds"]
    stage["jobs"] += 1
    stage["seconds"] = stage.get("seconds", 0) + facts["process_seconds"]


# (title, [(column, place of the value in score.json, factor)]) of the benchmarks whose verdicts a judge gives
JUDGED = {
    "alpaca_eval": (
        "AlpacaEval 2",
        [
            ("Length-controlled win rate, %", "lc_win_rate", 1),
            ("standard error", "lc_win_rate_se", 1),
            ("Win rate, %", "win_rate", 1),
            ("standard error", "win_rate_se", 1),
            ("Mean characters", "avg_length", 1),
            ("Verdicts", "n", 1),
        ],
    ),
    "arena_hard": (
        "Arena-Hard",
        [
            ("Score, %", "score", 1),
            ("95 % from", "ci_low", 1),
            ("to", "ci_high", 1),
            ("Mean characters", "mean_length", 1),
            ("Mean tokens", "mean_tokens", 1),
            ("Battles", "n", 1),
        ],
    ),
    "mt_bench": (
        "MT-Bench",
        [
            ("Average", "average", 1),
            ("Turn 1", "turn1", 1),
            ("Turn 2", "turn2", 1),
            ("Mean characters", "mean_length", 1),
            ("Ratings", "n", 1),
        ],
    ),
    "judge_vs_gpt4": (
        "Judge against a stronger judge",
        [
            ("Chosen by the stronger: agreement, %", "gpt4_chosen.agreement", 100),
            ("without ties", "gpt4_chosen.agreement_without_ties", 100),
            ("pairs", "gpt4_chosen.pairs", 1),
            ("Chosen by the model: agreement, %", "self_chosen.agreement", 100),
            ("without ties", "self_chosen.agreement_without_ties", 100),
            ("pairs", "self_chosen.pairs", 1),
            ("Mean score given", "mean_score", 1),
        ],
    ),
}


def value_at(score: dict | None, place: str):
    """The value at "a.b" in nested dicts, None where there is none."""
    for key in place.split("."):
        score = score.get(key) if isinstance(score, dict) else None
    return score


def judged_tables(metrics: dict) -> list[dict]:
    """A table for each benchmark and judge: {title, judge, judge_model, complete, cost, heads, rows}.

    Scores of different judges never share a table.
    """
    tables: dict[tuple[str, str, str], dict] = {}
    for row in metrics["models"]:
        for benchmark, score in row["judged"].items():
            title, columns = JUDGED[benchmark]
            table = tables.setdefault(
                (benchmark, score["judge"], score["judge_model"]),
                {
                    "title": title,
                    "judge": score["judge"],
                    "judge_model": score["judge_model"],
                    "complete": True,
                    "cost": 0,
                    "heads": [head for head, _, _ in columns],
                    "rows": [],
                },
            )
            table["complete"] &= score.get("complete", True)
            table["cost"] += score.get("cost", 0)
            values = [(value_at(score, place), factor) for _, place, factor in columns]
            table["rows"].append(
                (row["model"], [value if value is None else factor * value for value, factor in values])
            )
    return [tables[key] for key in sorted(tables)]


def beside_the_paper(metrics: dict, paper: str | Path) -> list[dict]:
    """Each figure of the paper that this run has too: {place, benchmark, metric, unit, model, paper, ours, judge}.

    Ours is in the paper's unit. A score with a judge carries the judge's name: scores of different judges
    cannot be compared.
    """
    by_model = {
        row["model"]: row["judged"] | {"judge_agreement": row["agreement"], "meta_judge": row["bias"]}
        for row in metrics["models"]
    }
    rows = []
    with open(paper, encoding="utf-8", newline="") as file:
        for target in csv.DictReader(file):
            score = by_model.get(target["model"], {}).get(target["benchmark"])
            value = value_at(score, target["metric"])
            if value is None or score.get("complete") is False:  # a subset's score compares with no other
                continue
            share = target["unit"] == "%" and target["benchmark"] in ("judge_agreement", "meta_judge", "judge_vs_gpt4")
            rows.append(
                {key: target[key] for key in ("place", "benchmark", "metric", "unit", "model", "source")}
                | {"paper": float(target["value"]), "ours": 100 * value if share else value}
                | {"judge": score.get("judge"), "judge_model": score.get("judge_model")}
            )
    return rows


def scoreboard(metrics: dict, note: str | None) -> str:
    """The short version in plain text."""

    def cell(value, form="{:.1f}", scale=1):
        return "-" if value is None else form.format(value * scale)

    head = ["model", "win rate vs seed", "95 % interval", "length", "judge parse", "agreement", "spearman", "pairs a/j"]
    rows = []
    for row in metrics["models"]:
        arena, agreement, pairs = row["arena"] or {}, row["agreement"], row["pairs"] or {}
        interval = f"{arena['ci_low']:.1f} to {arena['ci_high']:.1f}" if arena else "-"
        counts = "/".join(str(pairs[kind]["pairs"]) if kind in pairs else "-" for kind in ("actor", "judge"))
        rows.append(
            [
                row["model"],
                cell(arena.get("win_rate")),
                interval if row["model"] != "seed" else "-",
                cell(arena.get("mean_length"), "{:.0f}"),
                cell(agreement["parse_rate"], "{:.0f} %", 100),
                cell(agreement["agreement"], "{:.1f} %", 100),
                cell(agreement["spearman"], "{:.2f}"),
                counts if pairs else "-",
            ]
        )
    lines = table(head, rows)
    total = sum(stage.get("seconds", 0) for stage in metrics["stages"].values())
    times = [
        [name, str(stage["jobs"]), f"{stage['seconds']:.0f}", f"{100 * stage['seconds'] / total:.0f} %"]
        for name, stage in sorted(metrics["stages"].items(), key=lambda item: -item[1]["seconds"])
    ]
    lines += [
        "",
        *table(["where the time went", "jobs", "seconds", "share"], [*times, ["together", "", f"{total:.0f}", ""]]),
    ]
    return "\n".join([*lines, *(["", note] if note else [])]) + "\n"


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    return [
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in [head, ["-" * width for width in widths], *rows]
    ]


def small_run_note(model: dict, per_iteration: int) -> str | None:
    """What a run smaller than the paper's shows and does not show."""
    if per_iteration >= PAPER_PROMPTS:
        return None
    name = model.get("repo") or model.get("file") or model.get("path") or "a tiny random model"
    return (
        f"This run used {name} and {per_iteration} prompts an iteration; the paper used Llama-3-8B-Instruct and "
        f"{PAPER_PROMPTS:,}. It shows that the pipeline works. It does not show the paper's gain: with so few prompts "
        "the differences between models lie within noise."
    )


@logged
def main(job):
    p = job.params
    inputs = {kind: [paths] if isinstance(paths, str) else list(paths) for kind, paths in job.input.items()}
    template, paper = inputs.pop("template")[0], inputs.pop("paper")[0]
    metrics = collect(inputs, p.root, p.models, p.parents)
    metrics["judged"] = judged_tables(metrics)
    metrics["beside_the_paper"] = beside_the_paper(metrics, paper)
    note = small_run_note(p.model, p.per_iteration)
    # autoescape: what a model wrote, a path or a name is text on the page, never markup
    environment = Environment(
        loader=FileSystemLoader(Path(template).parent), autoescape=True, undefined=StrictUndefined
    )
    page = environment.get_template(Path(template).name).render(metrics=metrics, note=note)
    with replacing(job.output.page) as file:
        file.write(page)
    with replacing(job.output.scoreboard) as file:
        file.write(scoreboard(metrics, note))
    write_json(job.output.metrics, metrics)


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
