"""status.py on a half-finished run, compare.py on two finished ones, and the export of a run."""

import csv
import json
import re
import shutil
import subprocess
import sys
import time

import pytest
from browser import check, chromium, opened, violations
from conftest import snakemake

SMOKE = ("--configfile", "config/smoke.yaml")


@pytest.fixture
def project(finished_smoke, tmp_path):
    """Return a copy of the finished smoke run that a test may change."""
    return shutil.copytree(finished_smoke[0], tmp_path / "project", symlinks=True)


def run(project, program, *words):
    """Return (what the program prints, seconds)."""
    start = time.time()
    words = [sys.executable, f"workflow/{program}.py", *map(str, words)]
    done = subprocess.run(words, cwd=project, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout, time.time() - start


def test_status_of_a_half_finished_run(project):
    results = project / "results/smoke"
    shutil.rmtree(results / "report")
    shutil.rmtree(results / "meta-rewarding/m2")
    (results / "self-rewarding/m1/manifest.json").unlink()
    log = results / "logs/train_dpo/meta-rewarding/m2.log"
    log.write_text("{'loss': '0.6931', 'epoch': '0.25'}\n 33%|###       | 1/3 [00:13<00:26]")
    output, _ = run(project, "status", *SMOKE)
    assert "1 of 3 models are trained by DPO" in output
    head, row = (next(line for line in output.splitlines() if line.startswith(name)) for name in ("stage", "train_dpo"))
    assert head.split()[-3:] == ["meta-rewarding/m1", "meta-rewarding/m2", "self-rewarding/m1"]
    assert row.split() == ["train_dpo", "done", "0", "of", "1", "0", "of", "1"]
    assert re.search(r"running  train_dpo +meta-rewarding/m2 +33%\|", output)
    assert "Newest loss: 0.6931 at epoch 0.25 (train_dpo, meta-rewarding/m2)." in output
    assert "! Few pairs" in output
    assert "corrected by what finished jobs took" in output


def test_status_of_a_finished_run_and_of_none(project):
    output, _ = run(project, "status", *SMOKE)
    assert "Finished. Page: results/smoke/report/index.html" in output
    assert "No job is running." in output
    shutil.rmtree(project / "results/smoke")
    output, _ = run(project, "status", *SMOKE)
    assert "0 of 3 models are trained by DPO" in output


@pytest.mark.slow
def test_two_runs_are_compared_on_one_page(project):
    first, second = project / "results/smoke", project / "results/other"
    shutil.copytree(first / "report", second / "report")
    manifest = json.loads((second / "report/manifest.json").read_text())
    manifest["config"]["dpo"]["beta"] = 0.5
    (second / "report/manifest.json").write_text(json.dumps(manifest))
    metrics = json.loads((second / "report/metrics.json").read_text())
    for row in metrics["models"]:
        row["arena"] |= {"win_rate": 90.0, "ci_low": 85.0, "ci_high": 95.0}
        row["agreement"] |= {"agreement": 1.0} if row["agreement"]["agreement"] is not None else {}
    (second / "report/metrics.json").write_text(json.dumps(metrics))
    run(project, "compare", "results/smoke", "results/other")
    page = (project / "compare.html").read_text()
    assert "Comparison: smoke, other" in page
    assert ">dpo.beta</th><td>0.1</td><td>0.5</td>" in page
    assert "90.0 (85.0 to 95.0)" in page
    rows = json.loads((first / "report/metrics.json").read_text())["models"]
    ours = next(row["agreement"]["agreement"] for row in rows if row["agreement"]["agreement"] is not None)
    assert f"{100 - 100 * ours:+.1f} ± " in page
    with chromium() as browser:
        check(browser, project / "compare.html", figures=2)
        for scheme in ("light", "dark"):
            assert violations(browser, project / "compare.html", scheme) == []


def test_a_root_without_a_report_is_named(project):
    words = [sys.executable, "workflow/compare.py", "results/smoke", "nothing"]
    done = subprocess.run(words, cwd=project, capture_output=True, text=True)
    assert done.returncode == 1
    assert "nothing/report/metrics.json: there is no such file." in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_axe_finds_no_violation_on_the_smoke_page(finished_smoke):
    with chromium() as browser:
        for scheme in ("light", "dark"):
            assert violations(browser, finished_smoke[0] / "results/smoke/report/index.html", scheme) == []


@pytest.mark.slow
def test_no_table_of_the_print_is_wider_than_a_page(finished_smoke):
    page_file = finished_smoke[0] / "results/smoke/report/index.html"
    with chromium() as browser, opened(browser, page_file, width=688) as (page, _, _):  # A4 less the margins
        page.emulate_media(media="print")
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert page.evaluate("document.documentElement.scrollWidth") <= 688


@pytest.mark.slow
def test_the_export_loads_as_a_data_set_and_holds_every_model(project):
    built = snakemake(project, "export", *SMOKE)
    assert built.returncode == 0, built.stdout[-2000:] + built.stderr[-4000:]
    folder = project / "results/smoke/export"
    import datasets

    name = "meta-rewarding-m1-judge"
    pairs = datasets.load_dataset(str(folder / "preference_pairs"), name, split="train", cache_dir=project / "cache")
    source = (project / "results/smoke/meta-rewarding/m1/pairs/judge.jsonl").read_text().splitlines()
    assert len(pairs) == len(source) > 0
    assert pairs[0]["chosen"] == json.loads(source[0])["chosen"]
    assert len(list((folder / "arena_laptop/answers").glob("*.jsonl"))) == 5
    with open(folder / "training/meta-rewarding-m1.csv", newline="") as file:
        assert all(float(row["loss"]) > 0 for row in csv.DictReader(file))
    measured = json.loads((project / "results/smoke/meta-rewarding/m1/training.json").read_text())["epochs"]
    with open(folder / "training/meta-rewarding-m1-epochs.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["kind"], int(row["epoch"])) for row in rows] == [(row["kind"], row["epoch"]) for row in measured]
    assert [float(row["chosen_logp"]) for row in rows] == [row["chosen_logp"] for row in measured]
    assert len((folder / "training/m0-epochs.csv").read_text().splitlines()) > 1
    card = (folder / "models/meta-rewarding-m2/README.md").read_text()
    assert "- trained from: `results/smoke/meta-rewarding/m1/weights`" in card
    assert "| arena_laptop | win_rate |" in card
