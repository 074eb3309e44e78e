"""lm-evaluation-harness on a local task of a few rows, with the smoke model."""

import json

import pytest
from jobs import LM_EVAL_TASK, job, write

from benchmarks import measure_regressions, prepare_regressions
from metarewarding.errors import UserError
from metarewarding.evaluation import harness
from metarewarding.reporting import judging

ENGINE = {"name": "transformers", "max_model_len": 512, "dtype": "float32", "batch_size": 4}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    rows = [{"question": f"Is {n} even?", "answer": n % 2} for n in range(6)]
    data = write(tmp_path / "rows.jsonl", *rows)
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks/few_rows.yaml").write_text(LM_EVAL_TASK.format(data=data))
    return tmp_path / "tasks"


def test_scores_keep_the_harness_standard_errors():
    result = harness.scores(
        {
            "gsm8k": {
                "alias": "gsm8k",
                "exact_match,strict-match": 0.5,
                "exact_match_stderr,strict-match": 0.01,
                "exact_match,flexible-extract": 0.6,
                "exact_match_stderr,flexible-extract": "N/A",
            },
            "few": {"acc,none": 1.0, "acc_stderr,none": 0.0, "sample_len": 6},
        }
    )
    assert result == {
        "gsm8k": {
            "exact_match (strict-match)": {"value": 0.5, "stderr": 0.01},
            "exact_match (flexible-extract)": {"value": 0.6, "stderr": None},
        },
        "few": {"acc": {"value": 1.0, "stderr": 0.0}},
    }


def test_vllm_on_gpus_and_transformers_without():
    engine = ENGINE | {"name": "vllm", "gpu_memory_utilization": 0.8}
    name, arguments = harness.engine_arguments(engine, "w", "bfloat16", 2)
    assert (name, arguments["tensor_parallel_size"], arguments["max_model_len"]) == ("vllm", 2, 512)
    assert harness.engine_arguments(engine, "w", "float32", 0)[0] == "hf"


def test_the_page_shows_the_difference_to_the_seed():
    def model(name, value):
        tasks = {"few": {"acc": {"value": value, "stderr": 0.1}}}
        return {"model": name, "regressions": {"tasks": tasks}}

    heads, rows = judging.regressions({"models": [model("seed", 0.5), model("m0", 0.25)]})
    assert heads == ["Model", "few: acc"]
    assert rows == [["seed", "0.500 ± 0.196"], ["m0", "0.250 ± 0.196; −0.250 ± 0.277"]]
    assert judging.regressions({"models": [{"model": "seed", "regressions": None}]}) is None


@pytest.mark.slow
def test_a_task_that_does_not_exist_is_named(folder):
    with pytest.raises(UserError, match="no task 'nonsense_task'"):
        harness.load_tasks(["few_rows", "nonsense_task"], str(folder))


@pytest.mark.slow
def test_a_local_task_on_the_smoke_model(tmp_path, folder, weights):
    shared = {"tasks": ["few_rows"], "folder": str(folder)}
    prepare_regressions.main(job(tmp_path, {}, {"versions": "versions.json"}, shared))
    assert json.loads((tmp_path / "versions.json").read_text()) == {"few_rows": "1.0"}
    params = shared | {"engine": ENGINE, "limit": None, "num_fewshot": None, "chat_template": True, "seed": 0}
    inputs = {"data": tmp_path / "versions.json", "weights": weights}
    measure_regressions.main(job(tmp_path, inputs, {"score": "score.json"}, params, model="m0"))
    result = json.loads((tmp_path / "score.json").read_text())
    score = result["tasks"]["few_rows"]["acc"]
    assert score["value"] * 6 == pytest.approx(round(score["value"] * 6))
    # the standard error of a mean of six zeros and ones
    assert score["stderr"] == pytest.approx((score["value"] * (1 - score["value"]) / 5) ** 0.5)
    assert (result["n"], result["complete"], result["engine"]) == ({"few_rows": 6}, True, "hf")
