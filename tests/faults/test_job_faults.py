"""Faults around a job: the disk, the driver, an interrupt, outputs that a rerun would lose."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from jobs import job, judgment, read, response, verdict, write

from metarewarding import meta_judging
from metarewarding.errors import UserError
from metarewarding.jobs import driver, kept, lock
from metarewarding.jobs.disk import disk_fault
from metarewarding.jobs.job import reporting
from preferences import build_actor_pairs, build_judge_pairs, fit_elo
from preferences.check_pairs import check

ROOT = Path(__file__).parents[2]


# -- the disk

DISK = [
    (OSError(errno.ENOSPC, "", "results/a"), "results/a: the disk is full. Make room"),
    (OSError(errno.EDQUOT, "", "results/a"), "results/a: the disk quota is used up"),
    (OSError(errno.ENOSPC, ""), "the disk is full"),
    (OSError(errno.EROFS, "", "results/a"), "results/a: the disk is read-only"),
    (PermissionError(errno.EACCES, "", "results/a"), "results/a: there is no permission"),
    (IsADirectoryError(errno.EISDIR, "", "results/a"), "results/a: a folder is where a file should be"),
    (
        IsADirectoryError(errno.EISDIR, "", ".a.partial", None, "results/a"),
        "results/a: a folder is where a file should be",
    ),
    (FileExistsError(errno.EEXIST, "", "results"), "results: a file is where a folder should be"),
    (NotADirectoryError(errno.ENOTDIR, "", "results/a"), "results/a: a file is where a folder should be"),
    (FileNotFoundError(errno.ENOENT, "", "results/a"), "results/a: it does not exist"),
    (OSError(errno.ENAMETOOLONG, "", "x"), "x: the name is too long"),
    (RuntimeError("I/O error: No space left on device (os error 28)"), "the disk is full"),
]


@pytest.mark.parametrize(("error", "words"), DISK, ids=range(len(DISK)))
def test_a_fault_of_the_disk_is_one_line(capsys, error, words):
    with pytest.raises(SystemExit) as end, reporting("tested"):
        raise error
    output = capsys.readouterr().err
    assert end.value.code == 1
    assert words in output
    assert output.count("\n") == 1


@pytest.mark.parametrize("error", [KeyError("x"), OSError(errno.ECONNREFUSED, "refused"), ValueError("os error 2")])
def test_other_faults_keep_their_traceback(capsys, error):
    with pytest.raises(SystemExit), reporting("tested"):
        raise error
    assert disk_fault(error) is None
    assert "Traceback" in capsys.readouterr().err


def test_an_interrupt_is_one_line(capsys):
    with pytest.raises(SystemExit) as end, reporting("tested"):
        raise KeyboardInterrupt
    assert end.value.code == 130
    assert capsys.readouterr().err.endswith(" ERROR tested: interrupted\n")


# -- the driver

CHILD = """
import os, sys, time
from metarewarding.jobs.driver import VARIABLE, end_with_driver, identity
import subprocess
grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
end_with_driver()
print(grandchild.pid, flush=True)
time.sleep(600)
"""
DRIVER = """
import os, signal, subprocess, sys
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests may have been started with nohup, which ignores it
from metarewarding.jobs.driver import VARIABLE, identity
os.environ[VARIABLE] = identity(os.getpid())
subprocess.run(["bash", "-c", "set -e; " + sys.executable + ' -c "$0"', sys.argv[1]])
"""


def ended(pid: int, seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if driver.identity(pid) is None:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("kind", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_a_job_and_its_children_end_with_the_driver(kind):
    words = [sys.executable, "-c", DRIVER, CHILD]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        grandchild = int(process.stdout.readline())
        children = driver.descendants(process.pid)
        time.sleep(0.2)
        process.send_signal(kind)
        process.wait()
        alive = [pid for pid in children if not ended(pid)]
        for pid in alive:
            os.kill(pid, signal.SIGKILL)
        assert grandchild in children
        assert len(children) >= 2  # the job, its child, and a shell where it has not given its place to the job
        assert not alive


def test_a_job_without_a_driver_and_one_of_another_machine_go_on(monkeypatch):
    for value in ("", f"{os.getpid()} 1", "999999999 1"):
        monkeypatch.setenv(driver.VARIABLE, value)
        driver.end_with_driver()
    time.sleep(0.3)


@pytest.fixture
def root(tmp_path, monkeypatch):
    """Return a results folder, with this process as a job of its driver."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(driver.VARIABLE, driver.identity(os.getpid()))
    monkeypatch.delenv("METAREWARDING_CONFIG", raising=False)  # a test that loads the workflow leaves its own
    monkeypatch.setattr(lock, "_held", [])
    return tmp_path / "results"


