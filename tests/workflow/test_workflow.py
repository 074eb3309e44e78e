"""Dry-runs of the workflow, and its messages about bad input."""

import json
import re
from pathlib import Path

import pytest
import settings
import why
import yaml
from conftest import ROOT, copy_project, job_counts, planned, snakemake

SMOKE = ("--configfile", "config/smoke.yaml")


def overlay(project, change: dict) -> tuple[str, ...]:
    """Return --configfile words for the smoke config with ``change`` laid over it."""
    (project / "change.yaml").write_text(yaml.safe_dump(change))
    return (*SMOKE, "change.yaml")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Return the project without results; no test changes a file of it."""
    return copy_project(tmp_path_factory.mktemp("project"))


def test_the_laptop_plans_four_iterations_of_meta_rewarding(project):
    jobs = planned(project)
    assert jobs["train_sft"] == 1
    assert jobs["train_dpo"] == 4
    assert jobs["sample_and_judge"] == 4  # M0 .. M3
    assert jobs["meta_judge"] == 2  # iterations 3 and 4 train on actor pairs only
    assert jobs["fit_elo"] == jobs["build_judge_pairs"] == 2
    assert jobs["evaluate_model"] == jobs["judge_answers"] == jobs["judge_agreement"] == 6  # the seed, M0 .. M4
    # how often the run starts an engine
    assert sum(jobs[rule] for rule in ("sample_and_judge", "meta_judge", "evaluate_model", "judge_answers")) == 18


def test_self_rewarding_asks_for_no_meta_judgment(project):
    jobs = planned(project, "results/self-rewarding/m4/weights")
    assert jobs["train_dpo"] == jobs["sample_and_judge"] == 4
    for rule in ("meta_judge", "fit_elo", "build_judge_pairs", "evaluate_model"):
        assert rule not in jobs


def test_two_methods_share_m0_and_its_samples(project):
    jobs = planned(project, "--config", "run=[meta-rewarding,self-rewarding]")
    assert jobs["train_sft"] == 1
    assert jobs["train_dpo"] == 8
    assert jobs["sample_and_judge"] == 1 + 3 + 3
    assert jobs["meta_judge"] == 2


PAPER = ("--configfile", "config/paper.yaml")


def test_the_paper_is_planned_and_asks_for_no_meta_judgment_where_none_is_trained_on(project):
    run = snakemake(project, "-n", *PAPER)
    assert run.returncode == 0, run.stdout
    jobs, shards = job_counts(run.stdout), 8
    assert jobs["train_sft"] == 1
    assert jobs["train_dpo"] == 8
    assert jobs["sample_and_judge"] == (1 + 3 + 3) * shards  # M0 once, M1 .. M3 of both
    assert jobs["meta_judge"] == 2 * shards  # M0 and M1 of Meta-Rewarding
    assert jobs["fit_elo"] == jobs["build_judge_pairs"] == 2
    assert jobs["annotate_eft"] == shards
    assert jobs["generate_prompts"] == 1
    assert jobs["fetch_trees"] == jobs["fetch_seed_model"] == 1
    assert "fetch_other_model" not in jobs
    assert jobs["evaluate_model"] == 10
    requests = set(re.findall(r"results/(\S+)/meta_judgments/\d+\.jsonl", run.stdout))
    assert requests == {"m0", "meta-rewarding/m1"}


@pytest.fixture(scope="module")
def few_shards(project):
    """Return --configfile words for the paper's config with few shards, which makes a dry-run several times as fast."""
    few = {"sampling": {"shards": 2}}
    (project / "few.yaml").write_text(yaml.safe_dump(few))
    return (*PAPER, "few.yaml")


def test_the_ablations_share_what_they_can(project, few_shards):
    jobs = planned(project, *few_shards, "config/ablations.yaml")
    shards = 2
    assert jobs["train_sft"] == 1
    assert jobs["train_dpo"] == 8 + 9 + 4 + 4 + 2 + 5 + 4 + 2
    # Of the ablations, those of two rounds or more sample from their own models; M4 is sampled for a fifth.
    assert jobs["sample_and_judge"] == (7 + 3 + 3 + 1 + 2) * shards
    assert jobs["meta_judge"] == (2 + 1 + 1 + 1) * shards  # no-position-weights' M1; M2 and its child's M1
    assert jobs["build_prompts"] == 2


@pytest.mark.slow
@pytest.mark.parametrize("study", sorted(path.name for path in (ROOT / "config/studies").glob("*.yaml")))
def test_a_study_is_planned_under_its_own_root(project, few_shards, study):
    run = snakemake(project, "-n", *few_shards, f"config/studies/{study}")
    assert run.returncode == 0, run.stdout
    roots = set(re.findall(r"results/([^/\s,]+)/m0/weights", run.stdout))
    assert roots == {study.removesuffix(".yaml")}


def test_prompts_are_generated_on_request(project):
    jobs = planned(project, "results/data/prompts/1.jsonl", "--config", "prompts={source: generate}")
    assert jobs["generate_prompts"] == 1
    assert jobs["fetch_seed_model"] == jobs["split_rankings"] == 1


