"""Run the program that makes a file in this process, outside Snakemake, to debug it.

    envs/run python workflow/run_script.py results/m0/judgments/0.jsonl [--configfile mine.yaml ...]

The job is the one that Snakemake would run, but its output goes to the terminal instead of its log file. The inputs
must exist. SFT and DPO run by a command, which is printed instead.
"""

import argparse
import importlib
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / "workflow"), str(ROOT / "scripts")]
import snakemake_private  # noqa: E402


def job_of(file: str, configfiles: list[str]):
    """Return Snakemake's job that makes ``file``; end the process where no rule does."""
    from snakemake.exceptions import MissingRuleException, WorkflowError

    try:
        return snakemake_private.job_of(file, ROOT / "Snakefile", [Path(name) for name in configfiles])
    except MissingRuleException:
        sys.exit(f"error: no rule makes {file}. A path begins with the results folder that the config sets.")
    except (WorkflowError, OSError) as error:
        sys.exit(f"error: {error}")


def main(file: str, configfiles: list[str]) -> None:
    job = job_of(file, configfiles)
    missing = [name for name in map(str, job.input) if not Path(name).exists()]
    if missing:
        sys.exit(
            f"error: rule {job.rule.name} needs {', '.join(missing)}, which is missing. Run Snakemake for it first."
        )
    if job.is_shell:
        print(job.shellcmd)
        return
    from metarewarding.jobs.job import reporting

    for name in (*job.output, *job.log):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
    script = Path(job.rule.script)
    program = importlib.import_module(f"{script.parent.name}.{script.stem}")
    with reporting(job.rule.name):
        program.main.__wrapped__(snakemake_private.object_of(job))  # without the log file


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", help="an output of a rule")
    parser.add_argument("--configfile", nargs="+", default=[], help="laid over config/config.yaml, as for snakemake")
    words = parser.parse_args()
    main(words.file, words.configfile)
