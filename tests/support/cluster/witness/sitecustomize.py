"""For the tests of the cluster: at its end, each program of the project records where its packages came from.

Python imports this at its start where PYTHONPATH names this folder; WITNESS names the file that is written to.
"""

import atexit
import json
import os
import sys

HEAVY = ("torch", "transformers", "trl", "vllm", "numpy", "scipy", "matplotlib", "jinja2", "yaml")


def tell():
    script = os.path.basename(sys.argv[0] if sys.argv else "")
    if "scripts" not in os.path.dirname(sys.argv[0]) or not script.endswith(".py"):
        return
    row = {
        "script": script.rpartition(".")[0].rpartition(".")[2],  # Snakemake runs a copy named tmp<...>.<script>.py
        "prefix": sys.prefix,
        "packages": {name: sys.modules[name].__file__ for name in HEAVY if name in sys.modules},
        "job": os.environ.get("SLURM_JOB_ID"),
        "devices": os.environ.get("CUDA_VISIBLE_DEVICES"),
        "offline": os.environ.get("HF_HUB_OFFLINE"),
        "token": "HF_TOKEN" in os.environ,
    }
    with open(os.environ["WITNESS"], "a") as file:
        file.write(json.dumps(row) + "\n")


if "WITNESS" in os.environ:
    atexit.register(tell)
