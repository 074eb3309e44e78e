"""Write the page at the end of a run, its tables and figures, the scoreboard and all numbers, from metrics files."""

import time
from pathlib import Path

from metarewarding.jobs.job import logged
from metarewarding.jobs.logs import logger
from metarewarding.records import read_json, replacing, write_json
from metarewarding.reporting import (
    alerts,
    figures,
    job_times,
    judging,
    measured,
    metrics,
    page,
    paper,
    rule_graph,
    same_prompts,
    scoreboard,
    summary,
    tables,
)

PAPER_PROMPTS = 5000  # an iteration (section 3.1)


def small_run_note(model: dict, per_iteration: int) -> str | None:
    """Return what a run smaller than the paper's shows and does not show."""
    if per_iteration >= PAPER_PROMPTS:
        return None
    name = model.get("repo") or model.get("file") or model.get("path") or "a tiny random model"
    return (
        f"This run used {name} and {per_iteration} prompts an iteration; the paper used Llama-3-8B-Instruct and "
        f"{PAPER_PROMPTS:,}. It shows that the pipeline works. It does not show the paper's gain: with so few prompts, "
        "differences between models are within noise."
    )


def run_facts(p) -> dict:
    """Return the facts of the run in the header that are not metrics."""
    facts = {"root": p.root, "model": p.model, "per_iteration": p.per_iteration, "seed": p.seed}
    return facts | {"configfiles": p.configfiles, "date": time.strftime("%Y-%m-%d %H:%M %Z")}


def page_facts(collected: dict, printed: list[dict], p) -> dict:
    """Return the values of the page's template that come from the metrics."""
    first, rest = summary.settings_in_order(collected["differs"])
    heads = scoreboard.board(collected)[0]
    return {
        "metrics": collected,
        "linked": not p.progress,  # an iteration has only the page
        "title": f"Meta-Rewarding: {summary.model_name(p.model)}, {' + '.join(Path(f).stem for f in p.configfiles)}",
        "header": summary.facts(collected, collected["run"]),
        "verdict_line": summary.verdict(collected, p.progress),
        "tiles": summary.tiles(collected, [] if collected["differs"] else printed),
        "board": scoreboard.board(collected),
        "board_caption": board_caption(heads, collected),
        "even": tables.win_rate_sentence(collected),
        "tables": paper.tables(collected["beside_the_paper"]),
        "verdict": paper.verdict,
        "claims": paper.claims(collected, printed),
        "stages": tables.stages(collected),
        "judging": collected["judging"],
        "provenance": tables.provenance(collected),
        "versions": tables.versions(collected),
        "settings_first": first,
        "settings_rest": rest,
    }


def board_caption(heads: list[str], collected: dict) -> str:
    """Return the meaning of the scoreboard's columns, of those that it has, and the judges of its scores."""
    eft = collected["eft"]
    captions = {
        "LC win rate, %": "LC win rate: length-controlled win rate on AlpacaEval 2.",
        "win rate, %": "Win rate: on AlpacaEval 2, not length-controlled.",
        "length, chars": "Length: mean characters of a benchmark answer.",
        "win rate vs seed, %": "Win rate vs seed: answers scored by M0 against the seed's answers; a tie is half; 95 % "
        "bootstrap interval over prompts (Wilson's where all prompts have the same outcome).",
        "agreement": f"Judge parse, agreement, Spearman: each model's judgments of {eft['eval_replies']} replies to "
        f"{eft['eval_prompts']} held-out prompts against human rankings.",
        "pairs a/j": "Pairs a/j: actor and judge pairs that the model was trained on.",
    }
    judges = [f"{table['title']}: {metrics.judge_name(table)}" for table in collected["judged"]]
    parts = [text for head, text in captions.items() if head in heads]
    parts += [f"Judges: {'; '.join(judges)}."] * bool(judges)
    if not all(table["complete"] for table in collected["judged"]):
        parts.append("Subset: from a part of the benchmark's questions, so not comparable with other scores.")
    return " ".join(parts)


def texts(inputs: dict, examples: dict, p) -> dict:
    """Return the values of the template that contain what models wrote."""
    same, score = [], f"The number is the mean score that M0 gives the answer, 0 to {p.max_score}."
    if inputs.get("answers"):
        files = [{metrics.of_model(f, p.root): f for f in inputs.get(k, [])} for k in ("answers", "verdicts")]
        same = same_prompts.side_by_side(p.same_benchmark, inputs["questions"][0], *files)
        score = {"arena_laptop": score, "mt_bench": "The number is the judge's rating of the answer, 1 to 10."}.get(
            p.same_benchmark, ""
        )
    return {
        "examples": page.select_examples(examples),
        "same": same,
        "same_benchmark": str(p.same_benchmark),
        "same_score": score,
    }


@logged
def main(job):
    p = job.params
    inputs = {kind: [paths] if isinstance(paths, str) else list(paths) for kind, paths in job.input.items()}
    printed = paper.targets(inputs.pop("paper")[0])
    template, rules = inputs.pop("template")[0], inputs.pop("rules")[0]
    plan = measured.measure(p.plan, p.root) if p.progress else None  # its file is written at the end of the run
    collected = metrics.collect(inputs, p.root, p.models, p.parents, plan)
    collected["judged"] = tables.judged(collected)
    collected["beside_the_paper"] = paper.beside_the_paper(collected, printed)
    collected["alerts"] = alerts.alerts(collected)
    collected["judging"] = judging.section(collected)
    collected["differs"] = p.differs
    collected["jobs"] = job_times.finished(p.root)
    collected["run"] = run_facts(p)
    # the source of the seed's weights, which the config may have changed since
    seed = next((row["manifest"].get("origin") for row in collected["models"] if row["model"] == "seed"), None)
    collected["note"] = small_run_note(seed or p.model, p.per_iteration)
    drawn = figures.of(collected, printed)
    page.draw(drawn, job.output.get("figures"))
    inside = {metrics.of_model(path, p.root): read_json(path)["prompts"] for path in inputs.get("examples", [])}
    facts = page_facts(collected, printed, p) | texts(inputs, inside, p)
    facts["rule_graph"] = rule_graph.svg(rule_graph.read(rules), {job["stage"] for job in job_times.jobs(p.root)})
    html = page.render(template, drawn, **facts)
    with replacing(job.output.page) as file:
        file.write(html)
    if not p.progress:
        files = tables.for_files(collected, drawn)
        for name, rows in files.items():
            tables.write_csv(Path(job.output.tables) / f"{name}.csv", rows)
        collected["titles"] = tables.titles(files, drawn)  # for Snakemake's own report
        with replacing(job.output.scoreboard) as file:
            file.write(scoreboard.render(collected, collected["note"]))
        write_json(job.output.metrics, collected)
    logger.info(
        f"{len(drawn)} figures, {len(collected['alerts'])} warnings, a page of {len(html.encode()) / 1e6:.1f} MB"
    )


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
