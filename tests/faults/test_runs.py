"""Whole runs that meet a fault: what was finished stays, and the message is one line."""

import json
import os
import shutil
import subprocess
from contextlib import contextmanager

import kills
import pytest
from conftest import snakemake

SMOKE = ("--configfile", "config/smoke.yaml")
RESULTS = "results/smoke"
REPORT_DISKS = [  # (size, target, rule that fills it): the figures take 7.1 MB, the page 2.3 MB
    ("100k", "iterations/meta-rewarding/m1.html", "write_iteration_report"),
    ("4m", "index.html", "write_report"),  # full at the figures
    ("8m", "index.html", "write_report"),  # full at the page
]


@pytest.fixture
def done(finished_smoke, tmp_path):
    """A copy of the finished smoke run."""
    folder = tmp_path / "project"
    subprocess.run(["cp", "-a", finished_smoke[0], folder], check=True)
    return folder


def output_of(run) -> str:
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
    assert name in output_of(run)
    assert "Traceback" not in output_of(run)
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
    assert "train_dpo" not in output_of(again)


@pytest.mark.slow
def test_broken_prompts_are_refused_again_and_delete_nothing(done):
    before = kills.hashes(done)
    path = done / "config/smoke/prompts.jsonl"
    good = path.read_text()
    path.write_text(good + '{"prompt_id": "bad id", "text": "x"}\n')
    for _ in range(2):  # the second try meets the same check
        run = snakemake(done, *SMOKE)
        assert run.returncode != 0
        assert "config/smoke/prompts.jsonl, line 13: the prompt_id" in output_of(run)
        assert kills.hashes(done) == before
    path.write_text(good)
    assert planned_rules(done) == []  # no job has started


def planned_rules(folder) -> list[str]:
    import why

    run = snakemake(folder, "-n", *SMOKE)
    assert run.returncode == 0, output_of(run)
    return [job["rule"] for job in why.jobs(output_of(run))]


@pytest.mark.slow
def test_prompts_that_break_while_training_is_due_let_nothing_start(done):
    before = kills.hashes(done)
    prompts = done / "config/smoke/prompts.jsonl"
    prompts.write_text(prompts.read_text().replace('"text"', '"txt"', 1))
    config = done / "config/smoke.yaml"
    config.write_text(config.read_text().replace("learning_rate: 3.0e-3", "learning_rate: 2.0e-3"))
    run = snakemake(done, "--keep-going", *SMOKE)
    assert run.returncode != 0
    assert "config/smoke/prompts.jsonl, line 1: " in output_of(run)
    assert "Traceback" not in output_of(run)
    assert kills.hashes(done) == before


@pytest.mark.slow
def test_an_emptied_shard_of_judgments_is_refused(done):
    (done / RESULTS / "m0/judgments/0.jsonl").write_text("")
    run = snakemake(done, f"{RESULTS}/self-rewarding/m1/pairs/actor.jsonl", *SMOKE)
    assert run.returncode != 0
    assert "the file has 0 rows, and 0.stats.json says" in output_of(run)
    assert "Traceback" not in output_of(run)


@pytest.mark.slow
def test_five_kills_leave_every_byte_and_no_orphan(finished_smoke, tmp_path):
    wanted = kills.hashes(finished_smoke[0])
    result = kills.trial(kills.copy_project(tmp_path / "killed"), [3, 6, 9, 13, 18], wanted)
    assert result["kills"] == 5
    assert (result["orphans"], result["lost"], result["status"]) == (0, 0, 0)


@pytest.mark.slow
def test_a_second_snakemake_in_the_same_folder_is_refused(tmp_path):
    project = kills.copy_project(tmp_path / "project")
    first = kills.start(project)
    kills.time.sleep(6)
    first.send_signal(kills.signal.SIGSTOP)  # it holds its locks, and leaves the processor to the others
    second = snakemake(project, *SMOKE)
    assert second.returncode != 0
    assert "lock" in output_of(second).lower()
    kills.unlock(project)
    second = snakemake(project, *SMOKE)
    assert second.returncode != 0
    assert f"{RESULTS}: another Snakemake (process {first.pid} on " in output_of(second)
    assert snakemake(project, "-n", *SMOKE).returncode == 0
    first.send_signal(kills.signal.SIGHUP)  # as a terminal that is closed
    first.send_signal(kills.signal.SIGCONT)
    first.wait()
    assert snakemake(project, f"{RESULTS}/seed/weights", *SMOKE).returncode == 0  # there is no lock left


@contextmanager
def small_disk(folder, size: str):
    """A block with a file system of ``size`` mounted at ``folder``; it yields a function that sets its size."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    folder.mkdir(parents=True, exist_ok=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("no file system can be mounted here")
    try:
        yield lambda size: subprocess.run(["mount", "-o", f"remount,size={size}", folder], check=True)
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.mark.slow
def test_a_full_disk_is_named_and_the_run_goes_on_after_it(tmp_path):
    project = kills.copy_project(tmp_path / "project")
    words = (*SMOKE, "--config", "run=[self-rewarding]")
    with small_disk(project / RESULTS, "700k") as enlarge:
        run = snakemake(project, *words)
        assert run.returncode != 0
        assert "the disk is full. Make room" in output_of(run)
        enlarge("200m")
        assert snakemake(project, *words).returncode == 0


@pytest.mark.slow
def test_a_disk_that_is_full_for_the_report_is_named_and_costs_nothing(done):
    before = kills.hashes(done)
    report = done / RESULTS / "report"
    shutil.rmtree(report)
    with small_disk(report, "100k") as enlarge:
        for size, target, rule in REPORT_DISKS:
            enlarge(size)
            run = snakemake(done, f"{RESULTS}/report/{target}", *SMOKE)
            assert run.returncode != 0, size
            assert f"ERROR {rule}: {RESULTS}/report" in output_of(run), size
            assert "the disk is full. Make room" in output_of(run), size
            assert "Traceback" not in output_of(run), size
            assert (report / ".index.html.partial").exists() == (size == "8m")
            assert kills.hashes(done) == before
        enlarge("200m")
        assert snakemake(done, *SMOKE).returncode == 0
        assert planned_rules(done) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "kind"),
    [("seed/weights", "empty folder"), ("m0/weights", "file"), ("m0/weights", "empty folder"), ("data/eft", "file")],
)
def test_something_else_in_place_of_a_folder_of_results_is_named_and_costs_nothing(done, name, kind):
    folder = done / RESULTS / name
    shutil.rmtree(folder)
    if kind == "file":
        folder.write_text("")
    else:
        folder.mkdir()
    before = kills.hashes(done)
    run = snakemake(done, *SMOKE)
    assert run.returncode != 0
    assert f"{RESULTS}/{name}: " in output_of(run)
    assert "Traceback" not in output_of(run)
    assert kills.hashes(done) == before


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
    assert "config/smoke/prompts.jsonl does not exist" in output_of(run)
