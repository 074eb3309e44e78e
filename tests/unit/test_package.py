"""The package installs, and the modules of the method need numpy alone."""

import re
import shutil
import subprocess
import sys
import tomllib

import pytest
from conftest import ROOT

METHOD = ("elo", "pairs", "judging", "meta_judging", "agreement", "eft", "bias", "ties")
HEAVY = {"torch", "transformers", "vllm", "datasets", "pandas", "scipy", "tqdm", "httpx"}


def imported(folder) -> set[str]:
    """Return the modules of HEAVY that are imported with all modules of the method in ``folder``."""
    code = (
        "import importlib, sys\n"
        f"modules = [importlib.import_module('metarewarding.' + name) for name in {METHOD}]\n"
        f"assert all(module.__file__.startswith({str(folder)!r}) for module in modules)\n"
        "print(*sys.modules)\n"
    )
    words = [sys.executable, "-c", code]
    run = subprocess.run(words, env={"PYTHONPATH": str(folder)}, cwd=folder, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return HEAVY & set(run.stdout.split())


def test_the_modules_of_the_method_import_nothing_heavier_than_numpy():
    assert not imported(ROOT / "scripts")


def test_the_version_is_that_of_the_citation():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert re.search(r"^version: (.*)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)[1] == version


def requirements(lines) -> set[str]:
    """Return names with upper bounds; the exact pins of the conda environments are not the package's."""
    texts = (line.partition("#")[0].strip() for line in lines)
    return {text.partition("==")[0] for text in texts if text} - {"numpy"}  # which the package needs by itself


@pytest.mark.parametrize("extra", ["sample", "train", "evaluate", "report"])
def test_the_extras_are_what_the_conda_environments_are_made_from(extra):
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert requirements(extras[extra]) == requirements((ROOT / f"envs/{extra}.in").read_text().splitlines())


@pytest.mark.slow
def test_a_wheel_installs_the_package_alone(tmp_path):
    source = tmp_path / "source"
    shutil.copytree(ROOT / "scripts", source / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy2(ROOT / "pyproject.toml", source)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    wheel = ["wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", tmp_path, source]
    subprocess.run([*pip, *wheel], check=True)
    (built,) = tmp_path.glob("metarewarding-*.whl")
    installed = tmp_path / "installed"
    subprocess.run([*pip, "install", "--no-deps", "--no-index", "--target", installed, built], check=True)
    assert {path.name for path in installed.iterdir() if path.is_dir() and path.suffix != ".dist-info"} == {
        "metarewarding"
    }
    assert not imported(installed)
