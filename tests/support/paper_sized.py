"""Metrics files of a run of the paper's size, with the paper's printed scores, for tests of the page.

python tests/support/paper_sized.py FOLDER      # writes FOLDER/results and the page in FOLDER/results/report
"""

import json
import os
import sys
from pathlib import Path
from random import Random

import settings as config_settings
import yaml
from conftest import ROOT
from differences import differences
from jobs import job

from metarewarding import bias, templates
from metarewarding.reporting import paper, rule_graph
from metarewarding.reporting.measured import measure
from preferences.build_actor_pairs import actor_pairs
from preferences.build_judge_pairs import judge_pairs
from preferences.fit_elo import elo_rows
from report import summarise_iteration, write_report

METHODS = ("meta-rewarding", "self-rewarding")
MODELS = ["seed", "m0", *(f"{method}/m{t}" for method in METHODS for t in range(1, 5))]
PARENTS = {f"{method}/m{t}": "m0" if t == 1 else f"{method}/m{t - 1}" for method in METHODS for t in range(1, 5)}
RHO = {"meta-rewarding": [0, 0.32, 0.32, 0.4], "self-rewarding": [0, 0, 0, 0.1]}
PROMPTS, ROWS = 5000, 60  # an iteration; those that have rows, from which its distributions are drawn
WORDS = "the model answers a long question about rivers and light with care because people ask often".split()


def text(random: Random, words: int) -> str:
    return " ".join(random.choice(WORDS) for _ in range(words)).capitalize() + "."


def rows_of(model: str, random: Random, output=None) -> dict:
    """Return prompts, 7 responses each, 11 judgments of each response, and both orders of one response's judgments."""
    prompts, responses, judgments, verdicts = [], [], [], []
    for i in range(ROWS):
        prompt_id = f"{model.replace('/', '-')}-{i}"
        prompts.append({"prompt_id": prompt_id, "text": output or text(random, 20)})
        for k in range(7):
            worth, words = random.gauss(4.1, 0.5), max(20, int(random.gauss(330, 110)))
            response_id = f"{prompt_id}/r{k}"
            responses.append(
                {
                    "prompt_id": prompt_id,
                    "response_id": response_id,
                    "text": text(random, words) if k or not output else output,
                }
                | {"tokens": words, "finish_reason": "length" if random.random() < 0.02 else "stop"}
            )
            of_response = []
            for n in range(11):
                score = min(5.0, max(0.0, round(2 * random.gauss(worth, 0.5)) / 2))
                of_response.append(
                    {"prompt_id": prompt_id, "response_id": response_id, "judgment_id": f"{response_id}/j{n}"}
                    | {"text": output if output and k == n == 0 else f"{text(random, 70)} {n}\nScore: {score}"}
                    | {"score": None if random.random() < 0.03 else score, "finish_reason": "stop"}
                )
            judgments += of_response
            if k == 0 and model in META_JUDGES:
                valid = [row for row in of_response if row["score"] is not None]
                for a in valid:
                    for b in valid:
                        if a is not b:
                            likely = 0.55 + 0.1 * (a["score"] - b["score"])
                            verdicts.append(
                                {"prompt_id": prompt_id, "response_id": response_id}
                                | {
                                    "first": a["judgment_id"],
                                    "second": b["judgment_id"],
                                    "text": text(random, 60) if verdicts or not output else output,
                                }
                                | {"winner": "first" if random.random() < likely else "second"}
                            )
    return {"prompts": prompts, "responses": responses, "judgments": judgments, "meta_judgments": verdicts}


META_JUDGES = ("m0", "meta-rewarding/m1")


def write(file: Path, value) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    rows = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in value) if isinstance(value, list) else None
    file.write_text(json.dumps(value, ensure_ascii=False) if rows is None else rows, encoding="utf-8")
    return file


