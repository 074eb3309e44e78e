"""The plan: the protocol's volumes, its arithmetic, and planned and measured values together."""

import json
import os
import signal
import subprocess
import sys
from math import comb

import pytest
import yaml
from conftest import ROOT
from forecast import hours_left, hours_on_the_clock
from model_size import model_size
from plan import plan
from plan_table import as_text
from settings import load, resolve
from speeds import CARDS, ENGINE_START, TRAINING

from data import fetch_seed_model
from metarewarding.reporting.measured import measure


@pytest.fixture(autouse=True)
def in_project(monkeypatch):
    monkeypatch.chdir(ROOT)


def settings(*names, **changes):
    config = load([f"config/{name}" for name in names])
    for key, value in changes.items():
        section, _, name = key.partition("__")
        (config[section] if name else config).update({name: value} if name else {key: value})
    return resolve(config)


def rows(result) -> dict:
    return {row["stage"]: row for row in result["rows"]}


@pytest.fixture(scope="module")
def paper():
    return rows(plan(resolve(load([str(ROOT / "config/paper.yaml")]))))


def test_the_protocols_volumes(paper):
    """5,000 prompts x 7 responses x 11 judgments, and both orders of the pairs of 11: a model, of those sampled.

    A twentieth of the pairs is shown again, in both orders.
    """
    models = 1 + 3 + 3  # M0 once for both methods
    assert paper["sample_and_judge"]["completions"] == models * (35_000 + 385_000)
    assert paper["meta_judge"]["completions"] == 2 * 1.05 * 2 * comb(11, 2) * 5_000 == 2 * (550_000 + 27_500)
    assert paper["meta_judge"]["requests"] == paper["meta_judge"]["completions"]
    once = {"repeats": 0.1, "orders": "one"}  # repeats are in both orders in any case
    one = rows(plan(settings("paper.yaml", "studies/one-order.yaml", sampling__meta_judgments=once)))
    assert one["meta_judge"]["completions"] == 2 * (1 + 0.2) * comb(11, 2) * 5_000
    assert paper["train_dpo"]["examples"] == (2 * 10_000 + 2 * 5_000) + 4 * 5_000  # bounds of section 6


def test_what_is_judged_for_eft_follows_from_the_counts(paper):
    """Of 3,664 ranked prompts 375 are set aside; 3.3 replies each."""
    assert paper["annotate_eft"]["requests"] == round((3664 - 375) * 3.3) == 10854
    assert paper["annotate_eft"]["completions"] == 11 * 10854
    assert paper["train_sft"]["examples"] == 1630
    excluded = rows(plan(settings("paper.yaml", eft__exclude_ift_prompts=True)))
    assert excluded["annotate_eft"]["requests"] == round((3664 - 375 - 3200) * 3.3)
    everything = rows(plan(settings("paper.yaml", eft__train_examples=None)))
    assert everything["train_sft"]["examples"] == 10854  # at most


def test_the_prompts_of_table_3(paper):
    assert paper["answer_held_out"]["requests"] == 375
    assert paper["compare_fixed_responses"]["requests"] == 2 * 375
    assert paper["compare_best_and_worst"]["requests"] == 10 * 2 * 375


def test_jobs_are_those_that_snakemake_counts(paper):
    assert [paper[name]["jobs"] for name in ("sample_and_judge", "meta_judge")] == [56, 16]
    assert (paper["train_sft"]["jobs"], paper["train_dpo"]["jobs"], paper["generate_prompts"]["jobs"]) == (1, 8, 1)
    assert paper["evaluate_model"]["jobs"] == paper["judge_arena_hard"]["jobs"] == 10


def test_an_ablation_adds_what_it_does_not_share(paper):
    one = rows(plan(settings("paper.yaml", "ablations.yaml", run=["meta-rewarding", "self-rewarding", "meta-rho-0"])))
    assert one["sample_and_judge"]["completions"] == paper["sample_and_judge"]["completions"]
    assert one["train_dpo"]["jobs"] == 9


def test_shared_prefixes_are_counted_once(paper):
    meta = paper["meta_judge"]
    # the house measured that neighbours share 75 % of what a meta-judge reads
    assert 0.7 < 1 - meta["distinct_prompt_tokens"] / meta["prompt_tokens"] < 0.9
    assert paper["answer_held_out"]["prompt_tokens"] == 7 * paper["answer_held_out"]["distinct_prompt_tokens"]


