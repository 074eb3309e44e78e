"""How long the filter takes at the paper's size: `envs/run python tests/bench_prompt_filter.py`.

40,000 candidates of 5 to 60 words with Zipf frequencies, one in ten a near-copy of an earlier one, are filtered
into a pool of 20,000, beside 3,200 demonstrations; a plain longest common subsequence is timed on a sample.
"""

import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "scripts"))
from metarewarding.prompt_generation import RougeIndex, select, tokens

VOCABULARY, DEMONSTRATIONS, CANDIDATES, POOL = 30_000, 3200, 40_000, 20_000


def lcs(a, b):
    row = [0] * (len(b) + 1)
    for x in a:
        diagonal = 0
        for j, y in enumerate(b, start=1):
            diagonal, row[j] = row[j], diagonal + 1 if x == y else max(row[j], row[j - 1])
    return row[-1]


def main():
    rng = np.random.default_rng(0)
    zipf = 1 / np.arange(1, VOCABULARY + 1)
    zipf /= zipf.sum()
    texts = []
    for _ in range(DEMONSTRATIONS + CANDIDATES):
        if len(texts) > DEMONSTRATIONS and rng.random() < 0.1:
            words = texts[rng.integers(len(texts))].split()
            words[rng.integers(len(words))] = "changed"
        else:
            words = [f"w{i}" for i in rng.choice(VOCABULARY, rng.integers(5, 61), p=zipf)]
        texts.append(" ".join(words))
    rows = [
        {"prompt_id": f"g1-1-{i}", "text": text, "raw": text, "finish_reason": "stop"} for i, text in enumerate(texts)
    ]
    ift, candidates = rows[:DEMONSTRATIONS], rows[DEMONSTRATIONS:]
    for wanted, what in ((POOL, f"into a pool of {POOL:,}"), (CANDIDATES, "all kept that may be")):
        start = time.perf_counter()
        accepted, refused = select(candidates, ift, [], wanted, 0.7, 4, 150, ["image"])
        print(
            f"{what}: {time.perf_counter() - start:.1f} s; accepted {len(accepted):,}; "
            f"{dict(Counter(row.reason for row in refused))}"
        )

    index = RougeIndex(0.7)
    for row in accepted[:POOL]:
        index.add(row["prompt_id"], row["text"])
    sample = [row["text"] for row in candidates[-200:]]
    start = time.perf_counter()
    for text in sample:
        index.most_similar(text)
    fast = (time.perf_counter() - start) / len(sample)
    words = [tokens(row["text"]) for row in accepted[:POOL]]
    start = time.perf_counter()
    pairs = [(tokens(text), words[int(i)]) for text in sample for i in rng.integers(len(words), size=10)]
    for a, b in pairs:
        lcs(a, b)
    plain = (time.perf_counter() - start) / len(pairs) * len(words)
    print(
        f"one candidate against {len(words):,} prompts: {fast * 1e3:.2f} ms; "
        f"a plain LCS for each: {plain:.1f} s, {plain / fast:,.0f} times as long"
    )


if __name__ == "__main__":
    main()
