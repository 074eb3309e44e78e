# Settings, paths and the recursion; no rules.

import json
import os
import shlex
import shutil
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

# from this file's place, not from workflow.basedir: workflow/Snakefile includes the one at the root
BASE = Path(workflow.current_basedir.get_path_or_uri(secret_free=True)).resolve().parents[1]
sys.path[:0] = [f"{BASE}/workflow", f"{BASE}/scripts"]
# the programs in scripts/<stage>/ import the package beside these folders, in every conda environment
shell.prefix(
    f"set -euo pipefail; export PYTHONPATH={shlex.quote(f'{BASE}/scripts')}${{{{PYTHONPATH:+:$PYTHONPATH}}}}; "
)
import estimate
import fingerprint as fingerprints
import plan as plans
import provenance
import settings as config_settings
from differences import differences
from metarewarding.reporting import scoreboard

try:
    SETTINGS = config_settings.resolve(config)
except config_settings.ConfigError as error:
    raise WorkflowError(str(error)) from None
provenance.export(SETTINGS, BASE)
PLAN = plans.plan(SETTINGS)
# {role: its template, and the rubric that it includes}
TEMPLATES = {role: config_settings.template_files(SETTINGS, role) for role in ("judge", "meta_judge", "generate")}


wildcard_constraints:
    model=r"seed|m0|[a-z][a-z0-9-]*/m[1-9][0-9]*",
    method="|".join(SETTINGS["methods"]),
    iteration=r"[1-9][0-9]*",
    shard=r"[0-9]+",
    pool=r"[1-9][0-9]*",
    round=r"[1-9][0-9]*",
    role="annotator|generator",
    reward_model=r"[A-Za-z0-9._-]+",
    benchmark="alpaca_eval|arena_hard|mt_bench",
    source="[a-z0-9_]+",


SAMPLING = SETTINGS["sampling"]
NEEDS = SETTINGS["resources"]
SEED = SAMPLING["seed"]
SHARDS = range(SAMPLING["shards"])

# data
EFT = SETTINGS["eft"]
TREES_ON_HUB = config_settings.on_hub(EFT["trees"])
FETCHED_TREES = "<results>/data/eft/trees.jsonl" + ".gz" * EFT["trees"].endswith(".gz")
ANNOTATED = expand("<results>/data/eft/judgments/{shard}.jsonl", shard=SHARDS)
GENERATES = SETTINGS["prompts"]["source"] == "generate"
GENERATION = SETTINGS["prompts"]["generation"]
OTHER_MODELS = config_settings.other_models(SETTINGS)

REWARD_MODELS = config_settings.reward_models(SETTINGS)

# benchmarks
ARENA_RUNS = "arena_laptop" in SETTINGS["benchmarks"]["run"]
ARENA = SETTINGS["benchmarks"]["arena_laptop"]
AGREEMENT = SETTINGS["benchmarks"]["judge_agreement"]
JUDGED = [name for name in SETTINGS["benchmarks"]["run"] if name != "arena_laptop"]  # by a judge behind an API
BENCHMARK_FILES = SETTINGS["benchmarks"]["files"]
WHOLE_ALPACA_EVAL = (SETTINGS["benchmarks"]["alpaca_eval"]["subset"] or 805) >= 805
CATEGORIES = SETTINGS["benchmarks"]["alpaca_eval"]["categories"]
CALIBRATIONS = config_settings.calibrations(SETTINGS)
CALIBRATED = sorted({row["benchmark"] for row in CALIBRATIONS})
OWN_MODEL = r"seed|m0|[a-z][a-z0-9-]*/m[1-9][0-9]*"
ANY_MODEL = OWN_MODEL + r"|published/[A-Za-z0-9._-]+"  # or a model whose answers others published
TABLE_3 = "judge_vs_gpt4" in JUDGED
ANSWERED = [name for name in SETTINGS["benchmarks"]["run"] if name != "judge_vs_gpt4"]
HELD_OUT_PROMPTS = "<results>/data/eft/comparison_prompts.jsonl"
HELD_OUT_RESPONSES = "<results>/seed/benchmarks/judge_vs_gpt4/responses.jsonl"
HELD_OUT_JUDGMENTS = "<results>/{model}/benchmarks/judge_vs_gpt4/judgments.jsonl"

# the models that the report shows, and what they were trained from
REPORTED = config_settings.models(SETTINGS, SETTINGS["run"])
TRAINED = REPORTED[2:]
PARENTS = {model: config_settings.parent(SETTINGS, *config_settings.split_model(model)) for model in TRAINED}
JUDGE_TRAINED = [model for model in TRAINED if config_settings.trains_judge(SETTINGS, model)]
META_JUDGES = list(dict.fromkeys(PARENTS[model] for model in JUDGE_TRAINED))
JUDGES = list(dict.fromkeys(PARENTS[m] for m in TRAINED if config_settings.uses_judgments(SETTINGS, m)))
REWARD_SCORED = [model for model in TRAINED if config_settings.scored_by(SETTINGS, model)]


