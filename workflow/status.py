"""Show the state of a run: stages by models, running jobs, newest loss, warnings, time left. Reads files only.

    envs/run python workflow/status.py --configfile config/paper.yaml [more.yaml ...] [--watch]

Works while jobs run, on this machine or on a login node. Each part of a stage (responses, judgments, answers to one
benchmark) writes a stats file, and each model a manifest; these are counted, for all shards.
"""

import argparse
import re
import signal
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent / "scripts")]
import estimate  # noqa: E402
import plan as plans  # noqa: E402
import settings as config_settings  # noqa: E402
from plan_rows import Plan  # noqa: E402

from metarewarding.errors import UserError  # noqa: E402
from metarewarding.records import read_json  # noqa: E402
from metarewarding.reporting import alerts, job_times, scoreboard  # noqa: E402
from metarewarding.reporting.measured import measure  # noqa: E402
from metarewarding.reporting.metrics import of_model  # noqa: E402
from metarewarding.reporting.summary import duration  # noqa: E402

QUIET = 600  # seconds without a line in its log after which a job may have been killed
RATE = 1e11  # FLOP/s assumed for a plan without GPUs, before measured seconds correct it
WATCH = 5  # seconds
_PREFIX = re.compile(r"^\S+ \S+ [A-Z]+ \w+: ")  # date, time, level and rule of a line in a log
_LOSS = re.compile(r"'loss': '?([\d.]+(?:e[-+]?\d+)?)'?.*?'epoch': '?([\d.]+)")


def table(rows: list[dict], models: list[str], root: Path) -> tuple[list[str], list[list[str]]]:
    """Return (heads, rows) of finished and planned files, by stage and model; `data` belongs to no model."""
    counts: dict[str, dict[str, list[int]]] = {}
    for row in rows:
        for name in row["files"]:
            model = of_model(str(root / name), str(root))
            count = counts.setdefault(row["stage"], {}).setdefault(model, [0, 0])
            count[0] += (root / name).is_file()
            count[1] += 1
    columns = [model for model in ("data", *models) if any(model in of for of in counts.values())]
    lines = [
        [stage, *("" if model not in of else "done" if of[model][0] == of[model][1] else "{} of {}".format(*of[model])
                  for model in columns)]
        for stage, of in counts.items()
    ]  # fmt: skip
    return ["stage", *columns], lines


def seconds_left(rows: list[dict], root: Path, parameters: float, resources: dict) -> tuple[float, bool]:
    """Return (seconds of the remaining jobs, one after the other; whether measured seconds correct the plan).

    Each stage is corrected by its own measured seconds; a stage without any is corrected by those of all stages.
    """
    planned, took, left = {}, {}, {}
    trained = [name for row in rows if row["kind"] == "train" for name in row["files"]]
    for row in rows:
        stage, files = row["stage"], trained if row["kind"] == "save" else row["files"]  # training saves checkpoints
        done = sum((root / name).is_file() for name in files) / max(len(files), 1)
        if row.get("gpu_hours") is not None:
            job = "train" if row["kind"] in ("train", "save") else "engine"
            whole = 3600 * row["gpu_hours"] / resources[job]["gpu"]  # a job has all its GPUs at once
        else:
            flat = row | {"files": ["nothing"]}
            whole = estimate.seconds({"rows": [flat]}, root / "nowhere", RATE, parameters) - estimate.LOCAL_JOBS
        measured = row.get("measured") or {}
        left[stage] = left.get(stage, 0) + (1 - done) * whole
        if measured.get("seconds") and done:
            planned[stage] = planned.get(stage, 0) + done * whole
            took[stage] = took.get(stage, 0) + measured["seconds"]
    together = sum(took.values()) / sum(planned.values()) if sum(planned.values()) else 1
    factor = {stage: took[stage] / planned[stage] for stage in took if planned[stage]}
    return sum(of * factor.get(stage, together) for stage, of in left.items()), bool(took)


