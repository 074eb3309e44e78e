"""What Snakemake itself takes: the plan of the whole paper."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from measure import ROOT, alternate, row


def dry_run(quick: bool, model: Path) -> list[dict]:
    """`snakemake -n` of the paper (quick: of the smoke config), without and with the SLURM profile."""
    config = "config/smoke.yaml" if quick else "config/paper.yaml"
    plain = ["-n", "--quiet", "rules", "--configfile", config]
    # the profile asks for conda, which a laptop need not have; a dry-run makes no environment
    slurm = ["--profile", "workflow/profiles/slurm", *plain]
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    with TemporaryDirectory() as scratch:
        folder = Path(scratch) / "project"
        folder.mkdir()
        for name in ("Snakefile", "workflow", "scripts", "config", "envs", "profiles"):
            source = ROOT / name
            if source.is_dir() and not source.is_symlink():
                shutil.copytree(source, folder / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(source, folder / name, follow_symlinks=False)

        def plan(words: list[str]) -> int:
            done = subprocess.run(
                [sys.executable, "-m", "snakemake", *words], cwd=folder, env=environment, capture_output=True, text=True
            )
            said = done.stdout + done.stderr
            if done.returncode != 0:
                raise RuntimeError(said[-3000:])
            return int(re.search(r"^total\s+(\d+)", said, re.MULTILINE)[1])

        without, profile, jobs, with_profile = alternate(lambda: plan(plain), lambda: plan(slurm), 1 if quick else 2)
    if jobs[0] != with_profile[0]:
        raise RuntimeError(f"{jobs[0]} jobs without the profile, {with_profile[0]} with it")
    return [
        row(
            f"dry-run of {config}", without, profile, "with the SLURM profile", note=f"{jobs[0]} jobs, nothing made yet"
        )
    ]
