"""New prompts in the manner of Self-Instruct (Self-Rewarding, section 3.1.3): ask, read, filter.

A model is shown a few tasks and writes the next one. What it writes joins the pool when it passes the
filters of Self-Instruct and resembles no demonstration and no prompt before it.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from metarewarding import templates
from metarewarding.engines import sampling
from metarewarding.records import Candidate, Prompt, RankedReply
from metarewarding.rouge import RougeIndex

# -- requests


def candidate_ids(pool: str | int, round_number: str | int, count: int) -> list[str]:
    """Return the ids of a round's candidates, in order; they are unique over all rounds and pools."""
    return [f"g{pool}-{round_number}-{index}" for index in range(count)]


def demonstration_prompts(replies: Sequence[RankedReply]) -> list[Prompt]:
    """Return the prompts of the IFT rows; of prompts with the same text, the first."""
    by_text = {row["prompt"].strip(): row["prompt_id"] for row in reversed(replies)}
    return [Prompt(prompt_id=by_text[text], text=text) for text in dict.fromkeys(r["prompt"].strip() for r in replies)]


def draw_demonstrations(
    candidate_id: str, ift: Sequence[Prompt], earlier: Sequence[Prompt], n_ift: int, n_earlier: int, seed: int
) -> list[str]:
    """Return ``n_ift`` IFT prompts and ``n_earlier`` earlier prompts (texts) in a drawn order, no prompt twice.

    IFT prompts replace earlier ones while there are too few; there are fewer where IFT has too few.
    """
    rng = sampling.rng(seed, "demonstrations", candidate_id)
    drawn = rng.choice(len(earlier), min(n_earlier, len(earlier)), replace=False)
    wanted = n_ift + n_earlier - len(drawn)
    texts = [earlier[i]["text"] for i in drawn]
    texts += [ift[i]["text"] for i in rng.choice(len(ift), min(wanted, len(ift)), replace=False)]
    return [texts[i] for i in rng.permutation(len(texts))]


def generate(
    engine,
    ids: Sequence[str],
    ift: Sequence[Prompt],
    earlier: Sequence[Prompt],
    n_ift: int,
    n_earlier: int,
    template: str,
    decoding: sampling.Decoding,
    seed: int,
) -> tuple[list[Candidate], dict]:
    """Return a candidate for each id, and the facts of the call (``sampling.sample``) with unparsed and parse_rate."""
    requests, numbers = [], {}
    for name in ids:
        texts = draw_demonstrations(name, ift, earlier, n_ift, n_earlier, seed)
        numbers[name] = len(texts) + 1
        messages = templates.fill(
            template,
            demonstrations="\n".join(f"Task {i}: {text}" for i, text in enumerate(texts, start=1)),
            next=str(numbers[name]),
        )
        requests.append(sampling.Request(name, messages, 1, sampling.identity_seed(seed, "new prompt", name), decoding))
    completions, facts = sampling.sample(engine, requests)
    rows = [
        Candidate(
            prompt_id=name,
            text=parse(completion.text, numbers[name], completion.finish_reason),
            raw=completion.text,
            finish_reason=completion.finish_reason,
        )
        for name in ids
        for completion in completions[name]
    ]
    return rows, facts | sampling.parse_facts(row["text"] for row in rows)


# -- parsing

# "Task 9:", "**Task 9:**", "**Task 9**:", "## Task 9" at the beginning of a line; bold may close at the label's
# end, or only after the task.
_LABEL = re.compile(
    r"^[ \t>#]*(?P<bold>\*\*|__)?task[ \t]*#?(?P<number>[0-9]{1,6})(?P<closed>\*\*|__)?[ \t]*"
    r"(?:[:.)]|[–—-](?=\s)|$)(?P<closed_late>(?(bold)(?:\*\*|__)?))",
    re.IGNORECASE | re.MULTILINE,
)
_BARE_NUMBER = re.compile(r"\s*([0-9]{1,3})[.)]\s+")


