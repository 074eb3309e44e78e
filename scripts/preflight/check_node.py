"""Check whether a compute node can run engines or training: driver, GPUs, bfloat16, compiler, scratch, packages.

One message lists everything that is missing, with its fix, after a minute instead of hours in the queue.
"""

import importlib
import os
import shutil
import subprocess
import sysconfig
import tempfile
from pathlib import Path

from metarewarding.errors import UserError
from metarewarding.jobs.job import logged
from metarewarding.jobs.logs import logger
from metarewarding.records import replacing

DRIVER = 580  # the oldest driver for PyTorch's CUDA 13 builds
SCRATCH_GB = 5  # for compiled kernels and graphs, and files that libraries unpack


def driver_faults(listed: str | None) -> list[str]:
    """Return what is wrong with the driver, from what ``list_gpus`` found."""
    if not listed:
        return [
            "nvidia-smi finds no NVIDIA driver or no GPU. Name a partition with GPUs (slurm_partition in "
            "workflow/profiles/slurm), or set resources.engine.gpu and resources.train.gpu to 0."
        ]
    versions = {line.split(", ")[1] for line in listed.splitlines()}
    return [
        f"The driver {version} is too old: PyTorch's CUDA 13 builds need {DRIVER} or newer. Ask for nodes with a newer "
        'one (`constraint` in workflow/profiles/slurm), or see "Drivers" in docs/cluster.md.'
        for version in sorted(versions)
        if int(version.split(".")[0]) < DRIVER
    ]


def list_gpus() -> str | None:
    """Return a line "name, driver version, memory" of each GPU; None without a driver."""
    query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    try:
        listing = subprocess.run(query, capture_output=True, text=True, timeout=60)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return None
    return listing.stdout.strip() if listing.returncode == 0 else None


def compiler_faults() -> list[str]:
    """Compile what Triton compiles when an engine or a trainer starts: C that includes Python.h."""
    # where Triton looks for a compiler, in this order
    compiler = os.environ.get("CC") or shutil.which("gcc") or shutil.which("clang")
    fix = (
        "Triton needs a C compiler on the node. The environments in envs/*.yaml bring one (gxx_linux-64): make them "
        "again with `--sdm conda`, load a module with gcc before snakemake is called, or set CC."
    )
    if not compiler:
        return [f"There is no C compiler: CC is not set, and gcc and clang are not on PATH. {fix}"]
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "probe.c")
        source.write_text("#include <Python.h>\nint probe(void) { return PY_MAJOR_VERSION; }\n")
        words = [compiler, "-shared", "-fPIC", f"-I{sysconfig.get_paths()['include']}", "-o", f"{source}.so", source]
        try:
            done = subprocess.run(words, capture_output=True, text=True, timeout=120)
        except (OSError, subprocess.TimeoutExpired) as error:
            return [f"The C compiler {compiler} does not run ({error}). {fix}"]
    return [] if done.returncode == 0 else [f"The C compiler {compiler} fails: {done.stderr.strip()[-300:]} {fix}"]


def scratch_faults(folder: str, needed_gb: float = SCRATCH_GB) -> list[str]:
    free = shutil.disk_usage(folder).free / 1e9
    if free >= needed_gb:
        return []
    return [
        f"{folder} has {free:.1f} GB free, and jobs need {needed_gb:g}. Set `tmpdir` in workflow/profiles/slurm to a "
        "larger disk of the node."
    ]


def import_faults(packages: list[str]) -> list[str]:
    faults = []
    for name in packages:
        try:
            logger.info(f"{name} {importlib.import_module(name).__version__}")
        except Exception as error:  # a missing system library may raise any error
            faults.append(
                f"{name} cannot be imported: {type(error).__name__}: {error}. Remove the rule's environment in "
                "`conda-prefix` (.snakemake/conda) so that it is made again; wheels need glibc 2.31 or newer."
            )
    return faults


def card_faults(torch, gpus: int) -> list[str]:
    """Return what is wrong with the GPUs that PyTorch sees: too few, without bfloat16, or with wrong products."""
    count = torch.cuda.device_count()
    if count < gpus:
        return [
            f"The job sees {count} GPUs but requested {gpus}. See CUDA_VISIBLE_DEVICES in the log; where sbatch has "
            "--gres only, use the block for it in workflow/profiles/slurm."
        ]
    faults = []
    for device in range(gpus):
        name = torch.cuda.get_device_name(device)
        if torch.cuda.get_device_capability(device) < (8, 0):
            faults.append(
                f"GPU {device}, {name}, does not compute in bfloat16. Request A100 or newer (gpu_model or constraint "
                "in workflow/profiles/slurm), or set engine.dtype: float16 and fp16 in the recipes."
            )
            continue
        a, b = (torch.randn(1024, 1024, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1))
        product = (a.to(f"cuda:{device}", torch.bfloat16) @ b.to(f"cuda:{device}", torch.bfloat16)).float().cpu()
        error = ((product - a @ b).norm() / (a @ b).norm()).item()
        logger.info(f"GPU {device}: {name}, a bfloat16 product is off by {error:.2%}")
        if not error < 0.02:
            faults.append(f"GPU {device}, {name}, multiplies wrongly (off by {error:.0%}). Exclude this node.")
    return faults


@logged
def main(job):
    listed, scratch = list_gpus(), tempfile.gettempdir()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    logger.info(f"node {os.uname().nodename}, TMPDIR {scratch}, CUDA_VISIBLE_DEVICES {visible}")
    logger.info(listed)
    faults = driver_faults(listed) + compiler_faults() + scratch_faults(scratch) + import_faults(job.params.packages)
    if listed and not faults:
        import torch

        faults += card_faults(torch, job.params.gpus)
    if faults:
        node = os.uname().nodename
        raise UserError(f"the node {node} cannot run this workflow's jobs:\n" + "\n".join(f"- {f}" for f in faults))
    with replacing(job.output[0]) as file:
        file.write("checked\n")  # always the same, so that checking again reruns nothing


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