def test_hours_of_a_training_by_hand(paper):
    row = paper["train_sft"]
    assert row["gpu_hours"] == pytest.approx(8 * 8.03e9 * row["prompt_tokens"] / (TRAINING * 989e12) / 3600, abs=1e-3)
    assert row["most_disk_gb"] == pytest.approx(2 * 16 * 8.03)


@pytest.mark.parametrize("stage", ["sample_and_judge", "meta_judge", "train_dpo"])
def test_a_better_card_takes_fewer_hours(stage):
    hours = [rows(plan(settings("paper.yaml"), card))[stage]["gpu_hours"] for card in CARDS]
    assert hours == sorted(hours, reverse=True)
    assert hours[0] > hours[1] > 1


def test_every_engine_start_counts():
    few, many = (rows(plan(settings("paper.yaml", sampling__shards=n)))["meta_judge"]["gpu_hours"] for n in (1, 101))
    assert many - few == pytest.approx(2 * 100 * ENGINE_START / 3600, abs=2e-3)


def test_the_hours_lie_within_public_figures():
    """6 to 12 thousand output tokens a second of an 8B model that answers on one H100."""
    lines = plan(settings("paper.yaml"))["arithmetic"]
    answers = next(line for line in lines if "writing 1.21e+08 tokens" in line)
    rate = float(answers.split("at once, ")[1].split(" tokens/s")[0].replace(",", ""))
    assert 6_000 < rate < 12_000


def test_the_first_engines_compile_and_a_pool_takes_one_start():
    result = plan(settings("paper.yaml"))
    cold = [line.split(":")[0] for line in result["arithmetic"] if "more with cold caches" in line]
    assert cold == ["annotate_eft"]
    assert any(line.startswith("generate_prompts") and "1 engine starts" in line for line in result["arithmetic"])


def test_checkpoints_cost_hours_and_disk(paper):
    """Every third epoch but the last: of SFT's 5 epochs one, and of DPO's 6, 4, 2, 2 and 5, 1, 2, 2 three."""
    hours = 4 * 16 * 8.03e9 / 1e9 * 8 / 3600
    assert paper["save_checkpoints"]["gpu_hours"] == pytest.approx(hours, abs=1e-3)
    assert paper["train_dpo"]["disk_gb"] == pytest.approx(8 * 6 * 8.03)  # float32, and the engines' bfloat16


def test_fp8_takes_fewer_hours_where_the_card_has_it():
    def hours(card, quantization):
        changed = settings("paper.yaml", engine__quantization=quantization)
        return rows(plan(changed, card))["sample_and_judge"]["gpu_hours"]

    assert hours("H100", "fp8") < 0.9 * hours("H100", None)


def test_one_shard_where_every_start_holds_all_cards():
    """`--profile node`."""
    node, many = settings("paper.yaml", "node.yaml"), settings("paper.yaml", "node.yaml", sampling__shards=32)
    hours = [plan(each)["totals"]["gpu_hours"] for each in (node, many)]
    assert hours[0] < 1.1 * plan(settings("paper.yaml"))["totals"]["gpu_hours"]
    assert hours[1] - hours[0] > 31 * (7 + 2 + 1) * 8 * ENGINE_START / 3600 - 1


def test_more_gpus_take_less_time_down_to_the_longest_chain():
    resolved = settings("paper.yaml")
    result = plan(resolved)
    hours = [hours_on_the_clock(result, resolved, gpus) for gpus in (8, 16, 64, 1000)]
    assert hours[0] == pytest.approx(result["totals"]["gpu_hours"] / 8, rel=0.1)
    assert hours[0] > hours[1] >= hours[2] == hours[3] > 3  # a model is trained after the one before it, on 8 GPUs
    assert hours_on_the_clock(result, resolved, 4) is None
    assert hours_on_the_clock(plan(settings()), settings(), 8) is None


def test_engines_without_a_gpu_take_no_time_on_the_clock():
    """Training on a GPU, sampling on CPUs: of sampling the plan has no hours."""
    changed = settings("paper.yaml", resources__engine={"gpu": 0})
    result = plan(changed)
    assert hours_on_the_clock(result, changed, 8) == pytest.approx(result["totals"]["gpu_hours"] / 8, abs=0.1)


