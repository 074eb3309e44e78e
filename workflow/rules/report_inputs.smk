# What the rules of report.smk take: settings, files, params; no rules.

import json
import os
import shutil

import estimate
import terminal
from differences import differences
from metarewarding.reporting import scoreboard

CONFIGFILES = snakemake_private.config_files(workflow, BASE)
# the benchmark whose answers the page shows side by side: one with a score for each answer, if there is one
SAME_BENCHMARK = next((name for name in ("arena_laptop", "mt_bench", *ANSWERED) if name in ANSWERED), None)


def page_parts():
    """What the page's template includes."""
    return sorted(
        f"workflow/report/{path.name}"
        for path in (BASE / "workflow/report").iterdir()
        if path.suffix in (".css", ".js", ".jinja")
    )


def same_prompts_files():
    """The questions, answers and verdicts of one benchmark, for every model."""
    if SAME_BENCHMARK is None:
        return {}
    folder = f"<results>/{{model}}/benchmarks/{SAME_BENCHMARK}"
    files = {"asked": questions_of(SAME_BENCHMARK), "answers": expand(f"{folder}/answers.jsonl", model=REPORTED)}
    if SAME_BENCHMARK in ("arena_laptop", "mt_bench"):
        files["verdicts"] = expand(f"{folder}/verdicts.jsonl", model=REPORTED)
    return files


def iteration_rows(wildcards):
    """The rows behind an iteration's pairs, and the pairs."""
    folder, kinds = f"<results>/{wildcards.method}/m{wildcards.iteration}", of_iteration("train_on")(wildcards)
    rows = {"prompts": prompts_of_parent(wildcards)}
    rows |= {f"{kind}_pairs": f"{folder}/pairs/{kind}.jsonl" for kind in kinds}
    rows |= {"scores": f"{folder}/scores.jsonl"} if "actor" in kinds else {}
    rows |= {"elo": f"{folder}/elo.jsonl"} if "judge" in kinds else {}
    sampled = ["responses", *["judgments"] * uses_judgments(wildcards), *["meta_judgments"] * ("judge" in kinds)]
    return rows | {name: from_parent(f"{name}/{{shard}}.jsonl")(wildcards) for name in sampled}


def sampled_folders():
    """`<model>/<stage>` of everything that is sampled, or scored, to train the reported models."""
    stages = [(model, "responses") for model in dict.fromkeys(PARENTS.values())]
    stages += [(model, "judgments") for model in JUDGES]
    stages += [(model, "meta_judgments") for model in META_JUDGES]
    stages += [(model, "rewards") for model in REWARD_SCORED]
    return [f"{model}/{stage}" for model, stage in stages]


def sampled_rows(wildcards):
    """Every sampled shard, so that one which was deleted is missed although what follows from it is there."""
    return expand("<results>/{folder}/{shard}.jsonl", folder=sampled_folders(), shard=SHARDS)


def sampling_stats(wildcards):
    """The facts of every sampling job behind the reported models."""
    sampled = expand("<results>/{folder}/{shard}.stats.json", folder=sampled_folders(), shard=SHARDS)
    files = evaluation_files(".stats.json", "").values()
    files = [*files, "<results>/{model}/benchmarks/arena_laptop/verdicts.stats.json"] if ARENA_RUNS else files
    data = expand("<results>/data/eft/judgments/{shard}.stats.json", shard=SHARDS) * (EFT["annotator"] != "written")
    if GENERATES:
        data += expand(
            "<results>/data/prompts/generated/{pool}/{round}/candidates/{shard}.stats.json",
            pool=range(1, GENERATION["pools"] + 1),
            round=range(1, GENERATION["rounds"] + 1),
            shard=range(GENERATION["shards"]),
        )
    held_out = [HELD_OUT_RESPONSES.replace(".jsonl", ".stats.json")] * TABLE_3
    return data + sampled + expand(files, model=REPORTED) + held_out


def show_estimate():
    """How long the whole run will take, before its first job."""
    text = estimate.line(PLAN, SETTINGS, BASE / "scripts")
    if text:
        print(text, file=sys.stderr, flush=True)


def scoreboard_text():
    """The short version of the report, as wide as the terminal, and where the page is."""
    folder = Path(SETTINGS["pathvars"].get("results", "results")) / "report"
    if not (folder / "metrics.json").is_file():
        return ""
    plain = not sys.stderr.isatty() or "NO_COLOR" in os.environ
    found = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    width = shutil.get_terminal_size((120, 24)).columns
    return f"{scoreboard.render(found, found['note'], width, colour=not plain)}\nPage: {folder / 'index.html'}"


def show_scoreboard():
    print(scoreboard_text(), file=sys.stderr)