def warnings(models: list[str], parents: dict[str, str], root: Path) -> list[dict]:
    """Return the page's warnings, from the files that exist."""
    places = {
        "agreement": "benchmarks/judge_agreement/score.json", "arena": "benchmarks/arena_laptop/score.json",
        "training": "training.json", "pairs": "pairs/stats.json", "summary": "summary.json",
        "bias": "benchmarks/meta_judge/score.json",
    }  # fmt: skip
    rows = []
    for model in models:
        files = {kind: root / model / place for kind, place in places.items()}
        facts = {kind: read_json(path) if path.is_file() else None for kind, path in files.items()}
        facts["agreement"] = facts["agreement"] or {"parse_rate": None}
        rows.append({"model": model, "parent": parents.get(model), "judged": {}} | facts)
    return alerts.alerts({"models": rows})


def jobs_now(jobs: list[dict], finished: set[tuple], now: float) -> list[str]:
    """Return a line for each job that runs or has failed.

    A stage and model in ``finished`` is done whatever its log contains.
    """
    lines = []
    for job in jobs:
        if job["state"] == "done" or (job["stage"], job["model"]) in finished:
            continue
        shard = f"shard {job['shard']}" if job["shard"] else ""
        what = f"{job['stage']:<18} {job['model'] or '':<20} {shard:<8}"
        since = now - job["end"]
        if job["state"] == "failed":
            lines.append(f"failed   {what} see {job['log']}")
        else:
            last = _PREFIX.sub("", re.split(r"[\r\n]+", job["tail"].strip())[-1].strip())[:70]
            quiet = "" if since < QUIET else f"(log unchanged for {duration(since)}: it may have been killed) "
            lines.append(f"running  {what} {quiet}{last}")
    return lines


def status(settings: dict, now: float) -> str:
    """Return the whole text."""
    root = Path(settings["pathvars"].get("results", "results"))
    planned = Plan(settings, settings["plan"]["card"])
    progress = measure(plans.plan(settings), root)
    jobs = job_times.jobs(root)
    names = [name for row in progress["rows"] for name in row["files"]]
    done = sum((root / name).is_file() for name in names)
    trained = [model for model in planned.trained if (root / model / "manifest.json").is_file()]
    lines = [f"{root}: {done} of {len(names)} stats files and manifests are there; {len(trained)} of "
             f"{len(planned.trained)} models are trained by DPO."]  # fmt: skip
    lines += ["", *scoreboard.table(*table(progress["rows"], planned.models, root), 200, False)]
    finished = {("train_dpo", model) for model in trained}
    finished |= {("train_sft", "m0")} if (root / "m0/manifest.json").is_file() else set()
    lines += ["", *(jobs_now(jobs, finished, now) or ["No job is running."])]
    losses = [(job, _LOSS.findall(job["tail"])) for job in jobs if job["stage"].startswith("train_")]
    if losses := [(job, of[-1]) for job, of in losses if of]:
        job, (loss, epoch) = losses[-1]
        lines.append(f"Newest loss: {loss} at epoch {epoch} ({job['stage']}, {job['model']}).")
    for alert in warnings(planned.models, planned.parents, root):
        lines.append(f"! {alert['title']}: {'; '.join(alert['cases'])}")
    left, corrected = seconds_left(progress["rows"], root, planned.assumed["parameters"], settings["resources"])
    planned_gpus = progress["totals"]["gpu_hours"] is not None
    if (root / "report/index.html").is_file() and done == len(names):
        lines.append(f"Finished. Page: {root / 'report/index.html'}")
    elif corrected or planned_gpus:
        basis = "from the plan, corrected by what finished jobs took" if corrected else "from the plan alone"
        lines.append(f"Left: about {duration(left)} of job time, all jobs added up ({basis}).")
    return "\n".join(lines)


def main(words: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--configfile", nargs="+", default=[], help="laid over config/config.yaml, as snakemake does")
    parser.add_argument("--config", nargs="+", default=[], metavar="key=value", help="as snakemake takes it")
    parser.add_argument("--watch", action="store_true", help=f"again every {WATCH} seconds, until Ctrl-C")
    given = parser.parse_args(words)
    try:
        settings = config_settings.resolve(config_settings.load(given.configfile, given.config))
        while True:
            text = status(settings, time.time())
            print(f"\033[2J\033[H{text}" if given.watch else text, flush=True)
            if not given.watch:
                return
            time.sleep(WATCH)
    except (config_settings.ConfigError, UserError) as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `| head` ends this program without a traceback
    main(sys.argv[1:])
