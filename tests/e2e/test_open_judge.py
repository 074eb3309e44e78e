"""The open judge of config/open_judge.yaml, with the laptop model as its weights, judges published answers."""

import json
import os
import shutil
from pathlib import Path

import pytest
import yaml
from conftest import ROOT, snakemake
from test_smoke import published_answers, question_files

LAPTOP_MODEL = Path(os.environ.get("LAPTOP_MODEL", ROOT / "results" / "seed" / "weights"))
WORDS = ("--configfile", "config/smoke.yaml", "config/open_judge.yaml", "mine.yaml")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (LAPTOP_MODEL / "config.json").is_file(),
        reason="needs the laptop's seed model: make results/seed/weights, or set LAPTOP_MODEL to its folder",
    ),
]


def test_a_served_open_judge_is_calibrated_on_published_answers(project, tmp_path):
    """AlpacaEval needs log-probabilities, which the small model gives."""
    published = published_answers(tmp_path)["alpaca_eval"]
    shutil.rmtree(f"{published}/worse")  # one model is enough: each has a server of its own
    judge = {"weights": str(LAPTOP_MODEL), "tensor_parallel": 1, "max_model_len": 2048, "concurrency": 4}
    change = {
        "engine": {"cpu_cache_gb": 2},
        "benchmarks": {
            "run": ["alpaca_eval"],
            "files": question_files(tmp_path),
            "judges": {"open": judge},
            "calibration": {"alpaca_eval": published},
        },
    }
    (project / "mine.yaml").write_text(yaml.safe_dump(change))
    run = snakemake(project, "calibrate_judge", *WORDS)
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-6000:]
    results = project / "results/smoke/published"
    rows = json.loads((results / "calibration.json").read_text())["rows"]
    assert [row["model"] for row in rows] == ["better"]
    assert (rows[0]["judge"], rows[0]["judge_model"]) == ("open", "Meta-Llama-3-70B-Instruct")
    assert rows[0]["published"] == pytest.approx(90)
    assert rows[0]["shift"] == pytest.approx(rows[0]["substitute"] - 90)
    assert 0 < rows[0]["substitute"] < 100  # log-probabilities, not a verdict that is all or nothing
    folder = results / "better/benchmarks/alpaca_eval"
    assert json.loads((folder / "annotations.stats.json").read_text())["verdicts"] == 4
    assert "open" in (results / "calibration.txt").read_text()

    # the judge's replies are kept, so no server starts again; one that starts writes a log of its own
    (log,) = (project / "results/smoke/logs").rglob("*.server")
    outputs = [folder / "annotations.json", folder / "score.json", results / "calibration.json"]
    for path in (log, *outputs):
        path.unlink()
    again = snakemake(project, "calibrate_judge", *WORDS)
    assert again.returncode == 0, again.stdout[-3000:] + again.stderr[-6000:]
    assert not log.exists()
    assert all(path.is_file() for path in outputs)
    assert json.loads((results / "calibration.json").read_text())["rows"] == rows
