"""Similarity of texts: ROUGE-L against many texts at once (Self-Instruct's filter for new prompts)."""

import math
import re

from rapidfuzz import process
from rapidfuzz.distance import Indel


def tokens(text: str) -> list[str]:
    """Return the words that ROUGE compares, as the rouge-score package makes them without stemming.

    Runs of a-z and 0-9 in lower case. Letters of other scripts separate words and are not compared: to the
    measure, texts that differ in nothing but these are the same.
    """
    return re.findall("[a-z0-9]+", text.lower())


class RougeIndex:
    """Texts, and which of them another text resembles: ROUGE-L F1 = 2 LCS / (m + n) of at least ``threshold``.

    The longest common subsequence comes from rapidfuzz, with one character for each word. Texts that cannot
    reach the threshold are left out before: of m words, a match has at least ``threshold`` m / (2 - ``threshold``)
    in common, so it contains one of any m + 1 minus that many words, and the rarest are looked up.
    """

    def __init__(self, threshold: float):
        self.threshold = threshold
        self.ids: list[str] = []
        self.texts: list[str] = []  # a character for each word
        self.lengths: list[int] = []
        self.characters: dict[str, str] = {}
        self.holders: dict[str, list[int]] = {}  # {character: the texts that contain it}

    def add(self, identity: str, text: str) -> None:
        encoded = "".join(self.characters.setdefault(word, self._next_character()) for word in tokens(text))
        for character in set(encoded):
            self.holders.setdefault(character, []).append(len(self.texts))
        self.ids.append(identity)
        self.texts.append(encoded)
        self.lengths.append(len(encoded))

    def most_similar(self, text: str) -> tuple[str, float] | None:
        """Return (id, ROUGE-L F1) of the most similar text, the first of several, or None below the threshold."""
        # "\0", which is in no indexed text, stands for unknown words
        encoded = "".join(self.characters.get(word, "\0") for word in tokens(text))
        m = len(encoded)
        # F1 >= t with an LCS of min(m, n) words at most: n and the words in common are t m / (2 - t) or more,
        # n is (2 - t) m / t or less. The margin keeps a text at the very threshold from being left out by
        # rounding: rapidfuzz 3.14 stores its cut-off in single precision.
        t = self.threshold - 1e-5
        shortest, longest = t * m / (2 - t), (2 - t) * m / t
        rarest = sorted(encoded, key=lambda character: len(self.holders.get(character, ())))
        rarest = set(rarest[: m - math.ceil(shortest) + 1])
        candidates = set().union(*(self.holders.get(character, ()) for character in rarest))
        candidates = sorted(i for i in candidates if shortest <= self.lengths[i] <= longest)
        best = process.extractOne(
            encoded, [self.texts[i] for i in candidates], scorer=Indel.normalized_similarity, score_cutoff=t
        )
        if best is None:
            return None
        total = m + len(best[0])
        rouge_l = (total - Indel.distance(encoded, best[0])) / total  # of whole numbers, so exact at the threshold
        return (self.ids[candidates[best[2]]], rouge_l) if rouge_l >= self.threshold else None

    def _next_character(self) -> str:
        code = len(self.characters) + 1
        return chr(code if code < 0xD800 else code + 0x800)  # surrogates are not characters