def fingerprint(script):
    """What a script and the local modules that it imports do; a rule carries it as a param."""
    return fingerprints.fingerprint(BASE / "scripts" / script, BASE / "scripts")


# -- what a job needs; the site's partitions, account and spelling of GPUs stand in the profile. A rule without a GPU
# takes a core for seconds or a minute, less than its time in a queue: it is local, and runs where Snakemake runs.


def needs(kind):
    """Resources of a job that runs an engine (`engine`) or trains (`train`): half as much again on each retry.

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


# A compute node needs no token: what is downloaded, and what is asked of a judge's server, is asked from the
# machine that runs Snakemake. It may also have no way out, so nothing there looks for the hub.
if workflow.remote_exec:
    for secret in config_settings.secrets(SETTINGS):
        os.environ.pop(secret, None)
    os.environ.setdefault("HF_HUB_OFFLINE", "1")


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


# -- the recursion: from any model back to the seed


def parent(wildcards):
    """The model that an iteration starts from: the method's previous one, or its `starts_from`."""
    return config_settings.parent(SETTINGS, wildcards.method, int(wildcards.iteration))


def from_parent(path):
    """A file in the parent's folder; with `{shard}` in it, one for each shard."""

    def files(wildcards):
        folder = f"<results>/{parent(wildcards)}"
        return expand(f"{folder}/{path}", shard=SHARDS) if "{shard}" in path else f"{folder}/{path}"

    return files


def training_pairs(wildcards):
    """The pair files that an iteration trains on."""
    folder = f"<results>/{wildcards.method}/m{wildcards.iteration}/pairs"
    return [f"{folder}/{kind}.jsonl" for kind in of_iteration("train_on")(wildcards)]


def reward_model(wildcards):
    """The weights of the reward model that scores for an iteration: fetched from the hub, or a local folder."""
    place = of_iteration("scored_by")(wildcards)
    if place is None:
        raise WorkflowError(f"config: methods.{wildcards.method}.scored_by: there is no reward model.")
    name = config_settings.reward_model_name(place)
    return f"<results>/data/reward_models/{name}/weights" if name else place


def response_scores(wildcards):
    """What an iteration's actor pairs are chosen by: the parent's judgments, or a reward model's scores."""
    if of_iteration("scored_by")(wildcards) is None:
        return {"judgments": from_parent("judgments/{shard}.jsonl")(wildcards)}
    folder = f"<results>/{wildcards.method}/m{wildcards.iteration}"
    return {"rewards": expand(f"{folder}/rewards/{{shard}}.jsonl", shard=SHARDS)}


def uses_judgments(wildcards):
    """Whether an iteration's pairs come from its parent's judgments."""
    return config_settings.uses_judgments(SETTINGS, f"{wildcards.method}/m{wildcards.iteration}")


# -- prompt pools


def earlier_prompts(wildcards):
    """The prompts that a round's candidates must differ from: of earlier pools, and of earlier rounds."""
    pools = [f"<results>/data/prompts/pool/{pool}.jsonl" for pool in range(1, int(wildcards.pool))]
    rounds = range(1, int(wildcards.round))
    return pools + [f"<results>/data/prompts/generated/{wildcards.pool}/{n}/accepted.jsonl" for n in rounds]


def rounds_before(wildcards):
    return int(wildcards.round) - 1


def pool_sources(wildcards):
    """What a pool is made from: the accepted prompts of its rounds, or its file; and the pools before it."""
    number = int(wildcards.pool)
    earlier = [f"<results>/data/prompts/pool/{pool}.jsonl" for pool in range(1, number)]
    if GENERATES:
        rounds = range(1, GENERATION["rounds"] + 1)
        return {"accepted": [f"<results>/data/prompts/generated/{number}/{n}/accepted.jsonl" for n in rounds]}
    return {"prompts": SETTINGS["prompts"]["path"][number - 1], "earlier": earlier}


def pool_of_iteration(wildcards):
    pool, _ = config_settings.slice_place(SETTINGS, int(wildcards.iteration))
    return f"<results>/data/prompts/pool/{pool}.jsonl"


def slice_of_iteration(wildcards):
    return config_settings.slice_place(SETTINGS, int(wildcards.iteration))[1]


# -- benchmarks and their judges


def benchmark_file(source):
    return f"<results>/data/benchmarks/{source}"


def questions_of(benchmark):
    if benchmark == "arena_laptop":
        return ARENA["prompts"]
    source = {"alpaca_eval": "reference", "arena_hard": "questions", "mt_bench": "questions"}[benchmark]
    return benchmark_file(f"{benchmark}_{source}")


