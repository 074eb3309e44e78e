"""envs/run says what is missing; the conda files hold what their locks say."""

import os
import shutil
import subprocess

import pytest
import yaml
from conftest import ROOT

TOOLS = ("bash env dirname cmp flock uname df awk grep cat cp rm printf mkdir").split()


@pytest.fixture
def machine(tmp_path):
    """A folder with envs/run, and one with the few commands that it may call; tests add or replace some."""
    (tmp_path / "envs").mkdir()
    for name in ("run", "laptop.lock"):
        shutil.copy2(ROOT / "envs" / name, tmp_path / "envs" / name)
    (tmp_path / "bin").mkdir()
    for tool in TOOLS:
        if shutil.which(tool):
            (tmp_path / "bin" / tool).symlink_to(shutil.which(tool))
    command(tmp_path, "python3.11", "exit 0")
    command(tmp_path, "g++", "exit 0")
    return tmp_path


def command(machine, name, body):
    file = machine / "bin" / name
    file.unlink(missing_ok=True)
    file.write_text(f"#!{shutil.which('bash')}\n{body}\n")
    file.chmod(0o755)


def run(machine, *words):
    environment = {"PATH": str(machine / "bin"), "HOME": str(machine)}
    return subprocess.run([machine / "envs/run", *words], env=environment, capture_output=True, text=True, timeout=60)


def refused(machine):
    finished = run(machine, "true")
    assert finished.returncode == 1
    return finished.stderr


def test_without_a_command_it_says_how_it_is_used(machine):
    assert "Usage: envs/run COMMAND" in run(machine).stderr


def test_another_platform_is_named(machine):
    command(machine, "uname", "echo Darwin arm64")
    assert "this machine is Darwin arm64" in refused(machine)


def test_a_wrong_python_is_named(machine):
    command(machine, "python3.11", "exit 1")
    command(machine, "python3", 'if [ "$1" = --version ]; then echo Python 3.13.1; fi; exit 1')
    said = refused(machine)
    assert "Python 3.11 was not found" in said
    assert "Python 3.13.1" in said


def test_a_missing_compiler_is_named(machine):
    (machine / "bin/g++").unlink()
    assert "no C++ compiler was found" in refused(machine)


def test_a_full_disk_is_named(machine):
    command(machine, "df", "echo 'Filesystem 1024-blocks Used Available'; echo '/dev/x 100 98 2097152'")
    assert "has 2 GB free" in refused(machine)


def test_a_whole_environment_is_not_touched(machine):
    (machine / ".venv/bin").mkdir(parents=True)
    shutil.copy2(machine / "envs/laptop.lock", machine / ".venv/installed.lock")
    command(machine, "uname", "exit 1")  # would be called by a set-up
    finished = run(machine, "bash", "-c", 'echo "$VIRTUAL_ENV"')
    assert finished.stdout.strip() == str(machine / ".venv")


@pytest.mark.parametrize("name", ["sample", "train", "evaluate", "report"])
def test_a_conda_file_holds_the_pins_of_its_lock(name):
    lines = (ROOT / f"envs/{name}.lock").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith((" ", "#"))]
    file = yaml.safe_load((ROOT / f"envs/{name}.yaml").read_text())
    assert file["channels"] == ["conda-forge"]
    assert file["dependencies"][-1] == {"pip": pins}
    assert all("==" in pin for pin in pins)


def test_the_lock_has_an_exact_pin_for_every_package_and_names_no_address():
    text = (ROOT / "envs/laptop.lock").read_text()
    assert "://" not in text
    for line in text.splitlines():
        assert line.startswith((" ", "#")) or "==" in line


def test_ci_calls_the_readmes_commands():
    ci, readme = (ROOT / ".ci/run").read_text(), (ROOT / "README.md").read_text()
    assert "envs/run pytest" in ci
    assert "envs/run pytest" in readme
    assert os.access(ROOT / "envs/run", os.X_OK)
