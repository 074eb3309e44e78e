"""Regressions with lm-evaluation-harness on the smoke run: a local task of a few rows, through to the page."""

import json
import shutil
import subprocess
import sys

import pytest
import yaml
from conftest import environment, snakemake
from jobs import LM_EVAL_TASK, write

from metarewarding.intervals import Z

MODELS = ("seed", "m0", "meta-rewarding/m1", "meta-rewarding/m2", "self-rewarding/m1")
ROWS = 6
WORDS = ("--configfile", "config/smoke.yaml", "regressions.yaml")


@pytest.fixture
def project(finished_smoke, tmp_path):
    """Return the finished smoke run with a task file, its rows and a config that names it."""
    folder = shutil.copytree(finished_smoke[0], tmp_path / "project", symlinks=True)
    data = write(folder / "rows.jsonl", *({"question": f"Is {n} even?", "answer": n % 2} for n in range(ROWS)))
    (folder / "tasks").mkdir()
    (folder / "tasks/few_rows.yaml").write_text(LM_EVAL_TASK.format(data=data))
    change = {"benchmarks": {"lm_eval": {"tasks": ["few_rows"], "folder": "tasks"}}}
    (folder / "regressions.yaml").write_text(yaml.safe_dump(change))
    return folder


@pytest.mark.slow
def test_regressions_run_to_the_page(project, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(project / "hf"))
    run = snakemake(project, *WORDS)
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-6000:]
    root = project / "results/smoke"
    scores = {}
    for model in MODELS:
        score = json.loads((root / model / "benchmarks/lm_eval/score.json").read_text())
        assert (score["model"], score["n"], score["complete"]) == (model, {"few_rows": ROWS}, True)
        scores[model] = score["tasks"]["few_rows"]["acc"]
        share = scores[model]["value"]
        # the harness's standard error: that of a mean of zeros and ones
        assert scores[model]["stderr"] == pytest.approx((share * (1 - share) / (ROWS - 1)) ** 0.5)
    page = (root / "report/index.html").read_text()
    assert "few_rows: acc" in page
    seed = scores.pop("seed")
    for model, score in scores.items():
        row = page[page.index(f">{model}</th>", page.index("few_rows: acc")) :]
        difference = f"{score['value'] - seed['value']:+.3f}".replace("-", "−")
        error = Z * (score["stderr"] ** 2 + seed["stderr"] ** 2) ** 0.5
        expected = f"{score['value']:.3f} ± {Z * score['stderr']:.3f}; {difference} ± {error:.3f}"
        assert row[: row.index("</tr>")].count(expected) == 1
    stages = {row["stage"]: row for row in json.loads((root / "report/plan.json").read_text())["rows"]}
    assert stages["measure_regressions"]["measured"]["jobs"] == len(MODELS)
    assert stages["measure_regressions"]["measured"]["seconds"] > 0
    again = snakemake(project, "-n", *WORDS)
    assert "Nothing to be done" in again.stdout


def test_regressions_are_planned(project):
    words = [sys.executable, "workflow/plan.py", "--json", *WORDS]
    run = subprocess.run(words, cwd=project, env=environment(), capture_output=True, text=True)
    rows = {row["stage"]: row for row in json.loads(run.stdout)["rows"]}
    assert rows["measure_regressions"]["jobs"] == len(MODELS)