def evaluation_files(ending, suffix):
    """{name: file} of all that one job asks a model for its evaluation."""
    files = {name: f"{name}/answers" for name in ANSWERED} | {"judgments": "judge_agreement/judgments"}
    files |= {"held_out": "judge_vs_gpt4/judgments"} if TABLE_3 else {}
    return {name + suffix: f"<results>/{{model}}/benchmarks/{file}{ending}" for name, file in files.items()}


def answer_settings(benchmark):
    """How a benchmark's answers are drawn, and how many; MT-Bench has {category: temperature}."""
    own = SETTINGS["benchmarks"][benchmark]
    if benchmark == "arena_laptop":  # as the loop's responses
        drawn = {key: SAMPLING["responses"][key] for key in ("temperature", "top_p", "max_tokens")}
    elif benchmark == "mt_bench":
        drawn = {"temperature": config_settings.MT_BENCH_TEMPERATURES, "top_p": 1, "max_tokens": own["max_tokens"]}
    else:
        drawn = {key: own[key] for key in ("temperature", "top_p", "max_tokens")}
    return drawn | {"subset": own.get("subset")}


def published(benchmark, model, what):
    """The file with the published ``what`` (answers or verdicts) of a model."""
    rows = [row[what] for row in CALIBRATIONS if (row["benchmark"], row["model"]) == (benchmark, model)]
    if not rows:
        raise WorkflowError(f"config: benchmarks.calibration.{benchmark}: there is no published model '{model}'.")
    return rows[0]


def judge_params(benchmark):
    """A benchmark's judge, with its name, and by themselves those of its settings that decide its verdicts.

    The first is None where the config names no judge that is there. A judge that is served here needs the engine.
    """
    name = SETTINGS["benchmarks"][benchmark]["judge"]
    settings = SETTINGS["benchmarks"]["judges"].get(name)
    if settings is None:
        return {"judge": None, "engine": None}
    judge = {"name": name} | {key: value for key, value in settings.items() if key != "weights"}
    patience = ("api_key_env", "concurrency", "timeout_s", "max_cost")
    params = {"judge": untracked(judge), "judge_identity": {key: judge[key] for key in judge if key not in patience}}
    return params | (engine_params() if settings["weights"] else {"engine": None})


def judge_named(benchmark):
    """The name of a benchmark's judge, and of its model."""
    name = SETTINGS["benchmarks"][benchmark]["judge"]
    return {"name": name, "model": SETTINGS["benchmarks"]["judges"].get(name, {}).get("model")}


def asked_over_api(benchmark):
    """Whether a benchmark's judge is a server elsewhere: such jobs run where Snakemake runs, with its way out."""
    return not judge_weights(benchmark)


def judge_threads(benchmark):
    """Those of an engine for a judge that is served here."""
    return 1 if asked_over_api(benchmark) else NEEDS["engine"]["threads"]


def judge_needs(benchmark):
    """Those of an engine for a judge that is served here, with as many GPUs as its model is split over."""
    if asked_over_api(benchmark):
        return {}
    split = SETTINGS["benchmarks"]["judges"][SETTINGS["benchmarks"][benchmark]["judge"]]["tensor_parallel"]
    return needs("engine") | ({"gpu": split} if split > NEEDS["engine"]["gpu"] else {})


def categories_of(wildcards):
    """The categories of AlpacaEval's instructions, from a judge or a file; published answers are scored without."""
    if CATEGORIES is None or wildcards.model.startswith("published/"):
        return {}
    return {"categories": benchmark_file("alpaca_eval_categories.json") if CATEGORIES == "judge" else CATEGORIES}


def published_verdicts(wildcards):
    if not CALIBRATIONS:
        raise WorkflowError(
            "config: benchmarks.calibration: name a folder of published answers under alpaca_eval or arena_hard."
        )
    return [row["verdicts"] for row in CALIBRATIONS]


def judge_weights(benchmark):
    """The input that a judge needs which is served here: its weights."""
    name = SETTINGS["benchmarks"][benchmark]["judge"]
    weights = (SETTINGS["benchmarks"]["judges"].get(name) or {}).get("weights")
    if weights is None:
        return {}
    return {"judge_weights": f"<results>/{weights}/weights" if weights in ("seed", "m0") else weights}


# -- settings and paths by wildcard


def weights_of(role):
    """The weights of a model beside those that the loop makes: the seed's, where the config names no other."""
    return f"<results>/data/{role}/weights" if role in OTHER_MODELS else "<results>/seed/weights"