def scores(model: str) -> dict[str, dict]:
    """Return {benchmark: its score.json} from the values that the paper prints of ``model``."""
    printed = [row for row in paper.targets(ROOT / "workflow/report/paper.csv") if row["model"] == model]
    result: dict[str, dict] = {}
    for row in printed:
        score = result.setdefault(row["benchmark"], {})
        *places, last = (
            ("categories", row["metric"].split(".")[1], "win_rate")
            if "categories" in row["metric"]
            else row["metric"].split(".")
        )
        for place in places:
            score = score.setdefault(place, {"n": 40} if places[0] == "categories" and place != "categories" else {})
        share = paper.is_share(row["benchmark"]) and row["unit"] == "%"
        # near the paper, mostly: the page is to show what is noise and what is not
        spread = {"%": 1.5, "characters": 40}.get(row["unit"], 0.03)
        value = max(0.0, row["value"] + Random(f"{model} {row['benchmark']} {row['metric']}").gauss(0, spread))
        score[last] = value / 100 if share else value
    judge = {"judge": "gpt-4-1106-preview", "judge_model": "gpt-4-1106-preview", "complete": True}
    result["alpaca_eval"] |= judge | {"lc_win_rate_se": 1.4, "win_rate_se": 1.5, "n": 805, "cost": 14.2}
    result["alpaca_eval"].setdefault("categories", {})
    low = result["arena_hard"]["score"]
    result["arena_hard"] |= judge | {"ci_low": low - 2, "ci_high": low + 2, "n": 1000, "mean_tokens": 560, "cost": 24.0}
    result["mt_bench"] |= judge | {"judge": "gpt-4-0613", "judge_model": "gpt-4-0613", "n": 160, "cost": 9.5}
    result["judge_vs_gpt4"]["gpt4_chosen"] |= {"pairs": 168, "ties": 30}
    result["judge_vs_gpt4"]["self_chosen"] |= {"pairs": 360, "ties": 170}
    mean = result["judge_vs_gpt4"].get("mean_score", 4.2)
    given = {f"{s / 4}": max(1, int(5000 * 2.7 ** (-((s / 4 - mean) ** 2) / 0.08))) for s in range(10, 21)}
    result["judge_vs_gpt4"] |= judge | {"scores": given, "mean_score": mean, "cost": 3.1}
    result["judge_agreement"] |= {"parse_rate": 0.02 if model == "seed" else 0.97, "mean_score": mean, "prompts": 190}
    result["judge_agreement"] |= {"pairs": 640, "ties": 60, "prompts_with_spearman": 180}
    return result


def training(kinds: list[str], random: Random) -> dict:
    epochs = []
    for epoch in range(7):
        for kind in kinds:
            gain = epoch * 0.09
            row = {"epoch": epoch, "set": "trained", "kind": kind, "pairs": 200}
            row |= {"loss": 0.693 - gain / 3, "accuracy": 0.5 + gain / 1.6, "margin": gain}
            epochs.append(
                row
                | {"chosen_logp": -410 - 9 * epoch, "rejected_logp": -422 - 14 * epoch}
                | {"chosen_tokens": 480, "rejected_tokens": 495, "kl": 0.0004 * epoch**2, "kl_pairs": 16}
                | {"chosen_reward": -0.9 * epoch, "rejected_reward": -1.4 * epoch}
            )
    log = [{"epoch": s / 156, "step": s, "loss": 0.693 * 0.9992**s + random.gauss(0, 0.01)} for s in range(1, 937)]
    counts = {kind: {"pairs": 4200, "held_out": 0, "trained_on": 4200} for kind in ("actor", "judge") if kind in kinds}
    empty = {kind: {"pairs": 0, "held_out": 0, "trained_on": 0} for kind in ("actor", "judge")}
    return empty | counts | {"too_long": 12, "steps": 936, "epochs": epochs, "log": log, "seconds": 7100}


def sampling_facts(rule: str, model: str, requests: int, n: int, prompt: int, out: int, cached: float) -> dict:
    tokens = requests * n * prompt
    return {
        "rule": rule, "log": f"results/logs/{rule}/{model}/0.log",
        "requests": requests, "completions": requests * n, "unparsed": requests * n // 40, "prompt_tokens": tokens,
        "cached_prompt_tokens": int(cached * tokens), "output_tokens": requests * n * out, "seconds": 5200.0,
        "process_seconds": 5400.0, "host": {"gpus": ["NVIDIA H100"]},
    }  # fmt: skip


def put_logs(root: Path) -> None:
    """Write the log of each job that loads a model: models of a method in sequence, both methods in parallel."""
    steps = {"train_dpo": 110, "evaluate_model": 40, "sample_and_judge": 90, "meta_judge": 80}  # minutes
    begun = {"seed": 0, "m0": 30}
    for rule in {rule for edge in rule_graph.read(ROOT / "workflow/report/rules.csv") for rule in edge} - set(steps):
        log = root / "logs" / f"{rule}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text("done in 90 s\n")
        os.utime(log, (1.8e9,) * 2)
    for model in MODELS:
        start = begun.get(model) or begun.get(PARENTS.get(model), 0)
        for rule, minutes in steps.items():
            if (rule == "train_dpo" and model not in PARENTS) or (rule == "meta_judge" and "self" in model):
                continue
            start += minutes
            log = root / "logs" / rule / f"{model}.log"
            log.parent.mkdir(parents=True, exist_ok=True)
            log.write_text(f"done in {60 * minutes} s\n")
            os.utime(log, (1.8e9 + 60 * start,) * 2)
        begun[model] = start