def holds(function: str):
    """Start another process that takes and keeps a lock by ``function`` of metarewarding.jobs.lock."""
    words = f"from metarewarding.jobs import lock; lock.{function}(); print(1, flush=True); input()"
    process = subprocess.Popen([sys.executable, "-c", words], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"1\n"
    return process


@pytest.mark.parametrize(
    ("function", "words"),
    [
        ("lock_as_driver", "results: another Snakemake (process {} on "),
        ("lock_as_job", "results: a job of an earlier run"),
    ],
)
def test_a_results_folder_has_one_driver_and_no_jobs_of_another(root, function, words):
    root.mkdir()
    with holds(function) as other:
        with pytest.raises(UserError) as error:
            lock.lock_as_driver()
        assert words.format(other.pid) in str(error.value)
        other.kill()


@pytest.mark.parametrize("function", ["lock_as_driver", "lock_as_job"])
def test_a_killed_process_leaves_no_lock(root, function):
    root.mkdir()
    with holds(function) as other:
        other.kill()
    lock.lock_as_driver()
    lock.lock_as_job()  # of this driver


# -- outputs that a failing rerun would lose


def model(folder, text="old"):
    weights = folder / "m0/weights"
    weights.mkdir(parents=True, exist_ok=True)
    (weights / "model.safetensors").write_text(text)
    (folder / "m0/training.json").write_text(text)
    return [weights, folder / "m0/training.json"]


def remove(paths):
    for path in paths:
        subprocess.run(["rm", "-r", path], check=True)


def test_outputs_that_are_deleted_come_back_by_one_command(tmp_path):
    outputs = model(tmp_path)
    kept.keep(outputs)
    assert not list(tmp_path.rglob(".kept/**/*.safetensors"))
    inode = (outputs[0] / "model.safetensors").stat().st_ino
    remove(outputs)
    words = [sys.executable, ROOT / "workflow/restore.py", tmp_path]
    output = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert str(outputs[0]) in output
    assert "Undo the change first" in output
    assert (outputs[0] / "model.safetensors").stat().st_ino == inode  # no copy
    assert outputs[1].read_text() == "old"
    assert "Nothing to restore" in subprocess.run(words, capture_output=True, text=True, check=True).stdout


def test_what_is_kept_is_replaced_by_the_next_success(tmp_path):
    kept.keep(model(tmp_path))
    remove([tmp_path / "m0/weights"])
    outputs = model(tmp_path, "new")
    kept.keep(outputs)
    remove(outputs)
    kept.restore(tmp_path)
    assert (outputs[0] / "model.safetensors").read_text() == "new"


def test_a_restored_output_is_older_than_what_was_made_from_it(tmp_path):
    outputs = model(tmp_path)
    later = tmp_path / "m1.jsonl"
    earlier = tmp_path / "seed.jsonl"
    for path, stamp in ((earlier, 100), *((path, 200) for path in outputs), (later, 300)):
        path.touch()
        os.utime(path, (stamp, stamp))
    kept.keep(outputs)
    recipe = tmp_path.parent / f"{tmp_path.name}.yaml"
    recipe.touch()
    remove(outputs)
    kept.restore(tmp_path)
    stamps = [path.stat().st_mtime for path in (earlier, recipe, outputs[0], later)]
    assert stamps == sorted(stamps)
    assert stamps[0] == 100


def test_a_file_system_without_hard_links_costs_a_warning(tmp_path, monkeypatch, caplog):
    def refuse(*words, **more):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    kept.keep([model(tmp_path)[1]])
    assert "is not kept" in caplog.text
    assert kept.restore(tmp_path) == []


# -- data in the loop

PROMPTS = [{"prompt_id": "p0", "text": "Say hi."}]
LOOP = {"rho": 0.0, "max_chosen_chars": None, "allow_truncated_chosen": True, "k": None, "n": None}
LOOP |= {"consistent_halves": False}


def actor(tmp_path, responses, judgments):
    inputs = {"prompts": write(tmp_path / "p.jsonl", *PROMPTS), "responses": [write(tmp_path / "r.jsonl", *responses)]}
    inputs["judgments"] = [write(tmp_path / "j.jsonl", *judgments)]
    outputs = {"scores": "s.jsonl", "pairs": "pairs.jsonl", "stats": "stats.json"}
    return job(tmp_path, inputs, outputs, LOOP | {"system_prompt": None})


def test_an_empty_response_is_never_chosen(tmp_path):
    rows = [response(0, " \n"), response(1, "a"), response(2, "bb")]
    build_actor_pairs.main(actor(tmp_path, rows, [judgment(k, 0, score) for k, score in enumerate((5, 5, 1))]))
    (pair,) = read(tmp_path / "pairs.jsonl")
    assert (pair["chosen_id"], pair["rejected_id"]) == ("p0/r1", "p0/r2")


def test_judgments_of_a_renamed_response_are_refused(tmp_path, refused):
    built = actor(tmp_path, [response(0, "a"), response(1, "b")], [judgment(0, 0, 5), judgment(7, 0, 1)])
    assert "the response_id 'p0/r7' is not in the responses" in refused(build_actor_pairs, built)


def test_responses_to_an_unknown_prompt_are_refused(tmp_path, refused):
    built = actor(tmp_path, [response(0, "a", "p7"), response(1, "b")], [judgment(1, 0, 1)])
    assert "the prompt_id 'p7' is not in" in refused(build_actor_pairs, built)


def test_verdicts_on_unknown_judgments_are_refused(tmp_path, refused):
    inputs = {"judgments": [write(tmp_path / "j.jsonl", judgment(0, 0, 5))]}
    inputs["meta_judgments"] = [write(tmp_path / "m.jsonl", verdict(0, 9, "first"))]
    built = job(tmp_path, inputs, {"elo": "e.jsonl", "stats": "s.json"}, {"position_weights": "iteration", "elo_l2": 1})
    assert "the second 'p0/r0/j9' is not in the judgments" in refused(fit_elo, built)


def test_elo_of_unknown_judgments_is_refused(tmp_path, refused):
    elo = {"prompt_id": "p0", "response_id": "p0/r0", "judgment_id": "p0/r0/j9", "elo": 0.0}
    template = tmp_path / "judge.txt"
    template.write_text("{prompt} {response}")
    inputs = {"prompts": write(tmp_path / "p.jsonl", *PROMPTS), "elo": write(tmp_path / "e.jsonl", elo)}
    inputs |= {"responses": [write(tmp_path / "r.jsonl", response(0, "a"))], "template": template}
    inputs["judgments"] = [write(tmp_path / "j.jsonl", judgment(0, 0, 5))]
    built = job(tmp_path, inputs, {"pairs": "x.jsonl", "stats": "s.json"}, {"max_judgment_chars": None, "seed": 0})
    assert "the judgment_id 'p0/r0/j9' is not in the judgments" in refused(build_judge_pairs, built)


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [(12, 0, "named A, the judgment shown first, in all of its 12"), (0, 12, "named B, the judgment shown second")],
)
def test_a_meta_judge_that_always_names_one_place_is_named(first, second, words):
    facts = {"first_wins": first, "second_wins": second}
    assert words in meta_judging.one_sided(facts)
    gates = {"min_parse_rate": 0, "min_meta_parse_rate": 0, "max_truncated": 1, "min_actor_pairs": 0}
    with pytest.raises(Exception, match=words):
        check({"elo": facts}, gates | {"min_judge_pairs": 0}, "pairs/stats.json")


@pytest.mark.parametrize(("first", "second"), [(11, 1), (3, 0), (0, 0)])
def test_a_meta_judge_that_names_both_or_hardly_any_is_not(first, second):
    assert meta_judging.one_sided({"first_wins": first, "second_wins": second}) is None


def test_jobs_that_ask_an_engine_keep_their_outputs(tmp_path):
    from metarewarding.jobs.job import logged

    built = job(tmp_path, {}, {"rows": "rows.jsonl"}, {"store": "x"})
    built.output = [str(tmp_path / "rows.jsonl")]
    logged(lambda of: Path(of.output[0]).write_text("{}\n"))(built)
    assert (tmp_path / ".kept/rows.jsonl.kept").read_text() == "{}\n"
