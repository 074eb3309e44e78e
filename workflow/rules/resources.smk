# What a job needs and runs in. The site's partitions, account and names of GPUs are in the profile. A rule without a
# GPU takes a core for less time than a queue would: it is local, and runs where Snakemake runs.

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
# Training needs float32 weights: steps at small learning rates vanish in bfloat16. Engines on GPUs compute in bfloat16
# and would round 32 GB at each start; the rounded copy is half as large, and gives them the same numbers.
HALF_COPY = NEEDS["engine"]["gpu"] > 0 and SETTINGS["engine"]["dtype"] in ("auto", "bfloat16")


def needs(kind):
    """Resources of a job that runs an engine (`engine`) or trains (`train`).

    A retry asks for more of what the tries before it were short of: 1.5 times as much after one, 2 times after two.
    `gpu` is left out where none is asked for, as a model on a CPU needs none. One node: SLURM may otherwise spread the
    GPUs of a job over several, and the job's own `srun` then fails. `cpus_per_task` says to SLURM what `threads` says
    here: Snakemake cuts that down to the cores of the machine that it runs on.
    """
    need, most = NEEDS[kind], NEEDS["limits"]

    def growing(key):
        def value(wildcards, attempt, rulename):
            tries = min(shortages.count(SLURM_LOGS, rulename, wildcards, key), attempt - 1) if attempt > 1 else 0
            return min(need[key] * (tries + 2) // 2, most[key] or sys.maxsize)

        return value

    found = {"mem_mb": growing("mem_mb"), "runtime": growing("runtime"), "cpus_per_task": need["threads"]}
    return found | ({"gpu": need["gpu"], "nodes": 1} if need["gpu"] else {})


def processes(wildcards, threads):
    """Training processes: one a GPU. A function of `threads`, so that another number of GPUs reruns nothing."""
    return max(1, NEEDS["train"]["gpu"])


def threads_each(wildcards, threads):
    """CPU threads of each training process."""
    return max(1, threads // processes(wildcards, threads))


def environment(name):
    """The conda environment of a rule, for CUDA or for the CPU; the page's own is the same for both."""
    build = "cpu/" if SETTINGS["environments"] == "cpu" and name != "report" else ""
    return f"../../envs/{build}{name}.yaml"


def untracked(value):
    """A param that changes no result, so that a change reruns nothing: Snakemake compares no function of `threads`."""
    return lambda wildcards, threads: value


def engine_params():
    """The engine's settings, and by themselves those that decide what it samples: a change of these reruns."""
    room = {"gpu_memory_utilization", "cpu_cache_gb", "max_num_seqs", "max_num_batched_tokens"}
    room |= {"batch_size"} if SETTINGS["engine"]["name"] == "vllm" else set()
    sampling_config = {key: value for key, value in SETTINGS["engine"].items() if key not in room}
    return {"engine": untracked(SETTINGS["engine"]), "sampling_config": sampling_config}


def completion_store(wildcards, output):
    """The file next to a job's first output that keeps what its engine has drawn; see metarewarding/engines/completions.py.

    No output: Snakemake would delete it before a rerun.
    """
    return str(Path(output[0]).with_suffix(".completions.jsonl"))


# transformers runs anywhere: with it there is nothing to check
CHECKS_NODES = SETTINGS["engine"]["name"] == "vllm" and NEEDS["engine"]["gpu"] > 0 and NEEDS["train"]["gpu"] > 0


def engine_weights(model):
    """The folder that engines read ``model`` from: of a trained one the bfloat16 copy, where there is one."""
    return f"<results>/{model}/{'engine_weights' if HALF_COPY and model != 'seed' else 'weights'}"


def weights_to_sample(wildcards):
    return engine_weights(wildcards.model)


def trained_weights(folder):
    """The outputs of a training: float32 weights, which training goes on from, and what engines read."""
    return {name: directory(f"{folder}/{name}") for name in ["weights"] + ["engine_weights"] * HALF_COPY}


def engine_weights_option(wildcards, output):
    """The trainers' option for the copy that engines read, where there is one."""
    return f"--engine_weights {shlex.quote(str(output.engine_weights))}" if HALF_COPY else ""


def checked(*kinds):
    """The inputs by which the first jobs on GPUs wait for preflight.smk. They never cause a rerun: ancient, and constant."""
    if not CHECKS_NODES:
        return {}
    return {f"{kind}_node": ancient(f"<results>/preflight/{kind}.txt") for kind in kinds}


# A compute node needs no token: what is downloaded, and what is asked of a judge's server, is asked from the
# machine that runs Snakemake. It may also have no internet access, so nothing there looks for the hub.
snakemake_private.prepare_slurm(config_settings.secrets(SETTINGS))
if snakemake_private.runs_on_compute_node(workflow):
    for secret in config_settings.secrets(SETTINGS):
        os.environ.pop(secret, None)
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
