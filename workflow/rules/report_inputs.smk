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
    """Return the files that the page's template includes."""
    return sorted(
        f"workflow/report/{path.name}"
        for path in (BASE / "workflow/report").iterdir()
        if path.suffix in (".css", ".js", ".jinja") and not path.name.startswith("compare")
    )


def title_of(metrics, name):
    """Return the title of a table or figure of the report, from its metrics.json."""
    return json.loads(Path(metrics).read_text())["titles"][name]


def same_prompts_files(models):
    """Return the questions, answers and verdicts of one benchmark, for each of ``models``."""
    if SAME_BENCHMARK is None:
        return {}
    folder = f"<results>/{{model}}/benchmarks/{SAME_BENCHMARK}"
    files = {"questions": questions_of(SAME_BENCHMARK), "answers": expand(f"{folder}/answers.jsonl", model=models)}
    if SAME_BENCHMARK in ("arena_laptop", "mt_bench"):
        files["verdicts"] = expand(f"{folder}/verdicts.jsonl", model=models)
    return files


def iteration_rows(wildcards):
    """Return the rows behind an iteration's pairs, and the pairs."""
    folder, kinds = f"<results>/{wildcards.method}/m{wildcards.iteration}", of_iteration("train_on")(wildcards)
    rows = {"prompts": prompts_of_parent(wildcards)}
    rows |= {f"{kind}_pairs": f"{folder}/pairs/{kind}.jsonl" for kind in kinds}
    rows |= {"scores": f"{folder}/scores.jsonl"} if "actor" in kinds else {}
    rows |= {"elo": f"{folder}/elo.jsonl"} if "judge" in kinds else {}
    sampled = ["responses", *["judgments"] * uses_judgments(wildcards), *["meta_judgments"] * ("judge" in kinds)]
    return rows | {name: from_parent(f"{name}/{{shard}}.jsonl")(wildcards) for name in sampled}


def sampled_rows(wildcards):
    """Return every shard sampled to train a model, so that a deleted one is missed even when later files exist."""
    files = [file for row in PLAN["rows"] if row["kind"] == "sample" for file in row["files"]]
    of_models = [file for file in files if not file.startswith("data/") and "/benchmarks/" not in file]
    return [f"<results>/{file.removesuffix('.stats.json')}.jsonl" for file in of_models]


def report_files(models=REPORTED):
    """Return {name: files} of the page of ``models``, without plan, paper and template."""
    trained = [model for model in models if model in PARENTS]
    judge_trained = [model for model in trained if model in JUDGE_TRAINED]
    meta_judges = list(dict.fromkeys(PARENTS[model] for model in judge_trained))
    files = {
        "eft": "<results>/data/eft/stats.json",
        "manifests": expand("<results>/{model}/manifest.json", model=models),
        "training": expand("<results>/{model}/training.json", model=models[1:]),
        "pairs": expand("<results>/{model}/pairs/stats.json", model=trained),
        "elo": expand("<results>/{model}/elo.stats.json", model=judge_trained),
        "summaries": expand("<results>/{model}/summary.json", model=trained),
        "examples": expand("<results>/{model}/examples.json", model=trained),
        "bias": expand("<results>/{model}/benchmarks/meta_judge/score.json", model=meta_judges),
        "agreement": expand("<results>/{model}/benchmarks/judge_agreement/score.json", model=models),
        "scores": expand("<results>/{model}/benchmarks/{benchmark}/score.json", model=models, benchmark=BENCHMARKS),
    }
    judges = [model for model in JUDGES if any(PARENTS[of] == model for of in trained)]
    files |= {
        "regressions": expand("<results>/{model}/benchmarks/lm_eval/score.json", model=models * bool(LM_EVAL["tasks"])),
        "sensitivity": expand("<results>/{model}/sensitivity.json", model=judges),
    }
    return files | same_prompts_files(models)


def export_files():
    """Return {name: files} that `export` converts to other formats."""
    pairs = []
    for model in TRAINED:
        method, number = lineage.split_model(model)
        kinds = lineage.iterations(SETTINGS, method)[number - 1]["train_on"]
        pairs += expand("<results>/{model}/pairs/{kind}.jsonl", model=model, kind=kinds)
    answers = "<results>/{model}/benchmarks/{benchmark}/answers.jsonl"
    of_benchmarks = {f"questions_{name}": questions_of(name) for name in ANSWERED}
    of_benchmarks |= {f"answers_{name}": expand(answers, model=REPORTED, benchmark=name) for name in ANSWERED}
    files = report_files()
    scores = [*files["agreement"], *files["scores"]]
    return of_benchmarks | {"pairs": pairs, "scores": scores} | {key: files[key] for key in ("manifests", "training")}


def models_until(wildcards):
    """Return the seed, M0 and the models from there to an iteration of a method, parents first."""
    model, chain = f"{wildcards.method}/m{wildcards.iteration}", []
    while model in PARENTS:
        chain.insert(0, model)
        model = PARENTS[model]
    return ["seed", "m0", *chain]


def progress(wildcards):
    """Return the progress of a method, such as `M2 of M4`."""
    return f"M{wildcards.iteration} of M{len(SETTINGS['methods'][wildcards.method]['iterations'])}"


# each iteration except the last one has its own page; the last one is on the page of the run
IN_PROGRESS = [model for model in TRAINED if model in PARENTS.values()]


def show_estimate():
    """Print how long the whole run will take, before its first job."""
    text = estimate.line(PLAN, SETTINGS, BASE / "scripts")
    if text:
        print(text, file=sys.stderr, flush=True)


def scoreboard_text():
    """Return the scoreboard, as wide as the terminal, and the path of the page."""
    folder = Path(SETTINGS["pathvars"].get("results", "results")) / "report"
    if not (folder / "metrics.json").is_file():
        return ""
    plain = not sys.stderr.isatty() or "NO_COLOR" in os.environ
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    width = shutil.get_terminal_size((120, 24)).columns
    return f"{scoreboard.render(metrics, metrics['note'], width, colour=not plain)}\nPage: {folder / 'index.html'}"


def show_scoreboard():
    print(scoreboard_text(), file=sys.stderr)
