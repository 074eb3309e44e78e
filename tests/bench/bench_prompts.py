"""The prompt filter at the paper's size."""

import time
from pathlib import Path

import numpy as np
from measure import alternate, row

from metarewarding.prompt_generation import select
from metarewarding.rouge import RougeIndex, tokens

VOCABULARY = 30_000


def lcs(a, b):
    row = [0] * (len(b) + 1)
    for x in a:
        diagonal = 0
        for j, y in enumerate(b, start=1):
            diagonal, row[j] = row[j], diagonal + 1 if x == y else max(row[j], row[j - 1])
    return row[-1]


def prompt_filter(quick: bool, model: Path) -> list[dict]:
    """Candidates of 5 to 60 words with Zipf frequencies, one in ten a near-copy of an earlier one, into a pool."""
    demonstrations, candidates, pool = (50, 200, 100) if quick else (3200, 40_000, 20_000)
    rng = np.random.default_rng(0)
    zipf = 1 / np.arange(1, VOCABULARY + 1)
    zipf /= zipf.sum()
    texts: list[str] = []
    for _ in range(demonstrations + candidates):
        if len(texts) > demonstrations and rng.random() < 0.1:
            words = texts[rng.integers(len(texts))].split()
            words[rng.integers(len(words))] = "changed"
        else:
            words = [f"w{i}" for i in rng.choice(VOCABULARY, rng.integers(5, 61), p=zipf)]
        texts.append(" ".join(words))
    rows = [
        {"prompt_id": f"g1-1-{i}", "text": text, "raw": text, "finish_reason": "stop"} for i, text in enumerate(texts)
    ]
    ift, requests = rows[:demonstrations], rows[demonstrations:]
    start = time.perf_counter()
    accepted, refused = select(requests, ift, [], pool, 0.7, 4, 150, ["image"])
    filtered = time.perf_counter() - start

    index = RougeIndex(0.7)
    for prompt in accepted:
        index.add(prompt["prompt_id"], prompt["text"])
    sample = [prompt["text"] for prompt in requests[-200:]]
    words = [tokens(prompt["text"]) for prompt in accepted]
    drawn = [(tokens(text), words[int(i)]) for text in sample for i in rng.integers(len(words), size=10)]
    ours, plain, _, _ = alternate(
        lambda: [index.most_similar(text) for text in sample], lambda: [lcs(a, b) for a, b in drawn]
    )
    return [
        row(
            f"prompt filter: one candidate against {len(words):,} prompts",
            ours / len(sample) * 1000,
            plain / len(drawn) * len(words) * 1000,
            "plain longest common subsequence",
            unit="ms",
            note=f"{len(accepted) + len(refused):,} candidates into a pool of {len(accepted):,} in {filtered:.1f} s; "
            f"the other's time from {len(drawn):,} pairs",
        )
    ]