def of_iteration(key):
    """A setting of one DPO round: the iteration's, else the method's, else that of `pairs` or `dpo`."""

    def value(wildcards):
        rounds = config_settings.iterations(SETTINGS, wildcards.method)
        number = int(wildcards.iteration)
        if number > len(rounds):
            raise WorkflowError(
                f"config: methods.{wildcards.method} has {len(rounds)} iterations, and m{number} is asked for."
            )
        return rounds[number - 1][key]

    return value


def prompts_of(wildcards):
    """The prompts that a model answers: the slice of the iteration that it is the parent of."""
    return f"<results>/data/prompts/{config_settings.depth(SETTINGS, wildcards.model) + 1}.jsonl"


def prompts_of_parent(wildcards):
    """The prompts that an iteration's pairs come from."""
    return f"<results>/data/prompts/{config_settings.depth(SETTINGS, parent(wildcards)) + 1}.jsonl"


def iteration_stats(wildcards):
    """The counts behind an iteration's pairs: those of the pairs, of the judgments, of the meta-judgments.

    The parent's hold seconds, and so differ where a shard is sampled anew and comes out the same; the pairs' do not.
    """
    folder, kinds = f"<results>/{wildcards.method}/m{wildcards.iteration}/pairs", of_iteration("train_on")(wildcards)
    stats = {f"{kind}_pairs": f"{folder}/{kind}.stats.json" for kind in kinds}
    if uses_judgments(wildcards):
        stats["judgments"] = [ancient(file) for file in from_parent("judgments/{shard}.stats.json")(wildcards)]
    if "judge" in kinds:
        stats["meta_judgments"] = [
            ancient(file) for file in from_parent("meta_judgments/{shard}.stats.json")(wildcards)
        ]
    return stats


def iteration_rows(wildcards):
    """The rows behind an iteration's pairs, and the pairs."""
    folder, kinds = f"<results>/{wildcards.method}/m{wildcards.iteration}", of_iteration("train_on")(wildcards)
    rows = {"prompts": prompts_of_parent(wildcards)}
    rows |= {f"{kind}_pairs": f"{folder}/pairs/{kind}.jsonl" for kind in kinds}
    rows |= {"scores": f"{folder}/scores.jsonl"} if "actor" in kinds else {}
    rows |= {"elo": f"{folder}/elo.jsonl"} if "judge" in kinds else {}
    sampled = ["responses", *["judgments"] * uses_judgments(wildcards), *["meta_judgments"] * ("judge" in kinds)]
    return rows | {name: from_parent(f"{name}/{{shard}}.jsonl")(wildcards) for name in sampled}


def sampled_folders():
    """`<model>/<stage>` of everything that is sampled, or scored, to train the reported models."""
    stages = [(model, "responses") for model in dict.fromkeys(PARENTS.values())]
    stages += [(model, "judgments") for model in JUDGES]
    stages += [(model, "meta_judgments") for model in META_JUDGES]
    stages += [(model, "rewards") for model in REWARD_SCORED]
    return [f"{model}/{stage}" for model, stage in stages]


def sampled_rows(wildcards):
    """Every sampled shard, so that one which was deleted is missed although what follows from it is there."""
    return expand("<results>/{folder}/{shard}.jsonl", folder=sampled_folders(), shard=SHARDS)


def sampling_stats(wildcards):
    """The facts of every sampling job behind the reported models."""
    sampled = expand("<results>/{folder}/{shard}.stats.json", folder=sampled_folders(), shard=SHARDS)
    files = evaluation_files(".stats.json", "").values()
    files = [*files, "<results>/{model}/benchmarks/arena_laptop/verdicts.stats.json"] if ARENA_RUNS else files
    data = expand("<results>/data/eft/judgments/{shard}.stats.json", shard=SHARDS) * (EFT["annotator"] != "written")
    if GENERATES:
        data += expand(
            "<results>/data/prompts/generated/{pool}/{round}/candidates/{shard}.stats.json",
            pool=range(1, GENERATION["pools"] + 1),
            round=range(1, GENERATION["rounds"] + 1),
            shard=range(GENERATION["shards"]),
        )
    held_out = [HELD_OUT_RESPONSES.replace(".jsonl", ".stats.json")] * TABLE_3
    return data + sampled + expand(files, model=REPORTED) + held_out


def show_estimate():
    """How long the whole run will take, before its first job."""
    text = estimate.line(PLAN, SETTINGS, BASE / "scripts")
    if text:
        print(text, file=sys.stderr, flush=True)


def show_scoreboard():
    """The short version of the report, as wide as the terminal."""
    metrics = Path(SETTINGS["pathvars"].get("results", "results")) / "report" / "metrics.json"
    if metrics.is_file():
        plain = not sys.stderr.isatty() or "NO_COLOR" in os.environ
        found = json.loads(metrics.read_text(encoding="utf-8"))
        width = shutil.get_terminal_size((120, 24)).columns
        print(scoreboard.render(found, found["note"], width, colour=not plain), file=sys.stderr)
