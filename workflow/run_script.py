"""Run the program that makes a file in this process, outside Snakemake, to debug it.

    envs/run python workflow/run_script.py results/m0/judgments/0.jsonl [--configfile mine.yaml ...]

The job is the one that Snakemake would run; what it prints goes to the terminal, not to its log file. The inputs must
exist. SFT and DPO run by a command, which is printed instead.
"""

import argparse
import importlib
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / "workflow"), str(ROOT / "scripts")]


def job_of(file: str, configfiles: list[str]):
    """Return Snakemake's job that makes ``file``; end the process where no rule does."""
    from snakemake.api import OutputSettings, SnakemakeApi
    from snakemake.dag import DAG
    from snakemake.exceptions import MissingRuleException, WorkflowError
    from snakemake.settings.enums import Quietness
    from snakemake.settings.types import ConfigSettings, DAGSettings, ResourceSettings

    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
        try:
            workflow = api.workflow(
                ResourceSettings(),
                config_settings=ConfigSettings(configfiles=[Path(name) for name in configfiles]),
                snakefile=ROOT / "Snakefile",
            )._workflow
            workflow.dag_settings = DAGSettings()
            workflow._dag = DAG(workflow, workflow.rules)
            job = workflow.async_run(workflow.dag.file2jobs(file))[0]
            workflow.dag._jobid[job] = 1  # which a command is formatted with
            return job
        except MissingRuleException:
            sys.exit(f"error: no rule makes {file}. A path begins with the results folder that the config sets.")
        except (WorkflowError, OSError) as error:
            sys.exit(f"error: {error}")


def main(file: str, configfiles: list[str]) -> None:
    job = job_of(file, configfiles)
    missing = [name for name in map(str, job.input) if not Path(name).exists()]
    if missing:
        sys.exit(
            f"error: rule {job.rule.name} needs {', '.join(missing)}, which is missing. Let Snakemake make it first."
        )
    if job.is_shell:
        print(job.shellcmd)
        return
    from snakemake.script import Snakemake

    from metarewarding.jobs.job import report_user_errors

    files, how = (job.input, job.output, job.params), (job.wildcards, job.threads, job.resources, job.log)
    made = Snakemake(*files, *how, job.rule.workflow.config, job.rule.name, bench_iteration=None)
    for name in (*job.output, *job.log):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
    script = Path(job.rule.script)
    program = importlib.import_module(f"{script.parent.name}.{script.stem}")
    with report_user_errors():
        program.main.__wrapped__(made)  # without the log file


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", help="an output of a rule")
    parser.add_argument("--configfile", nargs="+", default=[], help="laid over config/config.yaml, as for snakemake")
    words = parser.parse_args()
    main(words.file, words.configfile)
