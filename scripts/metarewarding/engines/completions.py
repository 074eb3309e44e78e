"""The completion store: every completion that an engine has drawn, kept next to a job's outputs.

A job that was killed, or that runs again with another judge setting, asks the engine only for what is missing.
The store is not a declared output, as Snakemake deletes outputs before it runs a job again. It may be deleted at any
time.
"""

import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from metarewarding.engines.sampling import Completion, Decoding


def model_sha256(weights: str | Path) -> str:
    """Return a hash of all files of a model directory, by names and contents: weights, tokenizer and template.

    The files are hashed in parallel, as a file of an 8B model takes seconds.
    """

    def digest(file: Path) -> str:
        with open(file, "rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()

    files = sorted(file for file in Path(weights).rglob("*") if file.is_file())
    with ThreadPoolExecutor() as threads:
        digests = threads.map(digest, files)
    lines = [f"{file.relative_to(weights)} {value}\n" for file, value in zip(files, digests, strict=True)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


class CompletionStore:
    """{key: completion} in a JSONL file, to which each completion adds one line.

    ``identity`` is common to all completions of a job: the model's hash, the engine with its version, the dtype. A line
    that a killed job left unfinished is ignored, and its completion is drawn again.
    """

    def __init__(self, path: str | Path, identity: dict):
        self.path, self.identity = Path(path), json.dumps(identity, sort_keys=True)
        self.rows: dict[str, Completion] = {}
        content = self.path.read_bytes() if self.path.is_file() else b""
        for line in content.splitlines():
            try:
                row = json.loads(line)
                self.rows[row["key"]] = Completion(row["text"], row["tokens"], row["finish_reason"], stored=True)
            except (ValueError, KeyError, TypeError):
                continue
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.file = open(self.path, "a", encoding="utf-8")
        if content and not content.endswith(b"\n"):
            self.file.write("\n")

    def key(self, prompt: Sequence[int], decoding: Decoding, max_tokens: int, seed: int) -> str:
        """Return the hash of all that decides one completion.

        ``prompt``: token ids; ``max_tokens``: the lower limit of the decoding and the model's context.
        """
        drawn = f"{decoding.temperature} {decoding.top_p} {max_tokens} {seed} "
        return hashlib.sha256((self.identity + drawn + ",".join(map(str, prompt))).encode()).hexdigest()[:32]

    def get(self, key: str) -> Completion | None:
        return self.rows.get(key)

    def add(self, key: str, completion: Completion) -> None:
        """Write a completion at once, so that later requests find it, also after a kill."""
        self.rows[key] = replace(completion, stored=True)
        row = {"key": key, "text": completion.text, "tokens": completion.tokens}
        self.file.write(json.dumps(row | {"finish_reason": completion.finish_reason}, ensure_ascii=False) + "\n")
        self.file.flush()
