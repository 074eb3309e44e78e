"""The resources that jobs request from SLURM: nodes, GPUs, retries, cores, and no token. Nothing is submitted."""

import importlib
import os
from types import SimpleNamespace

import pytest
import shortages
import snakemake_private
import yaml
from conftest import ROOT, copy_project, snakemake

# the profile itself does not print the rules
SLURM = ("--profile", "workflow/profiles/slurm", "--quiet", "progress")  # no conda is needed for a dry-run


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return copy_project(tmp_path_factory.mktemp("project"))


def resources(project, target, *words) -> dict:
    """Return {rule: its resources, as a dry-run prints them}."""
    run = snakemake(project, "-n", target, *SLURM, *words)
    assert run.returncode == 0, run.stdout
    result, rule = {}, None
    for line in run.stdout.splitlines():
        if line.startswith(("rule ", "localrule ")):
            rule = line.split()[1].rstrip(":")
        elif line.strip().startswith("resources:"):
            pairs = (pair.split("=", 1) for pair in line.partition(":")[2].split(", "))
            result[rule] = {key.strip(): value for key, value in pairs}
    return result


@pytest.fixture(scope="module")
def of_paper(project):
    return resources(project, "results/meta-rewarding/m1/weights")


def test_jobs_with_gpus_stay_on_one_node(of_paper):
    """SLURM may spread eight GPUs over two nodes; the job's own srun then fails at once."""
    with_gpus = {rule: of for rule, of in of_paper.items() if "gpu" in of}
    assert {"annotate_eft", "sample_and_judge", "train_sft", "train_dpo", "check_training_node"} <= set(with_gpus)
    assert {of["nodes"] for of in with_gpus.values()} == {"1"}
    assert of_paper["train_dpo"]["gpu"] == "8"
    assert of_paper["sample_and_judge"]["gpu"] == "1"


def test_a_split_judge_stays_on_one_node(project):
    judge = {"model": "big", "base_url": None, "weights": "seed", "tensor_parallel": 4}
    change = {"benchmarks": {"judges": {"big": judge}, "arena_hard": {"judge": "big"}}}
    (project / "split.yaml").write_text(yaml.safe_dump(change))
    target = "results/seed/benchmarks/arena_hard/verdicts.jsonl"
    result = resources(project, target, "--configfile", "config/paper.yaml", "split.yaml")
    judging = next(of for rule, of in result.items() if of.get("gpu") == "4")
    assert judging["nodes"] == "1"


def test_a_judge_that_is_served_on_a_cpu_requests_no_gpu(project):
    """Otherwise its job waits for ever in a partition without GPUs."""
    judge = {"model": "own", "base_url": None, "weights": "seed"}
    change = {"benchmarks": {"judges": {"own": judge}, "arena_hard": {"judge": "own"}}}
    change["resources"] = {"engine": {"gpu": 0}}
    (project / "cpu_judge.yaml").write_text(yaml.safe_dump(change))
    target = "results/seed/benchmarks/arena_hard/verdicts.jsonl"
    result = resources(project, target, "--configfile", "config/paper.yaml", "cpu_judge.yaml")
    assert "judge_arena_hard" in result
    assert [rule for rule, of in result.items() if "gpu" in of] == []


def test_served_judges_and_regressions_wait_for_the_check_of_a_node(project):
    judge = {"model": "own", "base_url": None, "weights": "seed"}
    names = ("alpaca_eval", "arena_hard", "mt_bench", "judge_vs_gpt4")
    change = {"benchmarks": {"judges": {"own": judge}, **{name: {"judge": "own"} for name in names}}}
    change["benchmarks"]["lm_eval"] = {"tasks": ["ifeval"]}
    (project / "served.yaml").write_text(yaml.safe_dump(change))
    targets = [
        *(f"results/seed/benchmarks/{name}/score.json" for name in (*names, "lm_eval")),
        "results/data/benchmarks/alpaca_eval_categories.json",
    ]
    words = ("--configfile", "config/paper.yaml", "served.yaml", *SLURM)
    out = snakemake(project, "-n", *targets, *words).stdout
    rules = ["measure_regressions", "label_alpaca_eval", "compare_fixed_responses", "compare_best_and_worst"]
    rules += ["judge_alpaca_eval", "judge_arena_hard", "judge_mt_bench"]
    for rule in rules:
        text = out[out.index(f"rule {rule}:") :]
        assert "results/preflight/engine.txt" in text[: text.index("output:")], rule
    paid = snakemake(project, "-n", "results/seed/benchmarks/arena_hard/verdicts.jsonl", *words[:2], *SLURM).stdout
    text = paid[paid.index("rule judge_arena_hard:") :]
    assert "preflight" not in text[: text.index("output:")]


