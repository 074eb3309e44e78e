"""The page at the end of a run, a table for the terminal, and the numbers behind both, from the metrics files alone."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from job import logged
from metarewarding.records import read_json, replacing, write_json

PAPER_PROMPTS = 5000  # an iteration (section 3.1)


def collect(inputs: dict[str, list[str]], root: str, models: list[str], parents: dict[str, str]) -> dict:
    """All metrics of the run, by model; files are told apart by their paths under ``root``."""
    files = {kind: {of_model(path, root): read_json(path) for path in paths} for kind, paths in inputs.items()}
    stages: dict[str, dict] = {}
    for path in inputs["sampling"]:
        of_stage = stages.setdefault(stage_of(path, root), {"jobs": 0, "requests": 0, "completions": 0, "unparsed": 0})
        # a model's answers and judgments come from one job; the judgments' stats hold its whole time
        add_job(of_stage, read_json(path), counts=not path.endswith("answers.stats.json"))
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
        return "judge_answers" if parts[-1].startswith("verdicts") else "run_benchmark"
    if parts[0] == "data":
        return "annotate_eft" if parts[1] == "eft" else "generate_prompts"
    return {"responses": "sample_responses", "judgments": "judge_responses", "meta_judgments": "meta_judge"}[parts[-2]]


def add_job(stage: dict, facts: dict, counts: bool) -> None:
    for key in ("requests", "completions", "unparsed", "prompt_tokens", "cached_prompt_tokens", "output_tokens"):
        stage[key] = stage.get(key, 0) + facts.get(key, 0)
    stage["engine_seconds"] = stage.get("engine_seconds", 0) + facts["seconds"]
    stage["jobs"] += counts
    stage["seconds"] = stage.get("seconds", 0) + counts * facts["process_seconds"]


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
    template = inputs.pop("template")[0]
    metrics = collect(inputs, p.root, p.models, p.parents)
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
