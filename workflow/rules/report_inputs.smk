# What the rules of report.smk take: settings, files, params; no rules.

import json
import os
import shutil

import estimate
from differences import differences
from metarewarding.reporting import scoreboard


def iteration_rows(wildcards):
    """The rows behind an iteration's pairs, and the pairs."""
    folder, kinds = f"<results>/{wildcards.method}/m{wildcards.iteration}", of_iteration("train_on")(wildcards)
    rows = {"prompts": prompts_of_parent(wildcards)}
    rows |= {f"{kind}_pairs": f"{folder}/pairs/{kind}.jsonl" for kind in kinds}
    rows |= {"scores": f"{folder}/scores.jsonl"} if "actor" in kinds else {}
    rows |= {"elo": f"{folder}/elo.jsonl"} if "judge" in kinds else {}
    sampled = ["responses", *["judgments"] * uses_judgments(wildcards), *["meta_judgments"] * ("judge" in kinds)]
    return rows | {name: from_parent(f"{name}/{{shard}}.jsonl")(wildcards) for name in sampled}


def sampled_rows(wildcards):
    """Every shard sampled to train a model, so that one which was deleted is missed although what follows is there."""
    files = [file for row in PLAN["rows"] if row["kind"] == "sample" for file in row["files"]]
    of_models = [file for file in files if not file.startswith("data/") and "/benchmarks/" not in file]
    return [f"<results>/{file.removesuffix('.stats.json')}.jsonl" for file in of_models]


def show_estimate():
    """How long the whole run will take, before its first job."""
    text = estimate.line(PLAN, SETTINGS, BASE / "scripts")
    if text:
        print(text, file=sys.stderr, flush=True)


def show_scoreboard():
    """The short version of the report, as wide as the terminal."""
    metrics = Path(SETTINGS["pathvars"].get("results", "results")) / "report" / "metrics.json"
    if metrics.is_file():
        plain = not sys.stderr.isatty() or "NO_COLOR" in os.environ
        found = json.loads(metrics.read_text(encoding="utf-8"))
        width = shutil.get_terminal_size((120, 24)).columns
        print(scoreboard.render(found, found["note"], width, colour=not plain), file=sys.stderr)
