"""Run the program that makes one file in this process: for a debugger, and to see its output on the terminal.

    envs/run python workflow/run_script.py results/m0/judgments/0.jsonl [--configfile config/smoke.yaml]

The inputs must exist. The program prints to the terminal, not to its log file. Snakemake does not record such a run.
For SFT and DPO, which Snakemake starts with `accelerate-launch`, the command is printed.
"""

import argparse
import contextlib
import io
import os
import runpy
import sys
from pathlib import Path

from snakemake.api import OutputSettings, SnakemakeApi
from snakemake.exceptions import MissingRuleException, WorkflowError
from snakemake.script import Snakemake
from snakemake.settings.types import ConfigSettings, DAGSettings, Quietness, ResourceSettings

ROOT = Path(__file__).parent.parent


def job_of(target: str, configfiles: list[Path]):
    """Return the job that makes the file ``target``. Raise WorkflowError where no rule does that."""
    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
        workflow = api.workflow(
            resource_settings=ResourceSettings(cores=os.cpu_count()),
            config_settings=ConfigSettings(configfiles=configfiles),
            snakefile=ROOT / "Snakefile",
        )
        with contextlib.redirect_stdout(io.StringIO()):
            workflow.dag(DAGSettings(targets={target})).printrulegraph()
        # the API gives no jobs, so that this attribute is private
        return next(job for job in workflow._workflow.dag.jobs if target in map(str, job.output))


def main(words: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", help="the file to make, as a path from the project's root")
    parser.add_argument("--configfile", nargs="+", type=Path, default=[], help="laid over config/config.yaml")
    given = parser.parse_args(words)
    os.chdir(ROOT)
    try:
        job = job_of(given.target, given.configfile)
    except (MissingRuleException, WorkflowError) as error:
        sys.exit(f"{given.target}: {error}")
    missing = [str(path) for path in job.input if not Path(path).exists()]
    if missing:
        config = ["--configfile", *map(str, given.configfile)] if given.configfile else []
        words = " ".join(["envs/run snakemake", *missing, *config])
        sys.exit(f"{given.target} needs files that do not exist. Make them first: {words}")
    if job.rule.script is None:
        print(job.shellcmd)
        return
    os.environ["METAREWARDING_TERMINAL"] = "1"  # read by metarewarding/jobs/job.py
    for path in (*job.output, *job.log):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    program = (ROOT / "workflow/rules" / job.rule.script).resolve()
    sys.argv, sys.path[0] = [str(program)], str(ROOT / "scripts")
    runpy.run_path(str(program), run_name=program.stem)["main"](
        Snakemake(
            job.input,
            job.output,
            job.params,
            job.wildcards,
            job.threads,
            job.resources,
            job.log,
            job.rule.workflow.config,
            job.rule.name,
            None,
        )
    )


if __name__ == "__main__":
    main(sys.argv[1:])
