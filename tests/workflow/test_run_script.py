"""A program run by hand makes the file that Snakemake makes."""

import subprocess
import sys

from conftest import copy_project, environment, snakemake

SLICE = "results/smoke/data/prompts/1.jsonl"
CONFIG = ("--configfile", "config/smoke.yaml")


def by_hand(project, target):
    words = [sys.executable, "workflow/run_script.py", target, *CONFIG]
    return subprocess.run(words, cwd=project, env=environment(), capture_output=True, text=True)


def test_a_program_by_hand_writes_the_same_file_and_prints_to_the_terminal(project, tmp_path_factory):
    other = copy_project(tmp_path_factory.mktemp("snakemake") / "project")
    assert snakemake(other, SLICE, *CONFIG).returncode == 0
    first = by_hand(project, "results/smoke/data/prompts/pool/1.jsonl")
    assert first.returncode == 0, first.stderr
    assert "12 distinct prompts" in first.stdout
    done = by_hand(project, SLICE)
    assert done.returncode == 0, done.stderr
    assert (project / SLICE).read_bytes() == (other / SLICE).read_bytes()


def test_what_cannot_be_run_gets_one_message(project):
    missing = by_hand(project, "results/smoke/m0/training.json")
    assert missing.returncode == 1
    assert "Make them first: envs/run snakemake results/smoke/seed/weights" in missing.stderr
    assert "No rule to produce results/nothing" in by_hand(project, "results/nothing").stderr
    assert "Traceback" not in missing.stderr


def test_the_command_of_a_training_is_printed(project):
    (project / "results/smoke/seed/weights").mkdir(parents=True)
    (project / "results/smoke/data/eft").mkdir(parents=True)
    (project / "results/smoke/data/eft/train.jsonl").write_text("")
    assert by_hand(project, "results/smoke/m0/training.json").stdout.startswith("accelerate-launch --config_file")