def build(root: Path, output: str | None = None) -> dict[str, list[Path]]:
    """Write all metrics files under ``root``; {kind of input of write_report: files}. ``output`` is what a model
    wrote as each prompt, its first response, that one's first judgment, and the first verdict."""
    files: dict[str, list[Path]] = {}
    put_logs(root)

    def put(kind: str, path: str, value) -> None:
        files.setdefault(kind, []).append(write(root / path, value))

    template = templates.load([ROOT / "config/prompts/judge.txt", ROOT / "config/prompts/rubric.txt"], "judge")
    put("eft", "data/eft/stats.json", {"eval_prompts": 190, "eval_replies": 580})
    rows = {model: rows_of(model, Random(model), output) for model in dict.fromkeys(PARENTS.values())}
    for model, of in rows.items():
        job_of = ("sample_and_judge", model)
        put("sampling", f"{model}/responses/0.stats.json", sampling_facts(*job_of, PROMPTS, 7, 60, 450, 0.8))
        put("sampling", f"{model}/judgments/0.stats.json", sampling_facts(*job_of, 7 * PROMPTS, 11, 800, 160, 0.9))
        if of["meta_judgments"]:
            facts = sampling_facts("meta_judge", model, 110 * PROMPTS, 1, 1300, 190, 0.7)
            put("sampling", f"{model}/meta_judgments/0.stats.json", facts)
            leanings = bias.meta_judge_bias(of["meta_judgments"], of["judgments"])
            put("bias", f"{model}/benchmarks/meta_judge/score.json", leanings | scores(model)["meta_judge"])
    for model in MODELS:
        rule = {"seed": "fetch_seed_model", "m0": "train_sft"}.get(model, "train_dpo")
        manifest = {"rule": rule, "weights_sha256": {"model.safetensors": "0123456789abcdef" * 4}, "seconds": 7200}
        manifest |= {"git": {"commit": "a" * 40, "dirty": False}, "packages": {"python": "3.11", "torch": "2.13"}}
        manifest |= {"host": {"cpu": "a processor", "gpus": ["NVIDIA H100"] * 8}, "device": "cuda:0", "devices": 8}
        origin = {"model": "seed", "origin": {"repo": "meta-llama/Meta-Llama-3-8B-Instruct"}}
        parent = PARENTS.get(model, "seed")
        put(
            "manifests",
            f"{model}/manifest.json",
            manifest | (origin if model == "seed" else {"trained_from": f"{parent}/weights"}),
        )
        of_model = scores(model)
        put("agreement", f"{model}/benchmarks/judge_agreement/score.json", of_model["judge_agreement"])
        for benchmark in ("alpaca_eval", "arena_hard", "mt_bench", "judge_vs_gpt4"):
            put("scores", f"{model}/benchmarks/{benchmark}/score.json", of_model[benchmark])
        if model == "m0":
            log = [{"epoch": s / 51, "loss": 1.2 * 0.997**s} for s in range(1, 256)]
            put(
                "training",
                "m0/training.json",
                {"trained_on": 1630, "too_long": 3, "steps": 255, "epochs": [], "log": log},
            )
    for model, parent in PARENTS.items():
        method, t = model.split("/m")
        put_iteration(
            put, root, model, rows[parent], RHO[method][int(t) - 1], method == METHODS[0] and int(t) <= 2, template
        )
    return files


