# What the rules of benchmarks.smk take: settings, files, params; no rules.

from metarewarding.evaluation.preference_table import PREFERENCES

ARENA_RUNS = "arena_laptop" in SETTINGS["benchmarks"]["run"]
ARENA = SETTINGS["benchmarks"]["arena_laptop"]
AGREEMENT = SETTINGS["benchmarks"]["judge_agreement"]
PREFERRED = [name for name in SETTINGS["benchmarks"]["run"] if name in PREFERENCES]  # rows whose best response is known
OTHERS = [name for name in SETTINGS["benchmarks"]["run"] if name not in PREFERENCES]
JUDGED = [name for name in OTHERS if name != "arena_laptop"]  # by a judge behind an API
TABLE_3 = "judge_vs_gpt4" in JUDGED
ANSWERED = [name for name in OTHERS if name != "judge_vs_gpt4"]
JUDGED_IN_PAIRS = [name for name in PREFERRED if SETTINGS["benchmarks"][name]["pairwise"]]
HELD_OUT_PROMPTS = "<results>/data/eft/comparison_prompts.jsonl"
HELD_OUT_RESPONSES = "<results>/seed/benchmarks/judge_vs_gpt4/responses.jsonl"
HELD_OUT_JUDGMENTS = "<results>/{model}/benchmarks/judge_vs_gpt4/judgments.jsonl"
# how MT-Bench's answers are drawn, as published
MT_BENCH_TEMPERATURES = {
    "writing": 0.7,
    "roleplay": 0.7,
    "extraction": 0.0,
    "math": 0.0,
    "coding": 0.0,
    "reasoning": 0.0,
    "stem": 0.1,
    "humanities": 0.1,
}


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
    files |= {name: f"{name}/judgments" for name in PREFERRED}
    files |= {f"{name}_pairwise": f"{name}/verdicts" for name in JUDGED_IN_PAIRS}
    return {name + suffix: f"<results>/{{model}}/benchmarks/{file}{ending}" for name, file in files.items()}


def answer_settings(benchmark):
    """How a benchmark's answers are drawn, and how many; MT-Bench has {category: temperature}."""
    own = SETTINGS["benchmarks"][benchmark]
    if benchmark == "arena_laptop":  # as the loop's responses
        drawn = {key: SAMPLING["responses"][key] for key in ("temperature", "top_p", "max_tokens")}
    elif benchmark == "mt_bench":
        drawn = {"temperature": MT_BENCH_TEMPERATURES, "top_p": 1, "max_tokens": own["max_tokens"]}
    else:
        drawn = {key: own[key] for key in ("temperature", "top_p", "max_tokens")}
    return drawn | {"subset": own.get("subset")}


def preference_file(benchmark):
    return f"<results>/data/benchmarks/{benchmark}.jsonl"


def revision_of(source):
    """The revision of a source that the config names; None for one that is pinned in the code."""
    return SETTINGS["benchmarks"]["reward_bench_2"]["revision"] if source.startswith("reward_bench_2") else None


def preference_settings(benchmark):
    """How a model is asked about a preference benchmark's rows."""
    own = SETTINGS["benchmarks"][benchmark]
    return {key: own[key] for key in ("judgments", "pairwise", "max_tokens")}
