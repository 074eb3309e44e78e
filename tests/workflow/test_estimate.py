"""The estimated time of a run."""

from pathlib import Path

import estimate
import plan
import pytest
import settings
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
    assert 600 < whole < 2400  # two cores with AVX2 alone; README says at most 25 minutes
    assert estimate.seconds(result, tmp_path, 6e11, parameters) < 0.7 * whole
    finish(tmp_path, next(row["files"] for row in result["rows"] if row["stage"] == "train_dpo"))
    assert estimate.seconds(result, tmp_path, 1e11, parameters) < whole
    finish(tmp_path, [name for row in result["rows"] for name in row["files"]] + ["report/index.html"])
    assert estimate.seconds(result, tmp_path, 1e11, parameters) == 0


@pytest.mark.parametrize(("asked", "used"), [("auto", resolve_dtype("auto", gpu=False)), ("float32", "float32")])
def test_the_rate_is_measured_in_the_type_that_the_engine_uses(laptop, tmp_path, asked, used):
    result, resolved = laptop
    settings = {**resolved, "engine": {**resolved["engine"], "dtype": asked}, "pathvars": {"results": str(tmp_path)}}
    assert f"({used}, " in estimate.line(result, settings, ROOT / "scripts")
    dtype, rate = estimate.matrix_rate(ROOT / "scripts", asked)
    assert dtype == used
    assert 1e9 < rate < 1e14


def test_a_run_on_gpus_is_estimated_by_its_plan():
    resolved = settings.resolve(settings.load(["config/paper.yaml"]))
    result = plan.plan(resolved)
    assert f"{result['totals']['gpu_hours']:,.1f} GPU hours" in estimate.line(result, resolved, ROOT / "scripts")
