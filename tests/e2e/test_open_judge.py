"""The open judge of config/open_judge.yaml, with the laptop model as its weights, judges published answers."""

import json
import os
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
    """Two servers, one for each published model. AlpacaEval needs log-probabilities, which the small model gives."""
    judge = {"weights": str(LAPTOP_MODEL), "tensor_parallel": 1, "max_model_len": 2048, "concurrency": 4}
    change = {
        "engine": {"cpu_cache_gb": 2},
        "benchmarks": {
            "run": ["alpaca_eval"],
            "files": question_files(tmp_path),
            "judges": {"open": judge},
            "calibration": {"alpaca_eval": published_answers(tmp_path)["alpaca_eval"]},
        },
    }
    (project / "mine.yaml").write_text(yaml.safe_dump(change))
    run = snakemake(project, "calibrate_judge", *WORDS)
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-6000:]
    results = project / "results/smoke/published"
    rows = {row["model"]: row for row in json.loads((results / "calibration.json").read_text())["rows"]}
    assert set(rows) == {"better", "worse"}
    for row, published in ((rows["better"], 90), (rows["worse"], 10)):
        assert (row["judge"], row["judge_model"]) == ("open", "Meta-Llama-3-70B-Instruct")
        assert row["published"] == pytest.approx(published)
        assert row["shift"] == pytest.approx(row["substitute"] - published)
        assert 0 < row["substitute"] < 100  # log-probabilities, not a verdict that is all or nothing
        stats = json.loads((results / row["model"] / "benchmarks/alpaca_eval/annotations.stats.json").read_text())
        assert stats["verdicts"] == 4
    assert "open" in (results / "calibration.txt").read_text()

    # the judge's replies are kept, so no server starts again; each one that starts writes a log of its own
    logs = [*(project / "results/smoke/logs").rglob("*.server")]
    assert len(logs) == 2
    outputs = [
        results / row / "benchmarks/alpaca_eval" / name for row in rows for name in ("annotations.json", "score.json")
    ]
    for path in (*logs, *outputs, results / "calibration.json"):
        path.unlink()
    again = snakemake(project, "calibrate_judge", *WORDS)
    assert again.returncode == 0, again.stdout[-3000:] + again.stderr[-6000:]
    assert not any(path.exists() for path in logs)
    assert all(path.is_file() for path in outputs)
    assert {row["model"]: row for row in json.loads((results / "calibration.json").read_text())["rows"]} == rows
