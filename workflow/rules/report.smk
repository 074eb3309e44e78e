# The report: what was sampled for it, its page, and the plan and the manifest of the run.

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


def show_scoreboard():
    """The short version of the report, as wide as the terminal."""
    metrics = Path(SETTINGS["pathvars"].get("results", "results")) / "report" / "metrics.json"
    if metrics.is_file():
        plain = not sys.stderr.isatty() or "NO_COLOR" in os.environ
        found = json.loads(metrics.read_text(encoding="utf-8"))
        width = shutil.get_terminal_size((120, 24)).columns
        print(scoreboard.render(found, found["note"], width, colour=not plain), file=sys.stderr)


rule summarise_iteration:
    """What the report shows of an iteration beyond its counts: distributions, and a few prompts to look into."""
    input:
        unpack(iteration_rows),
    output:
        summary="<results>/{method}/m{iteration}/summary.json",
        examples="<results>/{method}/m{iteration}/examples.json",
    log:
        "<results>/logs/summarise_iteration/{method}/m{iteration}.log",
    localrule: True
    conda:
        environment("sample")
    params:
        rho=of_iteration("rho"),
        seed=SEED,
        code=fingerprint("report/summarise_iteration.py"),
    script:
        "../../scripts/report/summarise_iteration.py"


rule write_report:
    """The page, its tables and figures, a table for the terminal, and the numbers behind them all."""
    input:
        sampling=sampling_stats,
        eft="<results>/data/eft/stats.json",
        manifests=expand("<results>/{model}/manifest.json", model=REPORTED),
        training=expand("<results>/{model}/training.json", model=REPORTED[1:]),
        pairs=expand("<results>/{model}/pairs/stats.json", model=TRAINED),
        elo=expand("<results>/{model}/elo.stats.json", model=JUDGE_TRAINED),
        summaries=expand("<results>/{model}/summary.json", model=TRAINED),
        examples=expand("<results>/{model}/examples.json", model=TRAINED),
        bias=expand("<results>/{model}/benchmarks/meta_judge/score.json", model=META_JUDGES),
        agreement=expand("<results>/{model}/benchmarks/judge_agreement/score.json", model=REPORTED),
        arena=expand("<results>/{model}/benchmarks/arena_laptop/score.json", model=REPORTED * ARENA_RUNS),
        judged=expand("<results>/{model}/benchmarks/{benchmark}/score.json", model=REPORTED, benchmark=JUDGED),
        plan="<results>/report/plan.json",
        paper="workflow/report/paper.csv",
        template="workflow/report/page.html.jinja",
        look=["workflow/report/page.css", "workflow/report/page.js"],
    output:
        page=report("<results>/report/index.html", caption="../report/page.rst", category="The page"),
        tables=report(
            directory("<results>/report/tables"),
            patterns=["{table}.csv"],
            caption="../report/tables.rst",
            category="Tables",
            labels={"table": "{table}"},
        ),
        figures=report(
            directory("<results>/report/figures"),
            patterns=["{figure}.svg"],
            caption="../report/figures.rst",
            category="Figures",
            labels={"figure": "{figure}"},
        ),
        scoreboard="<results>/report/scoreboard.txt",
        metrics="<results>/report/metrics.json",
    log:
        "<results>/logs/write_report.log",
    localrule: True
    conda:
        environment("report")
    params:
        root=lambda wildcards, output: str(Path(output.page).parent.parent),
        models=REPORTED,
        parents=PARENTS,
        per_iteration=SETTINGS["prompts"]["per_iteration"],
        model=SETTINGS["model"],
        differs=differences(SETTINGS, BASE / "config/paper.yaml"),
        code=fingerprint("report/write_report.py"),
    script:
        "../../scripts/report/write_report.py"


rule write_plan:
    """What the run should take, beside what it took."""
    input:
        [f"<results>/{file}" for row in PLAN["rows"] for file in row["files"]],
    output:
        "<results>/report/plan.json",
    log:
        "<results>/logs/write_plan.log",
    localrule: True
    conda:
        environment("report")
    params:
        root=lambda wildcards, output: str(Path(output[0]).parent.parent),
        plan=PLAN,
        code=fingerprint("report/write_plan.py"),
    script:
        "../../scripts/report/write_plan.py"


rule write_manifest:
    """The run in one file: config, commit, packages, and the hashes of its data and weights."""
    input:
        models=expand("<results>/{model}/manifest.json", model=REPORTED),
        eft=["<results>/data/eft/train.jsonl", "<results>/data/eft/eval.jsonl"],
        prompts=expand(
            "<results>/data/prompts/{iteration}.jsonl",
            iteration=sorted({lineage.depth(SETTINGS, model) for model in TRAINED}),
        ),
        templates=list(dict.fromkeys(TEMPLATES["judge"] + TEMPLATES["meta_judge"] * bool(META_JUDGES))),
        plan="<results>/report/plan.json",
    output:
        "<results>/report/manifest.json",
    log:
        "<results>/logs/write_manifest.log",
    localrule: True
    conda:
        environment("report")
    params:
        models=REPORTED,
        code=fingerprint("report/write_manifest.py"),
    script:
        "../../scripts/report/write_manifest.py"
