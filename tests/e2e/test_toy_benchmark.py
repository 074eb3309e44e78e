"""A benchmark is one file: the test adds a toy benchmark by one module and one config entry."""

import csv
import json
import shutil
import subprocess
import sys

import pytest
import yaml
from conftest import environment, snakemake
from stand_in import judge_server

RESULTS = "results/smoke"
MODELS = ("seed", "m0", "meta-rewarding/m1", "meta-rewarding/m2", "self-rewarding/m1")
MODULE = '''
"""A judge says of each answer whether it is polite."""

from typing import TypedDict

from metarewarding.evaluation import shared
from metarewarding.evaluation.registry import JUDGED_ANSWERS, Benchmark
from metarewarding.records import Question, read_json, read_jsonl


class Verdict(TypedDict):
    prompt_id: str
    polite: bool


def read_questions(path):
    return [Question(prompt_id=row["id"], category="", turns=[row["ask"]]) for row in read_json(path)]


def judge(asking, questions, answers, files, own, model):
    requests = [
        {"id": row["prompt_id"], "messages": [{"role": "user", "content": f"{own['polite_word']}? {row['text']}"}]}
        | {"temperature": 0.0, "max_tokens": 4}
        for row in answers
    ]
    replies = asking(requests)
    return [{"prompt_id": key, "polite": row["text"] == "yes"} for key, row in replies.items()], {}


def score(files, own, model, seed):
    verdicts, facts = read_jsonl(files["verdicts"], Verdict), read_json(files["stats"])
    polite = [row["polite"] for row in verdicts]
    return {key: facts[key] for key in ("judge", "judge_model", "cost")} | {
        "politeness": 100 * sum(polite) / len(polite), "n": len(polite), "complete": True}


BENCHMARK = Benchmark(
    name="toy",
    title="Toy politeness",
    kind=JUDGED_ANSWERS,
    description="Is an answer polite?",
    settings={
        "judge": shared.judge("stand-in"),
        "polite_word": shared.text("Polite", "What the judge is asked."),
        **shared.decoding(0.5, 0.9, 8),
    },
    sources={"toy_questions": ("github", "nobody/toy/0/questions.json", None)},
    questions="toy_questions",
    read_questions=read_questions,
    judge_keys=("polite_word",),
    judge=judge,
    score=score,
    columns=[("Polite, %", "politeness", 1), ("Answers", "n", 1)],
    board=[("politeness", "politeness", "{:.0f}")],
    outcome=("politeness", "Politeness", " %"),
    figure=("politeness", "Polite, %", None),
    volume={"questions": 3, "requests": 1, "question": 20, "answer": 40, "context": 10, "verdict": 4},
)
'''


@pytest.fixture
def project(finished_smoke, tmp_path):
    """Return the finished smoke run with the toy's module, its questions, and a config entry without a judge."""
    folder = shutil.copytree(finished_smoke[0], tmp_path / "project", symlinks=True)
    (folder / "scripts/metarewarding/evaluation/toy.py").write_text(MODULE)
    (folder / "toy.json").write_text(json.dumps([{"id": f"t{i}", "ask": f"Say please {i}."} for i in range(3)]))
    return folder


def configured(folder, stand_in: dict, **own) -> tuple[str, ...]:
    change = {"run": ["arena_laptop", "toy"], "judges": {"stand-in": stand_in}, "files": {"toy_questions": "toy.json"}}
    (folder / "toy.yaml").write_text(yaml.safe_dump({"benchmarks": change | {"toy": own}}))
    return ("--configfile", "config/smoke.yaml", "toy.yaml")


def test_its_settings_are_checked_and_planned_for(project):
    judge = {"model": "m", "base_url": "http://localhost/v1"}
    bad = snakemake(project, "-n", *configured(project, judge, politeword="Kind"))
    assert "config: benchmarks.toy.politeword: no such key. Known here: judge, max_tokens, polite_word" in bad.stdout
    bad = snakemake(project, "-n", *configured(project, judge, temperature=-1))
    assert "config: benchmarks.toy.temperature" in bad.stdout
    bad = snakemake(project, "-n", *configured(project, judge, judge="nobody"))
    assert "config: benchmarks.toy.judge: 'nobody' is not under benchmarks.judges" in bad.stdout
    words = [sys.executable, "workflow/plan.py", "--json", *configured(project, judge)]
    done = subprocess.run(words, cwd=project, env=environment(), capture_output=True, text=True)
    rows = {row["stage"]: row for row in json.loads(done.stdout)["rows"]}
    assert rows["judge_toy"]["requests"] == len(MODELS) * 3


@pytest.mark.slow
def test_a_toy_benchmark_runs_to_the_page(project):
    arena = {name: (project / RESULTS / name / "benchmarks/arena_laptop/answers.jsonl").read_bytes() for name in MODELS}
    with judge_server(lambda body, before: "yes" if "please" in body["messages"][0]["content"] else "no") as server:
        judge = {key: value for key, value in server.judge().items() if key != "name"}
        words = configured(project, judge)
        built = snakemake(project, *words)
        assert built.returncode == 0, built.stdout[-3000:] + built.stderr[-6000:]
        assert 0 < len(server.bodies) <= len(MODELS) * 3
        assert all(body["messages"][0]["content"].startswith("Polite? ") for body in server.bodies)
        # a setting that the judge is asked with: it is asked again, and no model answers again
        changed = snakemake(project, "-n", *configured(project, judge, polite_word="Kind"))
        assert "judge_toy" in changed.stdout
        assert "evaluate_model" not in changed.stdout
    for name in MODELS:
        folder = project / RESULTS / name / "benchmarks"
        score = json.loads((folder / "toy/score.json").read_text())
        assert (score["benchmark"], score["model"], score["n"]) == ("toy", name, 3)
        assert (score["judge"], score["judge_model"]) == ("stand-in", "judge-1")
        assert (folder / "arena_laptop/answers.jsonl").read_bytes() == arena[name]  # drawn before, and kept
    report = project / RESULTS / "report"
    page = (report / "index.html").read_text()
    assert "Toy politeness, judged by stand-in" in page
    assert "Politeness, meta-rewarding/m2" in page
    with open(report / "tables/scoreboard.csv", newline="") as file:
        assert {"politeness", "win rate vs seed, %"} <= set(next(csv.DictReader(file)))
    assert (report / "figures/toy.svg").is_file()
    stages = {row["stage"]: row for row in json.loads((report / "plan.json").read_text())["rows"]}
    assert stages["judge_toy"]["measured"]["requests"] == len(MODELS) * 3