def put_iteration(put, root: Path, model: str, rows: dict, rho: float, trains_judge: bool, template) -> None:
    """Write an iteration's pairs, built as in the workflow, and their statistics; counts are of the paper's size."""
    prompts, responses, judgments = rows["prompts"], rows["responses"], rows["judgments"]
    score_rows, pairs, facts = actor_pairs(prompts, responses, judgments, rho, 2500, False, None, None, None)
    grown = {key: value * PROMPTS // ROWS for key, value in facts.items() if isinstance(value, int)}
    grown |= {"outcome": {why: count * PROMPTS // ROWS for why, count in facts["outcome"].items()}}
    stats = {"actor": facts | grown, "judgments": {"texts": 385000, "parse_rate": 0.97}}
    folder, inputs = root / model, {"scores": write(root / model / "scores.jsonl", score_rows)}
    inputs |= {"actor_pairs": write(folder / "pairs/actor.jsonl", pairs)}
    if trains_judge:
        elo, elo_facts = elo_rows(judgments, rows["meta_judgments"], "iteration", 1e-3)
        of_judge, judge_facts = judge_pairs(prompts, responses, judgments, elo, template, 1100, 0)
        judge_facts["outcome"] = {why: count * PROMPTS // ROWS for why, count in judge_facts["outcome"].items()}
        stats |= {"judge": judge_facts | {"prompts": PROMPTS, "pairs": judge_facts["pairs"] * PROMPTS // ROWS}}
        stats |= {"meta_judgments": {"texts": 550000, "parse_rate": 0.93}}
        put("elo", f"{model}/elo.stats.json", elo_facts)
        inputs |= {
            "elo": write(folder / "elo.jsonl", elo),
            "judge_pairs": write(folder / "pairs/judge.jsonl", of_judge),
        }
        inputs |= {"meta_judgments": [write(folder / "meta.jsonl", rows["meta_judgments"])]}
    put("pairs", f"{model}/pairs/stats.json", stats)
    put(
        "training", f"{model}/training.json", training(["actor", "judge"] if trains_judge else ["actor"], Random(model))
    )
    inputs |= {"prompts": write(folder / "prompts.jsonl", prompts)}
    inputs |= {name: [write(folder / f"{name}.jsonl", rows[name])] for name in ("responses", "judgments")}
    outputs = {"summary": "summary.json", "examples": "examples.json"}
    summarise_iteration.main(job(folder, inputs, outputs, {"rho": rho, "seed": 0}))
    for kind, name in (("summaries", "summary.json"), ("examples", "examples.json")):
        put(kind, f"{model}/{name}", json.loads((folder / name).read_text(encoding="utf-8")))


def plan(root: Path, files: dict[str, list[Path]]) -> dict:
    row = {"jobs": 4, "disk_gb": 3.0, "cost_usd": 12.5, "prompt_tokens": 9e9, "distinct_prompt_tokens": 2e9}
    written = [*files["sampling"], *files["manifests"]]
    rows = [
        row | {"stage": stage, "requests": requests, "output_tokens": 1.4e9, "gpu_hours": hours}
        | {"files": [str(p.relative_to(root)) for p in written if rule_of(p) == stage]}
        for stage, requests, hours in (
            ("fetch_seed_model", None, None), ("train_sft", None, 3.0), ("sample_and_judge", 320000, 52.0),
            ("meta_judge", 1100000, 45.0), ("train_dpo", None, 120.0),
        )
    ]  # fmt: skip
    arithmetic = ["A request is one prompt with its n completions."]
    return measure({"card": "H100", "rows": rows, "totals": {}, "arithmetic": arithmetic}, root)


def rule_of(path: Path) -> str:
    return json.loads(path.read_text(encoding="utf-8"))["rule"]


def write_page(root: Path, files: dict[str, list[Path]]) -> Path:
    """Write the page of such a run with the script that writes every page."""
    inputs = {kind: paths for kind, paths in files.items() if kind != "sampling"}
    inputs |= {"plan": [write(root / "report/plan.json", plan(root, files))]}
    inputs |= {
        "paper": ROOT / "workflow/report/paper.csv",
        "rules": ROOT / "workflow/report/rules.csv",
        "template": ROOT / "workflow/report/page.html.jinja",
    }
    outputs = {"page": "index.html", "scoreboard": "scoreboard.txt", "metrics": "metrics.json"}
    outputs |= {"tables": "tables", "figures": "figures"}
    settings = config_settings.resolve(yaml.safe_load((ROOT / "config/paper.yaml").read_text()))
    params = {"root": str(root), "models": MODELS, "parents": PARENTS, "per_iteration": PROMPTS}
    params |= {"seed": 0, "configfiles": ["config/paper.yaml"], "same_benchmark": None, "progress": None}
    params |= {"max_score": 5}
    params |= {"model": settings["model"], "differs": differences(settings, ROOT / "config/paper.yaml")}
    write_report.main(job(root / "report", inputs, outputs, params))
    return root / "report/index.html"


if __name__ == "__main__":
    root = Path(sys.argv[1]) / "results"
    print(write_page(root, build(root)))