def parse(completion: str, number: int, finish_reason: str = "stop") -> str | None:
    """Return the task in a completion that was asked for task ``number``; None when there is none or it was cut off.

    A label before it is left out ("Task 9:", another number, bold, or "9."), with what comes before the
    label of that very number, or announces another with a colon ("Sure, here it is:"). It ends where the
    next task begins.
    """
    labels = list(_LABEL.finditer(completion))
    own = next((label for label in labels if int(label["number"]) == number), None)
    if own is None and labels:
        before = completion[: labels[0].start()].strip()
        own = labels[0] if not before or before.endswith(":") else None
    start, bare = own.end() if own else 0, None
    following = next((label for label in labels if label.start() >= start and label is not own), None)
    if own is None and (bare := _BARE_NUMBER.match(completion)):
        start = bare.end()
        # a list that continues with the next number; other numbered lines are steps of the task itself
        after = re.compile(rf"^[ \t]*{int(bare[1]) + 1}[.)]\s", re.MULTILINE).search(completion, start)
        following = min(filter(None, (following, after)), key=lambda match: match.start(), default=None)
    if finish_reason == "length" and following is None:
        return None
    text = completion[start : following.start() if following else None].strip()
    if own and own["bold"] and not own["closed"] and not own["closed_late"]:
        text = text.replace(own["bold"], "", 1)
    return text.strip() or None


# -- filtering


@dataclass(frozen=True)
class Refusal:
    prompt_id: str
    reason: str
    similar_to: str | None = None  # the id of the demonstration or prompt that it resembles most
    rouge_l: float | None = None


def fault(row: Candidate, min_words: int, max_words: int, excluded: re.Pattern | None) -> str | None:
    """Return why a candidate is refused by itself, without other prompts (the filters of Self-Instruct), or None."""
    text = row["text"]
    if text is None:
        return "cut off" if row["finish_reason"] == "length" else "unparsed"
    words = len(text.split())
    if words < min_words:
        return "too few words"
    if words > max_words:
        return "too many words"
    if excluded and excluded.search(text):
        return "excluded word"
    if text.lower().startswith("write a program"):
        return "write a program"
    if not (text[0].isascii() and text[0].isalnum()):
        return "first character"
    return None


def excluded_pattern(words: Sequence[str]) -> re.Pattern | None:
    """Return a pattern of any of ``words`` as whole words in any case; spaces in a phrase match any white space."""
    if not words:
        return None
    either = "|".join(r"\s+".join(map(re.escape, word.split())) for word in words)
    return re.compile(rf"(?<!\w)(?:{either})(?!\w)", re.IGNORECASE)


def select(
    candidates: Iterable[Candidate],
    ift: Sequence[Prompt],
    earlier: Sequence[Prompt],
    wanted: int,
    max_rouge_l: float,
    min_words: int,
    max_words: int,
    excluded_words: Sequence[str],
) -> tuple[list[Prompt], list[Refusal]]:
    """Return (the first ``wanted`` candidates that pass all filters, the others with their reasons), each in order.

    A candidate is compared with the IFT prompts, the earlier ones and those accepted before it.
    """
    index = RougeIndex(max_rouge_l)
    for row in (*ift, *earlier):
        index.add(row["prompt_id"], row["text"])
    excluded = excluded_pattern(excluded_words)
    accepted, refused = [], []
    for row in candidates:
        name, similar = row["prompt_id"], None
        reason = "pool full" if len(accepted) >= wanted else fault(row, min_words, max_words, excluded)
        if reason is None and (similar := index.most_similar(row["text"])):
            reason = "too similar"
        if reason:
            refused.append(Refusal(name, reason, *(similar or ())))
        else:
            index.add(name, row["text"])
            accepted.append(Prompt(prompt_id=name, text=row["text"]))
    return accepted, refused
