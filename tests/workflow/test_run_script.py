"""Any program runs outside Snakemake, with the job that Snakemake would give it."""

import subprocess
import sys

import pytest
from conftest import copy_project, environment, snakemake

PROMPTS = "results/smoke/data/prompts/1.jsonl"


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return copy_project(tmp_path_factory.mktemp("by_hand") / "project")


def by_hand(folder, file):
    words = [sys.executable, "workflow/run_script.py", file, "--configfile", "config/smoke.yaml"]
    return subprocess.run(words, cwd=folder, env=environment(), capture_output=True, text=True)


@pytest.mark.slow
def test_a_file_that_no_rule_makes_and_missing_inputs_get_one_message(project):
    for file, output in (
        ("results/smoke/no_such_file", "no rule makes results/smoke/no_such_file"),
        (PROMPTS, "rule slice_prompts needs results/smoke/data/prompts/pool/1.jsonl, which is missing"),
    ):
        run = by_hand(project, file)
        assert run.returncode == 1
        assert run.stderr.startswith(f"error: {output}")
        assert "Traceback" not in run.stderr


def test_a_rule_with_a_command_has_it_printed(project):
    (project / "results/smoke/seed/weights").mkdir(parents=True)
    data = project / "results/smoke/data/eft/train.jsonl"
    data.parent.mkdir(parents=True)
    data.touch()
    (project / "results/smoke/data/checked").mkdir()
    run = by_hand(project, "results/smoke/m0/weights")
    assert "scripts/train/train_sft.py" in run.stdout, run.stderr
    assert "--model results/smoke/seed/weights" in run.stdout


@pytest.mark.slow
def test_a_program_by_hand_writes_what_snakemake_writes(tmp_path):
    project = copy_project(tmp_path / "project")
    run = snakemake(project, PROMPTS, "--configfile", "config/smoke.yaml")
    assert run.returncode == 0, run.stderr
    written = (project / PROMPTS).read_bytes()
    log = (project / "results/smoke/logs/slice_prompts/1.log").read_bytes()
    (project / PROMPTS).unlink()
    run = by_hand(project, PROMPTS)
    assert run.returncode == 0, run.stderr
    assert (project / PROMPTS).read_bytes() == written
    assert (project / "results/smoke/logs/slice_prompts/1.log").read_bytes() == log
