"""The undocumented parts of Snakemake that the workflow uses are there."""

import pytest
from snakemake.api import Workflow
from snakemake.iocontainers import Params
from snakemake.rules import Rule


@pytest.mark.parametrize(
    ("owner", "name", "used"),
    [
        (Workflow, "current_basedir", "workflow/rules/common.smk"),
        (Workflow, "remote_exec", "workflow/snakemake_private.py"),
        (Rule, "set_params", "workflow/snakemake_private.py"),
        (Rule, "_is_deriving_function", "workflow/snakemake_private.py"),
        (Params, "_allitems", "workflow/snakemake_private.py"),
    ],
)
def test_what_the_workflow_uses_is_there(owner, name, used):
    assert hasattr(owner, name), f"This Snakemake has no {owner.__name__}.{name}: change {used} for it."
