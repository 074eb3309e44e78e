"""Whole runs that meet a fault: what was finished stays, and the message is one line."""

import json
import os
import shutil
import subprocess

import kills
import pytest
from conftest import snakemake

SMOKE = ("--configfile", "config/smoke.yaml")
RESULTS = "results/smoke"


@pytest.fixture
def done(finished_smoke, tmp_path):
    """A copy of the finished smoke run."""
    folder = tmp_path / "project"
    subprocess.run(["cp", "-a", finished_smoke[0], folder], check=True)
    return folder


def said(run) -> str:
    return run.stdout + run.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("config/trl/dpo_laptop.yaml", "lerning_rate_typo: 3\n"),
        ("config/trl/dpo_laptop.yaml", "per_device_train_batch_size: 3\n"),
        ("config/trl/dpo_laptop.yaml", ""),
        ("config/accelerate/cpu.yaml", ""),
        ("config/accelerate/cpu.yaml", "distributed_type: [\n"),
    ],
)
def test_a_broken_recipe_over_old_weights_costs_nothing(done, name, text):
    before = kills.hashes(done)
    (done / name).write_text(text)
    run = snakemake(done, *SMOKE)
    assert run.returncode != 0
    assert name in said(run)
    assert "Traceback" not in said(run)
    assert kills.hashes(done) == before


@pytest.mark.slow
def test_a_training_that_fails_over_old_weights_loses_nothing_for_good(done):
    """The recipe passes every check, and training stops: one message, and one command brings the weights back."""
    before = kills.hashes(done)
    recipe = done / "config/trl/dpo_laptop.yaml"
    good = recipe.read_text()
    recipe.write_text(good + "max_steps: 3\nlr_scheduler_kwargs: {no_such_argument: 1}\n")
    target = f"{RESULTS}/self-rewarding/m1/weights"
    assert snakemake(done, target, *SMOKE).returncode != 0
    assert not (done / target).exists()
    recipe.write_text(good)
    subprocess.run([kills.sys.executable, "workflow/restore.py", RESULTS], cwd=done, check=True)
    assert kills.hashes(done) == before
    again = snakemake(done, "-n", *SMOKE)
    assert "train_dpo" not in said(again)


@pytest.mark.slow
def test_broken_prompts_are_refused_again_and_delete_nothing(done):
    before = kills.hashes(done)
    path = done / "config/smoke/prompts.jsonl"
    good = path.read_text()
    path.write_text(good + '{"prompt_id": "bad id", "text": "x"}\n')
    for _ in range(2):  # the second try meets the same check
        run = snakemake(done, *SMOKE)
        assert run.returncode != 0
        assert "config/smoke/prompts.jsonl, line 13: the prompt_id" in said(run)
        assert kills.hashes(done) == before
    path.write_text(good)
    assert planned_rules(done) == []  # no job has started


def planned_rules(folder) -> list[str]:
    import why

    run = snakemake(folder, "-n", *SMOKE)
    assert run.returncode == 0, said(run)
    return [job["rule"] for job in why.jobs(said(run))]


@pytest.mark.slow
def test_prompts_that_break_while_training_is_due_let_nothing_start(done):
    before = kills.hashes(done)
    prompts = done / "config/smoke/prompts.jsonl"
    prompts.write_text(prompts.read_text().replace('"text"', '"txt"', 1))
    config = done / "config/smoke.yaml"
    config.write_text(config.read_text().replace("learning_rate: 3.0e-3", "learning_rate: 2.0e-3"))
    run = snakemake(done, "--keep-going", *SMOKE)
    assert run.returncode != 0
    assert "config/smoke/prompts.jsonl, line 1: " in said(run)
    assert "Traceback" not in said(run)
    assert kills.hashes(done) == before


@pytest.mark.slow
def test_an_emptied_shard_of_judgments_is_refused(done):
    (done / RESULTS / "m0/judgments/0.jsonl").write_text("")
    run = snakemake(done, f"{RESULTS}/self-rewarding/m1/pairs/actor.jsonl", *SMOKE)
    assert run.returncode != 0
    assert "the file has 0 rows, and 0.stats.json says" in said(run)
    assert "Traceback" not in said(run)


@pytest.mark.slow
def test_five_kills_leave_every_byte_and_no_orphan(finished_smoke, tmp_path):
    wanted = kills.hashes(finished_smoke[0])
    result = kills.trial(kills.copy_project(tmp_path / "killed"), [4, 9, 13, 18, 25], wanted)
    assert result["kills"] == 5
    assert (result["orphans"], result["lost"], result["status"]) == (0, 0, 0)


@pytest.mark.slow
def test_a_second_snakemake_in_the_same_folder_is_refused(tmp_path):
    project = kills.copy_project(tmp_path / "project")
    first = kills.start(project)
    kills.time.sleep(6)
    second = snakemake(project, *SMOKE)
    assert second.returncode != 0
    assert "lock" in said(second).lower()
    kills.unlock(project)
    second = snakemake(project, *SMOKE)
    assert second.returncode != 0
    assert f"{RESULTS}: another Snakemake (process {first.pid} on " in said(second)
    assert snakemake(project, "-n", *SMOKE).returncode == 0
    first.send_signal(kills.signal.SIGHUP)  # as a terminal that is closed
    first.wait()
    assert snakemake(project, f"{RESULTS}/seed/weights", *SMOKE).returncode == 0  # there is no lock left


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")
def test_a_full_disk_is_named_and_the_run_goes_on_after_it(tmp_path):
    project, disk = kills.copy_project(tmp_path / "project"), tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=700k", "tmpfs", disk], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("no file system can be mounted here")
    try:
        (project / "results").mkdir()
        (project / "results/smoke").symlink_to(disk)
        run = snakemake(project, *SMOKE)
        assert run.returncode != 0
        assert "the disk is full. Make room" in said(run)
        subprocess.run(["mount", "-o", "remount,size=200m", disk], check=True)
        assert snakemake(project, *SMOKE).returncode == 0
    finally:
        subprocess.run(["umount", disk], check=True)


@pytest.mark.slow
def test_a_folder_in_place_of_a_file_is_named(done):
    stats = done / RESULTS / "m0/judgments/0.stats.json"
    facts = json.loads(stats.read_text())
    assert facts["max_score"] == 5
    shutil.rmtree(done / RESULTS / "data/prompts")
    prompts = done / "config/smoke/prompts.jsonl"
    prompts.unlink()
    prompts.mkdir()
    run = snakemake(done, *SMOKE)
    assert run.returncode != 0
    assert "config/smoke/prompts.jsonl does not exist" in said(run)
