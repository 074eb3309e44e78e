"""Where the benchmarks' files come from: each at a pinned revision, with its sha256.

Two environment variables name mirrors: HF_ENDPOINT instead of https://huggingface.co, as the hub's own
library takes it, and GITHUB_RAW_ENDPOINT instead of https://raw.githubusercontent.com.
"""

import os

from metarewarding.evaluation.preference_table import SOURCES as PREFERENCE_SOURCES

ALPACA_EVAL = "tatsu-lab/alpaca_eval/cd543a149df89434d8a54582c0151c0b945c3d20"
ARENA_HARD = "lmarena/arena-hard-auto/196f6b826783b3da7310e361a805fa36f0be83f3"
MT_BENCH = "lm-sys/FastChat/0e6d3e4beaab66f4d3f93db72541a4abab8af28d/fastchat/llm_judge/data"

# The revision of the hub's dataset that holds AlpacaEval's length control.
ALPACA_EVAL_HUB = "2edc6fad8be6b14ea7230aabfd08188da6b8b814"

# name: (site, path, sha256). The two files with Arena-Hard's judge prompt are pinned by their commit alone.
SOURCES = {
    "alpaca_eval_reference": (
        "github",
        f"{ALPACA_EVAL}/results/gpt4_1106_preview/model_outputs.json",
        "83db546b872ddebee8965fd05fa48461ee3c32bc695c62fb57f2d214ff741ec4",
    ),
    "alpaca_eval_gamed": (
        "hub",
        f"datasets/tatsu-lab/alpaca_eval/resolve/{ALPACA_EVAL_HUB}/df_gamed.csv",
        "97aeec3f1c7de6dee6fd31fe66f1702623f4614c3efe1c6fc5f4927cd5fd674d",
    ),
    "arena_hard_questions": (
        "github",
        f"{ARENA_HARD}/data/arena-hard-v0.1/question.jsonl",
        "2650242d2883f22b2abd498f273b6a7e02253cce533f5c91a858e1d44aa3002f",
    ),
    "arena_hard_baseline": (
        "github",
        f"{ARENA_HARD}/data/arena-hard-v0.1/model_answer/gpt-4-0314.jsonl",
        "0f6abc84de4600fde987d9db70f838f4ecdbd27a2f1f4058c12aa322a6f791b2",
    ),
    "arena_hard_judge_prompt": ("github", f"{ARENA_HARD}/utils/judge_utils.py", None),
    "arena_hard_judge_template": ("github", f"{ARENA_HARD}/config/arena-hard-v0.1.yaml", None),
    "mt_bench_questions": (
        "github",
        f"{MT_BENCH}/mt_bench/question.jsonl",
        "119565adbab82227089cefdb44c8d7e2cf04dc0a0ec233634c82e7d4e2a944f7",
    ),
    "mt_bench_references": (
        "github",
        f"{MT_BENCH}/mt_bench/reference_answer/gpt-4.jsonl",
        "f957a5bc977badb66885ec970e6cd08527845780313f0995764260e5777b9b3f",
    ),
    "mt_bench_judge_prompts": (
        "github",
        f"{MT_BENCH}/judge_prompts.jsonl",
        "fd283293406d024f44c174b094ef48031d0687a4682fd3a56b29b138f80281b6",
    ),
    **PREFERENCE_SOURCES,
}

MIRRORS = {
    "hub": ("HF_ENDPOINT", "https://huggingface.co"),
    "github": ("GITHUB_RAW_ENDPOINT", "https://raw.githubusercontent.com"),
}


def address(name: str, revision: str | None = None) -> tuple[str, str | None]:
    """(URL, sha256 or None) of the source ``name``, at the mirror that the environment names, if it names one.

    ``revision`` stands for {revision} in the path of a source whose revision the config names.
    """
    site, path, digest = SOURCES[name]
    path = path.replace("{revision}", revision or "")
    variable, default = MIRRORS[site]
    return f"{(os.environ.get(variable) or default).rstrip('/')}/{path}", digest
