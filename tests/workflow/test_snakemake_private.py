"""The undocumented parts of Snakemake that the workflow uses still exist."""

import inspect
from pathlib import Path

import pytest
import snakemake_private
from conftest import ROOT
from snakemake.api import Workflow, WorkflowApi
from snakemake.dag import DAG
from snakemake.iocontainers import Params
from snakemake.rules import Rule
from snakemake.script import Snakemake


@pytest.mark.parametrize(
    ("owner", "name", "used"),
    [
        (Workflow, "current_basedir", "workflow/rules/common.smk"),
        (Workflow, "remote_exec", "workflow/snakemake_private.py"),
        (Rule, "set_params", "workflow/snakemake_private.py"),
        (Rule, "_is_deriving_function", "workflow/snakemake_private.py"),
        (Params, "_allitems", "workflow/snakemake_private.py"),
        (WorkflowApi, "_workflow", "workflow/snakemake_private.py"),
        (Workflow, "async_run", "workflow/snakemake_private.py"),
        (Workflow, "dag", "workflow/snakemake_private.py"),
        (Workflow, "deployment_settings", "workflow/snakemake_private.py"),
        (DAG, "file2jobs", "workflow/snakemake_private.py"),
    ],
)
def test_what_the_workflow_uses_is_there(owner, name, used):
    assert hasattr(owner, name), f"This Snakemake has no {owner.__name__}.{name}: change {used} for it."


def test_a_dag_and_a_programs_object_are_made_as_before():
    built = {"Workflow": "_dag", "DAG": "_jobid"}
    for owner in (Workflow, DAG):
        source = inspect.getsource(owner)
        name = built[owner.__name__]
        assert f"self.{name}" in source, f"This Snakemake's {owner.__name__} has no {name}: change job_of for it."
    taken = list(inspect.signature(Snakemake.__init__).parameters)[1:]
    given = ["input", "output", "params", "wildcards", "threads", "resources", "log", "config", "rulename"]
    assert [name.rstrip("_") for name in taken[:9]] == given, "change object_of in workflow/snakemake_private.py"
    assert "bench_iteration" in taken


def test_a_job_has_the_files_of_its_rule_and_a_program_gets_them(monkeypatch):
    monkeypatch.chdir(ROOT)
    file = "results/smoke/data/prompts/1.jsonl"
    job = snakemake_private.job_of(file, ROOT / "Snakefile", [Path("config/smoke.yaml")])
    built = snakemake_private.object_of(job)
    assert (built.rule, list(built.output)) == ("slice_prompts", [file])
    assert built.log[0] == "results/smoke/logs/slice_prompts/1.log"
