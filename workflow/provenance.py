"""The config and the commit of a run, for the manifests."""

import json
import os
import subprocess
from pathlib import Path


def export(settings: dict, folder: str) -> None:
    """Put the resolved config and the state of the clone ``folder`` into the environment, for the jobs' manifests.

    metarewarding/jobs/provenance.py reads the variables. They are not params, so that another commit, or a setting that
    a rule does not use, reruns nothing. Every job's process does this, also on compute nodes; without git there, it
    keeps the inherited value.
    """
    os.environ["METAREWARDING_CONFIG"] = json.dumps(settings)
    if "METAREWARDING_CONFIG_COPY" in os.environ:  # for workflow/why.py, which needs the config of a dry-run
        Path(os.environ["METAREWARDING_CONFIG_COPY"]).write_text(json.dumps(settings), encoding="utf-8")
    state = git_state(folder)
    if state is not None or "METAREWARDING_GIT" not in os.environ:
        os.environ["METAREWARDING_GIT"] = json.dumps(state)


def git_state(folder: str) -> dict | None:
    """Return {commit, dirty: whether a tracked file differs}; None outside a clone, without git or after a time-out."""

    def git(*words):
        run = subprocess.run(["git", "-C", folder, *words], capture_output=True, text=True, timeout=20, check=True)
        return run.stdout.strip()

    try:
        commit = git("rev-parse", "HEAD")
        return {"commit": commit, "dirty": bool(git("status", "--porcelain", "--untracked-files=no"))}
    except (OSError, subprocess.SubprocessError):
        return None
