"""The estimated time of a run."""

import re
from pathlib import Path

import estimate
import plan
import pytest
import settings
import status
from conftest import ROOT

from metarewarding.engines.precision import resolve_dtype


@pytest.fixture(scope="module")
def laptop():
    resolved = settings.resolve(settings.load([]))
    return plan.plan(resolved), resolved


def finish(root, files):
    for name in files:
        path = Path(root, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")


def test_a_faster_machine_and_a_half_finished_run_take_less(laptop, tmp_path):
    result, resolved = laptop
    parameters = resolved["plan"]["parameters"]
    whole = estimate.seconds(result, tmp_path, 1e11, parameters)
    assert 600 < whole < 2400  # two cores with AVX2 alone; README says up to 20 minutes
    assert estimate.seconds(result, tmp_path, 6e11, parameters) < 0.7 * whole
    finish(tmp_path, next(row["files"] for row in result["rows"] if row["stage"] == "train_dpo"))
    assert estimate.seconds(result, tmp_path, 1e11, parameters) < whole
    finish(tmp_path, [name for row in result["rows"] for name in row["files"]] + ["report/index.html"])
    assert estimate.seconds(result, tmp_path, 1e11, parameters) == 0


@pytest.mark.parametrize(("asked", "used"), [("auto", resolve_dtype("auto", gpu=False)), ("float32", "float32")])
def test_the_rate_is_measured_in_the_type_that_the_engine_uses(laptop, tmp_path, asked, used):
    result, resolved = laptop
    settings = {**resolved, "engine": {**resolved["engine"], "dtype": asked}, "pathvars": {"results": str(tmp_path)}}
    said = re.search(r"\((\w+), (\d+) GFLOP/s", estimate.line(result, settings, ROOT / "scripts"))
    assert said[1] == used
    assert 1 <= int(said[2]) < 100_000


def test_the_size_of_a_local_model_counts(laptop, tmp_path):
    result, resolved = laptop
    settings = resolved | {"pathvars": {"results": str(tmp_path)}}
    minutes = [
        int(
            re.search(r"about (\d+) minutes", estimate.line(result | {"parameters": size}, settings, ROOT / "scripts"))[
                1
            ]
        )
        for size in (1.345e8, 1.345e9)
    ]
    assert minutes[1] > 4 * minutes[0]


def test_verdicts_of_a_server_elsewhere_take_no_computing(tmp_path):
    row = {"kind": "ask", "files": ["a"], "jobs": 1, "output_tokens": 10**6, "distinct_prompt_tokens": 10**7}
    served, paid = (estimate.seconds({"rows": [row | {"cost_usd": cost}]}, tmp_path, 1e11, 1e8) for cost in (None, 0.0))
    assert paid == estimate.LOCAL_JOBS + estimate.STARTS["ask"] < served / 10


@pytest.mark.parametrize(
    ("line", "loss"),
    [
        ("{'loss': 0.6931, 'epoch': 0.25}", "0.6931"),
        ("{'loss': '8.412e-05', 'grad_norm': '1', 'epoch': '1.5'}", "8.412e-05"),
    ],
)
def test_the_newest_loss_has_its_exponent(line, loss):
    assert status._LOSS.findall(line)[0][0] == loss


def test_job_time_is_that_of_jobs_with_all_their_gpus(tmp_path):
    """Eight GPUs that train for an hour are one hour of a job; checkpoints are saved by training."""
    row = {"jobs": 1, "output_tokens": 0, "distinct_prompt_tokens": 0, "measured": None}
    rows = [
        row | {"stage": "train_dpo", "kind": "train", "files": ["m1", "m2"], "gpu_hours": 16},
        row | {"stage": "save_checkpoints", "kind": "save", "files": [], "gpu_hours": 8},
        row | {"stage": "meta_judge", "kind": "sample", "files": ["s"], "gpu_hours": 4},
    ]
    resources = {"engine": {"gpu": 2}, "train": {"gpu": 8}}
    assert status.seconds_left(rows, tmp_path, 1e9, resources) == (5 * 3600, False)
    finish(tmp_path, ["m1"])
    assert status.seconds_left(rows, tmp_path, 1e9, resources)[0] == 3.5 * 3600
    finish(tmp_path, ["m2", "s"])
    assert status.seconds_left(rows, tmp_path, 1e9, resources)[0] == 0


def test_a_run_on_gpus_is_estimated_by_its_plan():
    resolved = settings.resolve(settings.load(["config/paper.yaml"]))
    result = plan.plan(resolved)
    assert f"{result['totals']['gpu_hours']:,.1f} GPU hours" in estimate.line(result, resolved, ROOT / "scripts")