def test_nested_values_of_the_command_line_reach_the_jobs(project):
    """Snakemake reads each of them as a text."""
    words = ("--configfile", "config/smoke.yaml", "--config", "sampling={seed: 1, shards: 2}", "plan={parameters: 1e9}")
    run = snakemake(project, "-n", *words)
    assert run.returncode == 0, run.stdout
    assert job_counts(run.stdout)["sample_and_judge"] % 2 == 0
    refused = snakemake(project, "-n", "--configfile", "config/smoke.yaml", "--config", "sampling={seed: one}")
    assert refused.returncode != 0
    assert "config: sampling.seed: 'one' is not of type 'integer'" in refused.stdout


def test_every_output_has_a_place():
    """The output of rule export is a folder directly under the root."""
    outputs = ("results/export", "results/self-rewarding/m1/weights", "results/m0/weights", "results/data/checked")
    places = [why._place({"output": [output]}, Path("results")) for output in outputs]
    assert places == ["export", "self-rewarding/m1", "m0", "data"]


@pytest.mark.parametrize(("name", "listed"), [("vllm", []), ("transformers", ["engine.batch_size"])])
def test_what_only_sets_how_much_an_engine_computes_at_once_is_no_reason(tmp_path, monkeypatch, name, listed):
    """As in the rules: such settings rerun nothing, so why.py does not list them."""
    monkeypatch.chdir(ROOT)
    then = settings.resolve(settings.load(["config/smoke.yaml"], [f"engine={{name: {name}}}"]))
    manifest = tmp_path / "manifest.json"
    manifest.write_text(json.dumps({"config": then}))
    room = {"max_num_seqs": 8, "max_num_batched_tokens": 2048, "gpu_memory_utilization": 0.5, "batch_size": 3}
    job = {"rule": "train_sft", "output": [str(manifest)], "wildcards": {}}
    changes = why.also_changed(tmp_path, [job], then | {"engine": then["engine"] | room}, "")
    assert [change.split(":")[0] for change in changes] == listed


def test_an_annotator_of_its_own_is_fetched_and_asked_and_every_sampling_stage_is_sharded(project):
    change = {"eft": {"annotator": "hf://owner/name@abc"}, "sampling": {"shards": 2}}
    jobs = planned(project, *overlay(project, change))
    assert jobs["fetch_other_model"] == 1
    assert jobs["annotate_eft"] == 2
    assert jobs["train_dpo"] == 3
    assert jobs["sample_and_judge"] == 2 * 2  # M0, and M1 of Meta-Rewarding
    assert jobs["meta_judge"] == 2 * 2


def test_a_method_that_starts_from_a_model_shares_all_up_to_it(project):
    words = overlay(
        project,
        {
            "methods": {"ablation": {"starts_from": "meta-rewarding/m1", "iterations": [{"train_on": ["actor"]}]}},
            "run": ["meta-rewarding", "ablation"],
        },
    )
    jobs = planned(project, *words)
    assert jobs["train_dpo"] == 3
    assert jobs["sample_and_judge"] == 2  # nothing is sampled for the ablation alone


def test_an_own_root_moves_everything(project):
    run = snakemake(project, "-n", *overlay(project, {"pathvars": {"results": "results/study"}}))
    assert run.returncode == 0, run.stderr
    assert "results/study/seed/weights" in run.stdout + run.stderr
    assert "results/smoke" not in run.stdout + run.stderr


@pytest.mark.parametrize(
    ("change", "output"),
    [
        ({"sampling": {"tempratur": 1}}, "config: sampling.tempratur: no such key"),
        ({"methods": {"self-rewarding": {"iterations": [{"rho": 0.1}]}}}, "iterations[0].train_on: missing"),
        ({"templates": {"judge": "config/nowhere.txt"}}, "templates.judge: the file config/nowhere.txt does not exist"),
        ({"prompts": {"per_iteration": 7}}, "2 iterations of prompts.per_iteration 7 need 14 prompts"),
    ],
)
def test_a_bad_config_gets_one_message_and_no_traceback(project, change, output):
    run = snakemake(project, "-n", *overlay(project, change))
    assert run.returncode != 0
    assert output in run.stdout + run.stderr
    assert "Traceback" not in run.stdout + run.stderr


def test_an_iteration_that_does_not_exist_is_refused(project):
    run = snakemake(project, "-n", "results/meta-rewarding/m5/weights")
    assert run.returncode != 0
    assert "has 4 iterations" in run.stdout + run.stderr


def test_a_template_without_a_placeholder_is_refused_before_anything_is_sampled(project):
    (project / "grade.txt").write_text("Grade {prompt}")
    words = overlay(project, {"templates": {"judge": "grade.txt"}})
    run = snakemake(project, "results/smoke/data/eft/train.jsonl", *words)
    assert run.returncode != 0
    assert "the judge template lacks {response}" in run.stdout + run.stderr
    assert "Traceback" not in run.stdout + run.stderr


@pytest.mark.slow
def test_the_catalog_finds_what_it_asks_of_a_standardised_workflow(project):
    usage = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert usage["report"] is True
    assert usage["software-stack-deployment"]["conda"] is True
    readme = (ROOT / "README.md").read_text().lower()
    assert "snakemake" in readme
    assert "workflow" in readme
    assert (ROOT / "config/README.md").is_file()
    here, there = planned(project, *SMOKE), planned(project, *SMOKE, "-s", "workflow/Snakefile")
    assert there - here == {"run_all": 1}
    assert not here - there
