# What a job needs and runs in. The site's partitions, account and names of GPUs are in the profile. A rule without a
# GPU takes a core for less time than a queue would: it is local, and runs where Snakemake runs.

import os

NEEDS = SETTINGS["resources"]


def needs(kind):
    """Resources of a job that runs an engine (`engine`) or trains (`train`): 1.5 times as much on the first retry, 2 times on the second.

    `gpu` is left out where none is asked for, as a model on a CPU needs none. `cpus_per_task` says to SLURM what
    `threads` says here: Snakemake cuts that down to the cores of the machine that it runs on.
    """
    need = NEEDS[kind]

    def growing(key):
        return lambda wildcards, attempt: need[key] * (attempt + 1) // 2

    found = {"mem_mb": growing("mem_mb"), "runtime": growing("runtime"), "cpus_per_task": need["threads"]}
    return found | ({"gpu": need["gpu"]} if need["gpu"] else {})


def threads_each(wildcards, threads):
    """CPU threads of each training process: there is one a GPU."""
    return max(1, threads // max(1, NEEDS["train"]["gpu"]))


def environment(name):
    """The conda environment of a rule, for CUDA or for the CPU; the page's own is the same for both."""
    build = "cpu/" if SETTINGS["environments"] == "cpu" and name != "report" else ""
    return f"../../envs/{build}{name}.yaml"


def untracked(value):
    """A param that changes no result, so that a change reruns nothing: Snakemake compares no function of `threads`."""
    return lambda wildcards, threads: value


def engine_params():
    """The engine's settings, and by themselves those that decide what it samples: a change of these reruns."""
    room = {"gpu_memory_utilization", "cpu_cache_gb", *(["batch_size"] if SETTINGS["engine"]["name"] == "vllm" else [])}
    sampling_config = {key: value for key, value in SETTINGS["engine"].items() if key not in room}
    return {"engine": untracked(SETTINGS["engine"]), "sampling_config": sampling_config}


def completion_store(wildcards, output):
    """The file beside a job's first output that keeps what its engine has drawn; see metarewarding/engines/completions.py.

    No output: Snakemake would delete it before a rerun.
    """
    return str(Path(output[0]).with_suffix(".completions.jsonl"))


# A compute node needs no token: what is downloaded, and what is asked of a judge's server, is asked from the
# machine that runs Snakemake. It may also have no internet access, so nothing there looks for the hub.
if snakemake_private.runs_on_compute_node(workflow):
    for secret in config_settings.secrets(SETTINGS):
        os.environ.pop(secret, None)
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
