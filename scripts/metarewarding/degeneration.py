"""Signs that a model's texts degenerate: repetition, empty texts, little variety."""

from collections.abc import Iterable, Iterator

REPEATED = 8  # words


def word_ngrams(text: str, n: int) -> Iterator[tuple[str, ...]]:
    """Return the runs of ``n`` neighbouring words (separated by whitespace), in order."""
    words = text.split()
    return zip(*(words[start:] for start in range(n)), strict=False)


def repeats(text: str, n: int = REPEATED) -> bool:
    """Return whether some run of ``n`` words occurs more than once in ``text``."""
    runs = list(word_ngrams(text, n))
    return len(set(runs)) < len(runs)


def distinct(texts: Iterable[str], n: int = 2) -> float | None:
    """Return the share of distinct runs among all runs of ``n`` words in ``texts`` (distinct-n of Li et al. 2016).

    It falls as texts are added: compare only the same number of texts. None where no text has ``n`` words.
    """
    total, seen = 0, set()
    for text in texts:
        runs = list(word_ngrams(text, n))
        total += len(runs)
        seen.update(runs)
    return len(seen) / total if total else None