@pytest.mark.slow
def test_the_first_jobs_on_gpus_wait_for_the_check_of_a_node(project):
    words = ("--configfile", "config/paper.yaml", *SLURM)
    run = snakemake(project, "-n", "results/m0/weights", *words)
    training = run.stdout[run.stdout.index("rule train_sft:") :]
    assert "results/preflight/engine.txt" in training[: training.index("output:")]
    assert "results/preflight/training.txt" in training[: training.index("output:")]
    for config in ("config/smoke.yaml", "config/config.yaml"):  # nothing to check without vLLM on GPUs
        run = snakemake(project, "-n", "--configfile", config)
        assert "check_engine_node" not in run.stdout
        assert "preflight" not in run.stdout


def test_training_has_a_process_for_each_gpu(project):
    """Whatever config/accelerate/fsdp_8gpu.yaml says; and a port that no other job on the node has."""
    (project / "four.yaml").write_text("resources: {train: {gpu: 4}}\n")
    words = ("-p", "--configfile", "config/paper.yaml", "four.yaml")
    run = snakemake(project, "-n", "results/m0/weights", *words, *SLURM)
    assert "--num_processes 4 --main_process_port 0" in run.stdout
    assert "--engine_weights results/m0/engine_weights" in run.stdout
    laptop = snakemake(project, "-n", "-p", "results/m0/weights")
    assert "--num_processes 1" in laptop.stdout
    assert "engine_weights" not in laptop.stdout  # one folder where engines compute in float32 or on a CPU


def test_engines_read_the_half_copy_and_training_the_whole(project):
    words = ("--configfile", "config/paper.yaml", *SLURM)
    out = snakemake(project, "-n", "results/meta-rewarding/m1/weights", *words).stdout

    def inputs(rule):
        text = out[out.index(f"rule {rule}:") :]
        return text[text.index("input:") : text.index("output:")]

    assert "results/m0/engine_weights" in inputs("sample_and_judge")
    assert "results/m0/weights" in inputs("train_dpo")
    assert "engine_weights" not in inputs("train_dpo")
    assert "results/seed/weights" in inputs("annotate_eft")


LOG = "results/logs/slurm/rule_train_sft/{}.log"
OOM = "slurmstepd: error: Detected 1 oom_kill event in StepId=7.0. Some of the step tasks have been OOM Killed."
OVER = "slurmstepd: error: StepId=7.0 exceeded memory limit (900 > 500), being killed"
TIME = "slurmstepd: error: *** JOB 7 ON node1 CANCELLED AT 2026-01-01T00:00:00 DUE TO TIME LIMIT ***"


@pytest.mark.parametrize(
    ("texts", "short"),
    [
        ([], (0, 0)),
        ([OOM], (1, 0)),
        ([OVER, OOM], (2, 0)),
        ([TIME], (0, 1)),
        ([OOM, TIME], (1, 1)),
        (["srun: error: node1: task 0: Exited with exit code 1"], (0, 0)),
        ([OOM, "1 of 1 steps (100%) done"], (0, 0)),
    ],
)
def test_what_earlier_tries_were_short_of(tmp_path, texts, short):
    folder = tmp_path / "rule_train_dpo/meta-rewarding_1"
    folder.mkdir(parents=True)
    for number, text in enumerate(texts):
        (folder / f"{number}.log").write_text(text)
        os.utime(folder / f"{number}.log", (number, number))
    result = [shortages.count(tmp_path, "train_dpo", ["meta-rewarding", "1"], key) for key in ("mem_mb", "runtime")]
    assert tuple(result) == short


def test_sbatch_gets_no_token_and_jobs_all_their_cores(monkeypatch):
    plugin = SimpleNamespace(get_submit_command=lambda job: f"sbatch {job}", Executor=type("Executor", (), {}))
    monkeypatch.setitem(snakemake_private.sys.modules, "snakemake_executor_plugin_slurm", plugin)
    for _ in range(2):  # a Snakefile may be read more than once
        snakemake_private.prepare_slurm(["HF_TOKEN", "OPENAI_API_KEY"])
    assert plugin.get_submit_command("x") == "env -u HF_TOKEN -u OPENAI_API_KEY sbatch x"
    assert plugin.Executor.cores == "all"


def test_the_plugin_has_what_is_replaced():
    plugin = importlib.import_module("snakemake_executor_plugin_slurm")
    assert "call = get_submit_command(" in (ROOT / plugin.__file__).read_text()
    assert hasattr(plugin.Executor, "cores")
