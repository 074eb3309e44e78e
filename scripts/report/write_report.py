"""The page at the end of a run, its tables and figures, a table for the terminal, and the numbers behind them all, from
the metrics files alone."""

from pathlib import Path

from metarewarding.jobs.job import logged
from metarewarding.jobs.logs import logger
from metarewarding.records import read_json, replacing, write_json
from metarewarding.reporting import alerts, figures, judging, metrics, page, paper, scoreboard, tables

PAPER_PROMPTS = 5000  # an iteration (section 3.1)


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
    printed = paper.targets(inputs.pop("paper")[0])
    template = inputs.pop("template")[0]
    found = metrics.collect(inputs, p.root, p.models, p.parents)
    found["judged"] = tables.judged(found)
    found["beside_the_paper"] = paper.beside_the_paper(found, printed)
    found["alerts"] = alerts.alerts(found)
    found["judging"] = judging.section(found)
    found["differs"] = p.differs
    # what the seed's weights were made from, not what the config says now
    seed = next((row["manifest"].get("origin") for row in found["models"] if row["model"] == "seed"), None)
    found["note"] = small_run_note(seed or p.model, p.per_iteration)
    drawn = figures.of(found, printed)
    page.draw(drawn, job.output.figures)
    for name, rows in tables.for_files(found, drawn).items():
        tables.write_csv(Path(job.output.tables) / f"{name}.csv", rows)
    inside = {metrics.of_model(path, p.root): read_json(path)["prompts"] for path in inputs.get("examples", [])}
    html = page.render(
        template,
        drawn,
        metrics=found,
        tiles=tables.tiles(found),
        board=scoreboard.board(found),
        even=tables.even(found),
        tables=paper.tables(found["beside_the_paper"]),
        verdict=paper.verdict,
        claims=paper.claims(found, printed),
        stages=tables.stages(found),
        judging=found["judging"],
        provenance=tables.provenance(found),
        versions=tables.versions(found),
        examples=page.to_look_into(inside),
    )
    with replacing(job.output.page) as file:
        file.write(html)
    with replacing(job.output.scoreboard) as file:
        file.write(scoreboard.render(found, found["note"]))
    write_json(job.output.metrics, found)
    logger.info(f"{len(drawn)} figures, {len(found['alerts'])} warnings, a page of {len(html.encode()) / 1e6:.1f} MB")


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