def test_a_reward_model_is_part_of_the_longest_chain():
    config = load(["config/paper.yaml"])
    config["resources"]["train"]["gpu"] = 8
    config["run"] = ["self-rewarding"]
    judged, scored = (
        resolve(
            config | {"methods": config["methods"] | {"self-rewarding": config["methods"]["self-rewarding"] | more}}
        )
        for more in ({}, {"scored_by": "hf://owner/name@abc"})
    )
    without, with_one = plan(judged), plan(scored)
    hours = rows(with_one)["score_responses"]["gpu_hours"] / 8  # eight shards at once, iteration after iteration
    clock = [hours_on_the_clock(result, each, 1000) for result, each in ((without, judged), (with_one, scored))]
    assert clock[1] - clock[0] == pytest.approx(hours, abs=0.11)


def test_finished_jobs_correct_what_is_left():
    result = plan(settings("paper.yaml"))
    assert hours_left(result) is None
    sampling = rows(result)["annotate_eft"]
    sampling["measured"] = {"jobs": 4, "gpu_hours": sampling["gpu_hours"]}  # half of the jobs, all the hours: 2 times
    of_kind = sum(row["gpu_hours"] for row in result["rows"] if row["kind"] == "sample")
    others = result["totals"]["gpu_hours"] - of_kind
    left = hours_left(result)
    assert left["times_planned"] == {"sample": 2.0}
    assert left["gpu_hours"] == pytest.approx(2 * (of_kind - sampling["gpu_hours"] / 2) + others, abs=0.05)


def test_nothing_is_left_of_a_finished_run():
    """Checkpoints have no jobs of their own: they are saved as far as the trainings are done."""
    result = plan(settings("paper.yaml"))
    for row in result["rows"]:
        if row["gpu_hours"] and row["jobs"]:
            row["measured"] = {"jobs": row["jobs"], "gpu_hours": row["gpu_hours"]}
    assert hours_left(result) == {"gpu_hours": 0, "times_planned": {"sample": 1.0, "train": 1.0}}
    dpo, sft = (rows(result)[stage] for stage in ("train_dpo", "train_sft"))
    dpo["measured"] = None
    share = dpo["gpu_hours"] / (dpo["gpu_hours"] + sft["gpu_hours"])
    left = dpo["gpu_hours"] + share * rows(result)["save_checkpoints"]["gpu_hours"]
    assert hours_left(result)["gpu_hours"] == pytest.approx(left, abs=0.01)


def test_the_judges_fees(paper):
    row = paper["judge_mt_bench"]
    assert row["cost_usd"] == pytest.approx((row["prompt_tokens"] * 30 + row["output_tokens"] * 60) / 1e6, abs=0.01)
    assert row["requests"] == 10 * 160
    assert paper["sample_and_judge"]["cost_usd"] is None


def test_the_labels_of_figure_4_are_paid_for_once(paper):
    row = paper["label_alpaca_eval"]
    assert (row["jobs"], row["requests"]) == (1, 805)
    assert row["cost_usd"] == pytest.approx((row["prompt_tokens"] * 10 + row["output_tokens"] * 30) / 1e6, abs=0.01)
    assert 1 < row["cost_usd"] < 5
    assert "label_alpaca_eval" not in rows(plan(settings("paper.yaml", benchmarks__run=["arena_hard"])))


def test_a_model_at_hand_is_counted(tmp_path):
    fetch_seed_model.from_random(0, tmp_path)
    config = json.loads((tmp_path / "config.json").read_text()) | {"max_position_embeddings": 8192}
    (tmp_path / "config.json").write_text(json.dumps(config))
    result = plan(settings("paper.yaml", model={"source": "path", "path": str(tmp_path)}))
    # embedding 260 x 64; a layer: attention 4 x 64 x 64, MLP 3 x 64 x 128, norms 2 x 64; the last norm 64
    parameters = 260 * 64 + 2 * (4 * 64 * 64 + 3 * 64 * 128 + 2 * 64) + 64
    assert rows(result)["fetch_seed_model"]["disk_gb"] == round(2 * parameters / 1e9, 3)
    assert result["parameters"] == parameters  # of the estimate at a run's start
    assert model_size(tmp_path) == {"parameters": parameters, "kv_bytes_per_token": 2 * 2 * 2 * 32 * 2}
    assert model_size(tmp_path / "nothing") == {}


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("config.json", b'{"hidden_size": 64'),
        ("config.json", b"[]"),
        ("config.json", b'{"n_head": 12, "n_embd": 768, "n_layer": 12}'),  # as of GPT-2
        ("config.json", b'{"num_attention_heads": 0, "hidden_size": 64, "num_hidden_layers": 2}'),
        ("config.json", b'{"num_attention_heads": null, "hidden_size": 64}'),
        ("model.safetensors", b""),
        ("model.safetensors", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"),
        ("model.safetensors", (4).to_bytes(8, "little") + b"null"),
        ("model.safetensors.index.json", b'{"weight_map": {"a": "model-00002-of-00002.safetensors"}}'),
        ("model.safetensors.index.json", b"{}"),
    ],
)
def test_a_damaged_model_has_no_size_and_its_check_follows(tmp_path, file, content):
    """The plan is made while the Snakefile is read; the check of the model names the fault later."""
    fetch_seed_model.from_random(0, tmp_path)
    (tmp_path / file).write_bytes(content)
    assert model_size(tmp_path) == {}


