# What the rules of benchmarks.smk take: settings, files, params; no rules.

from metarewarding.evaluation.registry import JUDGED_ANSWERS, OWN_WIN_RATE, PREFERENCE

BENCHMARKS = {name: registry.get(name) for name in SETTINGS["benchmarks"]["run"]}
ANSWERED = [name for name in BENCHMARKS if BENCHMARKS[name].kind != PREFERENCE]
PREFERRED = [name for name in BENCHMARKS if BENCHMARKS[name].read_rows]  # rows with a known best response
JUDGED_IN_PAIRS = [name for name in PREFERRED if SETTINGS["benchmarks"][name]["pairwise"]]
# benchmarks whose given responses have no known best one
JUDGED_BY_MODEL = [name for name in BENCHMARKS if BENCHMARKS[name].kind == PREFERENCE and name not in PREFERRED]

OWN_WIN_RATES = [name for name in BENCHMARKS if BENCHMARKS[name].kind == OWN_WIN_RATE]
NO_JUDGE = PREFERRED + OWN_WIN_RATES  # their scores need no package of a benchmark judge
ARENA = SETTINGS["benchmarks"]["arena_laptop"]
AGREEMENT = SETTINGS["benchmarks"]["judge_agreement"]
ANY_MODEL = OWN_MODEL + r"|published/[A-Za-z0-9._-]+"  # or a model whose answers others published


def settings_of(benchmark, keys):
    """Return the settings ``keys`` of a benchmark; a change of the others does not rerun a rule that uses these."""
    return {key: SETTINGS["benchmarks"][benchmark][key] for key in keys}


def benchmark_file(source):
    return f"<results>/data/benchmarks/{source}"


def questions_of(benchmark):
    """Return the file with a benchmark's questions: a source that is fetched, or a file that the config names."""
    key = registry.get(benchmark).questions
    own = SETTINGS["benchmarks"][benchmark]
    return own[key] if key in own else benchmark_file(key)


def judged_files():
    """Return {name: file} of the given responses that every model judges, and their prompts."""
    files = {name: BENCHMARKS[name].judged_files(SETTINGS["benchmarks"][name]) for name in JUDGED_BY_MODEL}
    return {f"{name}_{what}": file for name, of in files.items() for what, file in of.items()}


def evaluation_files(ending, suffix):
    """Return {name: file} of everything that one evaluation job samples."""
    files = {name: f"{name}/answers" for name in ANSWERED} | {"judgments": "judge_agreement/judgments"}
    files |= {name: f"{name}/judgments" for name in JUDGED_BY_MODEL + PREFERRED}
    files |= {f"{name}_pairwise": f"{name}/verdicts" for name in JUDGED_IN_PAIRS}
    return {name + suffix: f"<results>/{{model}}/benchmarks/{file}{ending}" for name, file in files.items()}


def answer_settings(benchmark):
    """Return the decoding of a benchmark's answers, their subset and the number of turns."""
    own, known = SETTINGS["benchmarks"][benchmark], registry.get(benchmark)
    return known.decoding(own, SAMPLING["responses"]) | {"subset": own.get("subset"), "turns": known.turns}


def score_inputs(wildcards):
    """Return the files that a model's score on a benchmark is computed from."""
    own = SETTINGS["benchmarks"][wildcards.benchmark]
    return registry.get(wildcards.benchmark).files_of_score(own, wildcards.model)


def score_settings(wildcards):
    return settings_of(wildcards.benchmark, registry.get(wildcards.benchmark).score_keys)


def preference_file(benchmark):
    return f"<results>/data/benchmarks/{benchmark}.jsonl"


def revision_of(source):
    """Return the revision of a source that the config names; None for one that is pinned in the code."""
    return SETTINGS["benchmarks"]["reward_bench_2"]["revision"] if source.startswith("reward_bench_2") else None


def preference_settings(benchmark):
    """Return the settings by which a model judges a preference benchmark's rows."""
    return settings_of(benchmark, ("judgments", "pairwise", "max_tokens"))
