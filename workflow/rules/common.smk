# Settings, and the recursion from any model back to the seed; no rules.

import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

# from this file's place, not from workflow.basedir: workflow/Snakefile includes the one at the root
BASE = Path(workflow.current_basedir.get_path_or_uri(secret_free=True)).resolve().parents[1]
sys.path[:0] = [f"{BASE}/workflow", f"{BASE}/scripts"]
import config_files
import fingerprint as fingerprints
import lineage
import plan as plans
import provenance
import settings as config_settings
import snakemake_private
import start_checks
from metarewarding.evaluation import registry

try:
    config_settings.check_files(workflow.configfiles)
    SETTINGS = config_settings.resolve(config)
except config_settings.ConfigError as error:
    raise WorkflowError(str(error)) from None
provenance.export(SETTINGS, BASE)
snakemake_private.become_driver(workflow)
PLAN = plans.plan(SETTINGS)
# {role: its template, and the rubric that it includes}
TEMPLATES = {
    role: config_files.template_files(SETTINGS, role) for role in ("judge", "meta_judge", "pairwise", "generate")
}
OWN_MODEL = r"seed|m0|[a-z][a-z0-9-]*/m[1-9][0-9]*"


wildcard_constraints:
    model=OWN_MODEL,
    method="|".join(SETTINGS["methods"]),
    iteration=r"[1-9][0-9]*",
    shard=r"[0-9]+",
    pool=r"[1-9][0-9]*",
    role="annotator|generator",
    reward_model=r"[A-Za-z0-9._-]+",
    benchmark="|".join(registry.names()),
    source="[a-z0-9_]+",
    preference="|".join(name for name, known in registry.every().items() if known.read_rows),


SAMPLING = SETTINGS["sampling"]
SEED = SAMPLING["seed"]
SHARDS = range(SAMPLING["shards"])
EFT = SETTINGS["eft"]

# the models that the report shows, and what they were trained from
REPORTED = lineage.models(SETTINGS, SETTINGS["run"])
TRAINED = REPORTED[2:]
PARENTS = {model: lineage.parent(SETTINGS, *lineage.split_model(model)) for model in TRAINED}
JUDGE_TRAINED = [model for model in TRAINED if lineage.trains_judge(SETTINGS, model)]
META_JUDGES = list(dict.fromkeys(PARENTS[model] for model in JUDGE_TRAINED))


def fingerprint(script, *benchmarks, fields=()):
    """Return the hash, a param of each rule, of a script, the local modules it imports and those of ``benchmarks``."""
    modules = [BASE / f"scripts/metarewarding/evaluation/{name}.py" for name in benchmarks]
    return fingerprints.fingerprint(BASE / "scripts" / script, BASE / "scripts", modules, fields)


def parent(wildcards):
    """Return the model that an iteration starts from: the method's previous one, or its `starts_from`."""
    return lineage.parent(SETTINGS, wildcards.method, int(wildcards.iteration))


def from_parent(path):
    """Return a function that gives a file in the parent's folder; with `{shard}` in it, one for each shard."""

    def files(wildcards):
        folder = f"<results>/{parent(wildcards)}"
        return expand(f"{folder}/{path}", shard=SHARDS) if "{shard}" in path else f"{folder}/{path}"

    return files


def of_iteration(key):
    """Return a function that gives a setting of one DPO round: from the iteration, the method, or `pairs` and `dpo`."""

    def value(wildcards):
        rounds, number = lineage.iterations(SETTINGS, wildcards.method), int(wildcards.iteration)
        if number > len(rounds):
            raise WorkflowError(
                f"config: methods.{wildcards.method} has {len(rounds)} iterations, but m{number} was requested."
            )
        return rounds[number - 1][key]

    return value


def system_prompt(wildcards):
    """Return the system prompt; a function, because Snakemake would replace braces in a plain string."""
    return SAMPLING["system_prompt"]


def training_pairs(wildcards):
    """Return the pair files that an iteration trains on."""
    folder = f"<results>/{wildcards.method}/m{wildcards.iteration}/pairs"
    return [f"{folder}/{kind}.jsonl" for kind in of_iteration("train_on")(wildcards)]


def uses_judgments(wildcards):
    """Return whether an iteration's pairs come from its parent's judgments."""
    return lineage.uses_judgments(SETTINGS, f"{wildcards.method}/m{wildcards.iteration}")


def prompts_of(wildcards):
    """Return the prompts that a model answers: the slice of the iteration that it is the parent of."""
    return f"<results>/data/prompts/{lineage.depth(SETTINGS, wildcards.model) + 1}.jsonl"


def prompts_of_parent(wildcards):
    """Return the prompts that an iteration's pairs come from."""
    return f"<results>/data/prompts/{lineage.depth(SETTINGS, parent(wildcards)) + 1}.jsonl"