def test_an_adapter_takes_less_than_full_fine_tuning():
    full, adapter = (rows(plan(settings("paper.yaml", *more))) for more in ((), ("one_gpu.yaml",)))
    for stage, passes in (("train_sft", (8, 6)), ("train_dpo", (10, 8))):
        hours = [result[stage]["gpu_hours"] for result in (full, adapter)]
        assert hours[1] / hours[0] == pytest.approx(passes[1] / passes[0], abs=1e-2)
        assert adapter[stage]["most_disk_gb"] == 0


def test_a_study_of_a_day_takes_a_day_on_one_card():
    result = plan(settings("paper.yaml", "one_gpu.yaml", "one_day.yaml"))
    assert all(row["cost_usd"] is None for row in result["rows"])
    assert 6 < result["totals"]["gpu_hours"] <= 24


def test_without_gpus_there_are_no_hours():
    result = plan(settings())
    assert result["totals"]["gpu_hours"] is None
    assert result["totals"]["jobs"] == sum(row["jobs"] for row in result["rows"])


def test_planned_beside_measured(tmp_path):
    result = plan(settings("smoke.yaml", sampling__shards=2))
    facts = {"requests": 3, "completions": 12, "prompt_tokens": 90, "cached_prompt_tokens": 60, "output_tokens": 40}
    facts |= {"seconds": 800, "process_seconds": 900, "host": {"gpus": ["a", "a"]}}
    for stage in ("responses", "judgments"):  # of one job a shard
        (tmp_path / "m0" / stage).mkdir(parents=True)
        for shard in (0, 1):
            of_job = facts | {"log": f"logs/sample_and_judge/m0/{shard}.log"}
            (tmp_path / f"m0/{stage}/{shard}.stats.json").write_text(json.dumps(of_job))
    (tmp_path / "m0/manifest.json").write_text(json.dumps({"seconds": 60, "tokens": 7, "host": {"gpus": []}}))
    measured = {stage: row["measured"] for stage, row in rows(measure(result, tmp_path)).items()}
    took = measured["sample_and_judge"]
    assert (took["jobs"], took["requests"], took["completions"], took["output_tokens"]) == (2, 12, 48, 160)
    assert (took["prompt_tokens"], took["distinct_prompt_tokens"], took["gpu_hours"]) == (360, 120, 2)
    assert (measured["train_sft"]["prompt_tokens"], measured["train_sft"]["gpu_hours"]) == (7, None)
    assert measured["meta_judge"] is None
    assert as_text(measure(result, tmp_path)).count("  measured") == 2 + 1  # and together


def test_the_command_loads_no_model_and_says_what_is_wrong(tmp_path):
    watch = "import runpy, sys; sys.argv[0] = 'plan.py'; runpy.run_path('workflow/plan.py', run_name='__main__')"
    watch += "; assert not {'torch', 'transformers', 'vllm'} & set(sys.modules)"
    words = [sys.executable, "-c", watch, "--configfile", "config/paper.yaml", "--card", "A100-80", "--json"]
    run = subprocess.run(words, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout)["card"] == "A100-80"
    (tmp_path / "bad.yaml").write_text(yaml.safe_dump({"run": ["nothing"]}))
    run = subprocess.run(
        [sys.executable, "workflow/plan.py", "--configfile", tmp_path / "bad.yaml"], capture_output=True, text=True
    )
    assert run.returncode != 0
    assert "config: run: there is no method 'nothing'" in run.stderr
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize("command", ["plan", "status"])
def test_a_reader_that_ends_early_causes_no_traceback(command):
    reader, writer = os.pipe()
    os.close(reader)
    words = [sys.executable, f"workflow/{command}.py", "--configfile", "config/smoke.yaml"]
    run = subprocess.run(words, stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert (run.returncode, run.stderr) == (-signal.SIGPIPE, "")
