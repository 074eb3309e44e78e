"""All uses of undocumented parts of Snakemake; tests/workflow/test_snakemake_private.py detects what an update removes.

Only `workflow.current_basedir` and `workflow.configfiles` are used elsewhere, in rules/common.smk.
"""

import json
import os
import shutil
import signal
import sys
import threading
from pathlib import Path

import terminal
from snakemake.settings.types import DeploymentMethod

from metarewarding.jobs import driver


def runs_on_compute_node(workflow) -> bool:
    """Return whether this process runs one job that another Snakemake has submitted."""
    return workflow.remote_exec


def config_files(workflow, folder) -> list[str]:
    """Return the config files of a run, relative to the clone ``folder`` where they are in it.

    config/config.yaml, which is below every other one, is only listed where it is the only one.
    """
    paths = [Path(path).resolve() for path in dict.fromkeys(map(str, workflow.configfiles))]
    names = [str(path.relative_to(folder) if path.is_relative_to(folder) else path.name) for path in paths]
    return [name for name in names if name != "config/config.yaml"] or names


def become_driver(workflow) -> None:
    """Make this process the driver: its jobs end with it, Ctrl-C prints one line, closing the terminal is a SIGTERM.

    This does nothing in a process that another Snakemake on this machine has started for one job.
    """
    if workflow.exec_mode.name == "SUBPROCESS":
        return
    os.environ[driver.VARIABLE] = driver.identity(os.getpid()) or ""
    if threading.current_thread() is not threading.main_thread():
        return
    # under nohup and in the background of a script they are ignored, and stay so
    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
        signal.signal(signal.SIGINT, terminal.interrupt)
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda number, frame: os.kill(os.getpid(), signal.SIGTERM))


def plan_without_conda(workflow) -> None:
    """Let a dry-run work without conda, of which Snakemake would only query the version."""
    if {"-n", "--dry-run", "--dryrun"} & set(sys.argv) and not shutil.which("conda"):
        settings = workflow.deployment_settings
        settings.deployment_method = set(settings.deployment_method) - {DeploymentMethod.CONDA}


def name_params(rules) -> None:
    """Give each rule with params one more, ``by_name``: all their values with their names.

    Snakemake compares the params of two runs as a set of values without names. It misses `max_judge_pairs: 0 -> 32`
    where another param is 0 and a third is 32, but this text differs. Call it after the last rule.
    """
    for rule in rules:
        if len(rule.params):
            rule.set_params(by_name=_by_name(rule))


def _by_name(rule):
    # without params that depend on files, threads or resources, which Snakemake does not compare either
    items = [(name, item) for name, item in rule.params._allitems() if not rule._is_deriving_function(item)]

    def values(wildcards):
        by_name = {name: item(wildcards) if callable(item) else item for name, item in items}
        return json.dumps(by_name, sort_keys=True, default=str)

    return values


def prepare_slurm(secrets) -> None:
    """Make the SLURM plugin, where it is loaded, submit jobs without ``secrets`` and without this machine's core limit.

    sbatch passes the whole environment to a job, and SLURM stores it in its own files, so the variables ``secrets`` are
    removed for sbatch. Local jobs need them and keep them. The plugin limits a job's cores to those of the submitting
    machine; here `cpus_per_task` sets them.
    """
    plugin = sys.modules.get("snakemake_executor_plugin_slurm")
    if plugin is None or hasattr(plugin.get_submit_command, "without"):
        return
    plugin.Executor.cores = "all"
    submit = plugin.get_submit_command
    unset = "".join(f"-u {name} " for name in secrets)

    def without_secrets(*args, **kwargs) -> str:
        return f"env {unset}{submit(*args, **kwargs)}"

    without_secrets.without = secrets
    plugin.get_submit_command = without_secrets


def job_of(file: str, snakefile: Path, configfiles: list[Path]):
    """Return the job that makes ``file``, without running anything; raise Snakemake's own errors."""
    from snakemake.api import OutputSettings, SnakemakeApi
    from snakemake.dag import DAG
    from snakemake.settings.enums import Quietness
    from snakemake.settings.types import ConfigSettings, DAGSettings, ResourceSettings

    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
        settings = ConfigSettings(configfiles=configfiles)
        workflow = api.workflow(ResourceSettings(), config_settings=settings, snakefile=snakefile)._workflow
        workflow.dag_settings = DAGSettings()
        workflow._dag = DAG(workflow, workflow.rules)
        job = workflow.async_run(workflow.dag.file2jobs(file))[0]
        workflow.dag._jobid[job] = 1  # a command may contain the id
        return job


def object_of(job):
    """Return the object that a program gets of ``job`` as `snakemake`."""
    from snakemake.script import Snakemake

    files, how = (job.input, job.output, job.params), (job.wildcards, job.threads, job.resources, job.log)
    return Snakemake(*files, *how, job.rule.workflow.config, job.rule.name, bench_iteration=None)
