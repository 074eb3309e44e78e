# Resources and environments of jobs. The site's partitions, account and names of GPUs are in the profile. A rule
# without a GPU is local, on the machine that runs Snakemake: its job is shorter than the wait in a queue.

import os
import shlex
import sys

import shortages

# The programs in scripts/<stage>/ import the package next to these folders, in every conda environment. Ctrl-C reaches
# Snakemake alone, which ends them (terminal.interrupt).
shell.prefix(
    f"set -euo pipefail; trap '' INT; export PYTHONPATH={shlex.quote(f'{BASE}/scripts')}${{{{PYTHONPATH:+:$PYTHONPATH}}}}; "
)
NEEDS = SETTINGS["resources"]
SLURM_LOGS = "results/logs/slurm"  # `slurm-logdir` of the profile
# Training needs float32 weights, as bfloat16 loses the steps of small learning rates. Engines on GPUs compute in
# bfloat16 and would round 32 GB at each start. The rounded copy is half as large and has the same values.
HALF_COPY = NEEDS["engine"]["gpu"] > 0 and SETTINGS["engine"]["dtype"] in ("auto", "bfloat16")


def needs(kind):
    """Return the resources of a job that runs an engine (`engine`) or trains (`train`).

    A retry asks for more of what earlier tries were short of: 1.5 times as much after one, 2 times after two. `gpu` is
    left out for a model on a CPU. `nodes` is 1, because SLURM may otherwise spread the GPUs of a job over several
    nodes, where the job's own `srun` fails. `cpus_per_task` repeats `threads` for SLURM, because Snakemake limits
    `threads` to the cores of the machine that it runs on.
    """
    need, most = NEEDS[kind], NEEDS["limits"]

    def growing(key):
        def value(wildcards, attempt, rulename):
            tries = min(shortages.count(SLURM_LOGS, rulename, wildcards, key), attempt - 1) if attempt > 1 else 0
            return min(need[key] * (tries + 2) // 2, most[key] or sys.maxsize)

        return value

    resources = {"mem_mb": growing("mem_mb"), "runtime": growing("runtime"), "cpus_per_task": need["threads"]}
    return resources | ({"gpu": need["gpu"], "nodes": 1} if need["gpu"] else {})


def processes(wildcards, threads):
    """Return the number of training processes, one a GPU; as a function of `threads`, a change of it reruns nothing."""
    return max(1, NEEDS["train"]["gpu"])


def threads_each(wildcards, threads):
    """Return the CPU threads of each training process."""
    return max(1, threads // processes(wildcards, threads))


def environment(name):
    """Return the conda environment of a rule, for CUDA or for the CPU; the page's is the same for both."""
    build = "cpu/" if SETTINGS["environments"] == "cpu" and name != "report" else ""
    return f"../../envs/{build}{name}.yaml"


def untracked(value):
    """Return a param that changes no result: Snakemake ignores functions of `threads`, so a change reruns nothing."""
    return lambda wildcards, threads: value


def engine_params():
    """Return the engine's settings, and separately those that its samples depend on, whose change causes a rerun."""
    room = config_settings.engine_room(SETTINGS["engine"])
    sampling_config = {key: value for key, value in SETTINGS["engine"].items() if key not in room}
    return {"engine": untracked(SETTINGS["engine"]), "sampling_config": sampling_config}


def completion_store(wildcards, output):
    """Return the store of an engine's completions, next to a job's first output (engines/completions.py).

    No output: Snakemake would delete it before a rerun.
    """
    return str(Path(output[0]).with_suffix(".completions.jsonl"))


# transformers runs on any node, so it needs no check
CHECKS_NODES = SETTINGS["engine"]["name"] == "vllm" and NEEDS["engine"]["gpu"] > 0 and NEEDS["train"]["gpu"] > 0


def engine_weights(model):
    """Return the folder from which engines read ``model``: for a trained one the bfloat16 copy, where there is one."""
    return f"<results>/{model}/{'engine_weights' if HALF_COPY and model != 'seed' else 'weights'}"


def weights_to_sample(wildcards):
    return engine_weights(wildcards.model)


def trained_weights(folder):
    """Return the outputs of a training: the float32 weights for further training, and the copy for engines."""
    return {name: directory(f"{folder}/{name}") for name in ["weights"] + ["engine_weights"] * HALF_COPY}


def engine_weights_option(wildcards, output):
    """Return the trainers' option for the copy for engines, where there is one."""
    return f"--engine_weights {shlex.quote(str(output.engine_weights))}" if HALF_COPY else ""


def node_checks(*kinds):
    """Return the node checks that the first jobs on GPUs wait for; ancient, so that they never cause a rerun."""
    if not CHECKS_NODES:
        return {}
    return {f"{kind}_node": ancient(f"<results>/preflight/{kind}.txt") for kind in kinds}


# A compute node needs no token: downloads and requests to a judge's server start from the machine that runs
# Snakemake. A compute node may have no internet access, so its jobs run with the hub offline.
snakemake_private.prepare_slurm(config_settings.secrets(SETTINGS))
if snakemake_private.runs_on_compute_node(workflow):
    for secret in config_settings.secrets(SETTINGS):
        os.environ.pop(secret, None)
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
