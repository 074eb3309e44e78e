"""The forms in which a meta-judgment states its winner (section 2.2, figure 2).

A text without a clear winner gives None.
"""

import re

from metarewarding.score_syntax import PLAIN

_MARKS = r"[\s*_`\"']*+"
_OPEN = r"(?:[\s*_`\"'\[\](){}<>$#]|\\(?:boxed|text|textbf|mathbf)\{)*+"
_JUDGMENT = r"judge?ments?"
# "Judgement A", "JudgmentA", "judgment: **b**", or the capital letter alone; not "A's", "A-level", "Judgement AB".
_OPTION = (
    rf"(?<![^\W_])(?:(?i:{_JUDGMENT})[\s*_`\"'\[\](){{}}<>:#-]*+(?P<named>[ABab])|(?P<letter>[AB]))"
    r"(?![^\W_]|'\w|[-.]\w|\+)"
)
_ANY_OPTION = re.compile(_OPTION)
_FILLER = r"(?i:(?:(?:the|is|overall|clear|final|winner|clearly|definitely|therefore|thus|goes|to)\b[\s:*_`\"']*+)*+)"
_LEADING_OPTION = re.compile(rf"{_OPEN}{_FILLER}{_OPEN}{_OPTION}(?P<rest>.*)$")

# "Winner:", "The winner is", "Winner -"; not "Winners:", "Breadwinner:".
_LABEL = re.compile(
    rf"(?<![^\W_])winner(?![^\W_])(?:{_MARKS}{_JUDGMENT})?{_MARKS}"
    rf"(?P<separator>:|=>?|→|[–—]|-(?=\s)|is(?![^\W_]))(?P<answer>.*)$",
    re.IGNORECASE,
)
_LABEL_ALONE = re.compile(r"[\W_]*+(?:(?:the|final|overall)\s+)?winner[\W_]*+$", re.IGNORECASE)
_BEGINS_WITH_LABEL = re.compile(r"[\W_]*+(?:(?:the|final|overall)[\s*_]+)?winner\b", re.IGNORECASE)
# "Judgement A is the winner."
_REVERSED = re.compile(rf"{_OPTION}{_MARKS}(?i:is\s+(?:declared\s+)?(?:the|my|our)\s+(?:\w+\s+)?winner(?![^\W_]))")
_NO_SINGLE = re.compile(rf"(?i:\b(?:neither|either|nor|or|both|if|whether|not)\b|[/|&]){_OPEN}(?:{_OPTION})?[\W_]*+$")

# After the option: another option of equal rank, or words that deny the win.
_JOINED = re.compile(
    rf"(?!\s+>+\s){_OPEN}(?:[,;]?\s*(?i:or|nor|and|vs|versus)\b\.?|[|/&=~+]){_OPEN}(?P<equal>{_OPTION})"
    rf"|(?!\s+>+\s){_OPEN},?{_OPEN}(?P<next>{_OPTION.replace('named', 'named2').replace('letter', 'letter2')})"
    r"(?!\s*(?i:is|was|gives?|gave|does|has|misses|ignores)\b)"
)
_AS_GOOD_AS = re.compile(r"\bas\s+\w+\s+as\b", re.IGNORECASE)
_REASON = re.compile(
    r"[,.;:(]|\b(?:because|since|as|for|due|given|although|though|but|while|over|than)\b", re.IGNORECASE
)
_TAKEN_BACK = re.compile(
    r"\b(?:(?:is|was)\s*(?:not|n't)|(?:does|did)\s*(?:not|n't)\s+win|cannot|never|lose|loses|lost|worse"
    r"|less\s+(?:accurate|consistent|correct|convincing|faithful|good|precise|reliable)"
    r"|tie|tied|ties|draw|equal|equally|the\s+same\s+as)\b",
    re.IGNORECASE,
)
_TIE = re.compile(r"[\W_]*(?:tie|tied|draw)\b", re.IGNORECASE)
_AFTER_LETTER = re.compile(
    r"\s*(?:$|[^\w\s]|_|(?:is|was|wins|because|since|as|for|due|with|by|over|given|has|gives|follows|adheres)\b)",
    re.IGNORECASE,
)  # "A clear tie", "A close call": there "A" is an article
_NO_WINNER = re.compile(
    r"\b(?:not|neither|nor|no|none|never|both|tie|tied|draw|unclear|equal|equally|except|unlike|against|worse|loses|cannot)\b"
    r"|n't\b",
    re.IGNORECASE,
)


def parse_winner(text: str) -> str | None:
    """Return "A" (the judgment shown first), "B", or None, from the last winner line of ``text``.

    A winner line is "Winner: Judgement A" (Judgment or Judgement, brackets and bold accepted, the option also on the
    next line that is not empty), "The winner is Judgement A" or "Judgement A is the winner". One that names both
    options as equals, as the prompt does, or denies the win names no winner.
    """
    lines = text.translate(PLAIN).splitlines()
    for i in reversed(range(len(lines))):
        line = lines[i]
        if label := _LABEL.search(line):
            answer = label["answer"]
            if not any(map(str.isalnum, answer)):
                if below := _on_the_line_below(lines[i + 1 :]):
                    return below
            elif _decides(line, label):
                return _winner(answer)
        elif _LABEL_ALONE.match(line):
            if below := _on_the_line_below(lines[i + 1 :]):
                return below
        elif reversed_lines := list(_REVERSED.finditer(line)):
            return None if _NO_SINGLE.search(line[: reversed_lines[-1].start()]) else _letter(reversed_lines[-1])
    return None


def _decides(line: str, label: re.Match) -> bool:
    """Return whether a winner line states a verdict, even "none"; "The winner is more consistent." is prose."""
    if label["separator"].lower() != "is" and _BEGINS_WITH_LABEL.match(line):
        return True
    return bool(_ANY_OPTION.search(label["answer"]) or _NO_WINNER.search(label["answer"]))


def _winner(answer: str) -> str | None:
    option = _LEADING_OPTION.match(answer)
    if option is None:
        options = {
            _letter(option) for option in _ANY_OPTION.finditer(answer) if option["named"] or _alone(answer, option)
        }
        return options.pop() if len(options) == 1 and not _NO_WINNER.search(answer) else None
    rest = option["rest"]
    if not (option["named"] or "").isupper() and not _AFTER_LETTER.match(rest):
        return None
    joined = _JOINED.match(rest)
    if joined and _letter(_ANY_OPTION.search(joined["equal"] or joined["next"])) != _letter(option):
        return None
    clause = _REASON.split(_AS_GOOD_AS.sub("equal", rest))[0]
    return None if _TIE.match(rest) or _TAKEN_BACK.search(clause) else _letter(option)


def _on_the_line_below(lines: list[str]) -> str | None:
    """Return the option at the start of the next line that is not empty; a list of both options has none."""
    below = next((line for line in lines if line.strip()), "")
    option = _LEADING_OPTION.match(below)
    return None if option is None or re.match(r"[*_\s]*:", option["rest"]) else _winner(below)


def _alone(answer: str, option: re.Match) -> bool:
    return bool(_AFTER_LETTER.match(answer[option.end() :]))


def _letter(option: re.Match) -> str:
    return (option["named"] or option["letter"]).upper()
