# Checks that run once on a compute node of each kind, before anything else runs there. No param is tracked, so these
# rules run only where their output is missing: after a job that runs again, Snakemake looks for no other changes.


rule check_engine_node:
    """Driver, GPUs, bfloat16, compiler, scratch and vLLM on a node that engines run on."""
    output:
        "<results>/preflight/engine.txt",
    log:
        "<results>/logs/check_engine_node.log",
    # a retry would not change the result
    retries: 0
    conda:
        environment("sample")
    threads: NEEDS["engine"]["threads"]
    resources:
        **needs("engine"),
    params:
        gpus=untracked(NEEDS["engine"]["gpu"]),
        packages=untracked(["vllm"]),
    script:
        "../../scripts/preflight/check_node.py"


use rule check_engine_node as check_training_node with:
    # the same on a node that trains, in the environment of training
    output:
        "<results>/preflight/training.txt",
    log:
        "<results>/logs/check_training_node.log",
    conda:
        environment("train")
    threads: NEEDS["train"]["threads"]
    resources:
        **needs("train"),
    params:
        gpus=untracked(NEEDS["train"]["gpu"]),
        packages=untracked(["trl"]),
