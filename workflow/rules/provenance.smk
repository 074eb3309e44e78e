# What changed, whence it came, what it costs. Included last, as it looks at the rules before it.

import json
import os
import subprocess

import plan as plans

PLAN = plans.plan(SETTINGS)


def git_state():
    """{commit, dirty: whether a tracked file differs}; None outside a clone, without git, or when git is slow."""

    def git(*words):
        run = subprocess.run(
            ["git", "-C", workflow.basedir, *words], capture_output=True, text=True, timeout=20, check=True
        )
        return run.stdout.strip()

    try:
        return {
            "commit": git("rev-parse", "HEAD"),
            "dirty": bool(git("status", "--porcelain", "--untracked-files=no")),
        }
    except (OSError, subprocess.SubprocessError):
        return None


# Every job's process reads this file, on compute nodes too, and hands both to its script (scripts/job.py).
os.environ["METAREWARDING_CONFIG"] = json.dumps(SETTINGS)
os.environ["METAREWARDING_GIT"] = json.dumps(git_state() or json.loads(os.environ.get("METAREWARDING_GIT", "null")))


rule write_plan:
    """What the run should take, beside what it took."""
    input:
        [f"<results>/{file}" for row in PLAN["rows"] for file in row["files"]],
    output:
        "<results>/report/plan.json",
    log:
        "<results>/logs/write_plan.log",
    conda:
        environment("report")
    resources:
        **needs("cpu"),
    params:
        root=lambda wildcards, output: str(Path(output[0]).parent.parent),
        plan=PLAN,
        code=fingerprint("write_plan.py"),
    script:
        "../../scripts/write_plan.py"


rule write_manifest:
    """The run in one file: config, commit, packages, and the hashes of its data and weights."""
    input:
        models=expand("<results>/{model}/manifest.json", model=REPORTED),
        eft=["<results>/data/eft/train.jsonl", "<results>/data/eft/eval.jsonl"],
        prompts=expand(
            "<results>/data/prompts/{iteration}.jsonl",
            iteration=sorted({config_settings.depth(SETTINGS, model) for model in TRAINED}),
        ),
        templates=[SETTINGS["templates"]["judge"]] + [SETTINGS["templates"]["meta_judge"]] * bool(META_JUDGES),
        plan="<results>/report/plan.json",
    output:
        "<results>/report/manifest.json",
    log:
        "<results>/logs/write_manifest.log",
    conda:
        environment("report")
    resources:
        **needs("cpu"),
    params:
        models=REPORTED,
        code=fingerprint("write_manifest.py"),
    script:
        "../../scripts/write_manifest.py"


def with_names(made):
    """All values that a job's params have, with their names, as one param.

    Snakemake compares the params of two runs as a set of values without names: of `judge_pair_cap: 0 -> 32` it sees
    nothing where another param is 0 and a third is 32. This text differs.
    """
    items = [(name, item) for name, item in made.params._allitems() if not made._is_deriving_function(item)]

    def values(wildcards):
        return json.dumps(
            {name: item(wildcards) if callable(item) else item for name, item in items}, sort_keys=True, default=str
        )

    return values


for _rule in workflow.rules:
    if len(_rule.params):
        _rule.set_params(by_name=with_names(_rule))
