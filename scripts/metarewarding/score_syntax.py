"""The forms in which a judgment states its score (section 2.1 and appendix A.1).

A text that states no clear score gives None: a discarded judgment costs little, a wrong score is learned from.
"""

import re

PLAIN = str.maketrans({"：": ":", "／": "/", "⁄": "/", "∕": "/", "“": '"', "”": '"', "‘": "'", "’": "'", "−": "-"})

# The parts of a line. Quantifiers are possessive ("*+"), so that every text is parsed in linear time.
_MARKS = r"[\s*_`\"']*+"
_OPEN = r"(?:[\s*_`\"'\[({<$★☆⭐🌟]|\\(?:boxed|text|textbf|mathbf)\{|\\[(\[])*+"
_CLOSE = r"[*_`\"'>\])}$\\\ufe0f\u20e3]*+"
_NUMBER = r"[+-]?\d+(?:\.\d+|,\d{1,2}(?!\d))?(?![^\W_]|[.,:]\d|\+(?!\s*\d))"  # not in "4th", "4,000", "4.5.1", "4+"
_UNIT = r"(?:\s*(?:total\s+)?(?:points?|pts|stars?|marks?)\b\.?)?"
_WORDS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "ten": 10, "twenty": 20, "hundred": 100}
_TOTAL = rf"(?:\d+(?:\.\d+)?|{'|'.join(_WORDS)})(?![^\W_])"
_RANGE = r"(?:\d+\s*(?:to|[-–])\s*)?"
_OUT_OF = rf"{_UNIT}{_CLOSE}(?:[\s(\[*_,]*(?:/|out\s+of\b)|\s+of\b)[\s*_<\[(]*"

# "Score", "Final score (out of 5)", "Total points <total>"; not "Scores" or "Score (relevance)".
_LABEL = (
    rf"(?:(?:(?:final|total)[\s*_]++)?score|total[\s*_]++points)(?![^\W_])(?:\s+(?:awarded|given|earned)\b)?{_MARKS}"
    rf"(?:[(\[<]{_MARKS}(?:(?:total|final|overall)?\s*(?:points?|score)?"
    rf"|[^()\[\]<>\d]*?{_RANGE}(?P<scale>{_TOTAL})[\s-]*(?:points?)?\s*(?:scale|max(?:imum)?|possible)?)"
    rf"{_MARKS}[)\]>]|(?:out\s+of|/)\s*(?P<bare>{_TOTAL}))?{_MARKS}"
)
_SEPARATOR = r"(?::|=>?|→|[–—]|-+(?=\s))"
# A line may begin with marks, with a bullet or number of a list, with a quotation sign.
_LABELLED = re.compile(
    rf"[\W_]*+(?:\d{{1,2}}[.)][\W_]++)?{_LABEL}(?:{_SEPARATOR}(?P<answer>.*)|[\W_]*+)$", re.IGNORECASE
)

_PLACEHOLDER = r"(?:total(?:\s+(?:points|score))?[\s>\])}]*[:=]?)?"  # the form's own words: "<total points: 4>"
_TERM = rf"{_NUMBER}{_UNIT}(?:\s*\([^()]*\))?\s*"
_SUM = rf"(?:{_TERM}(?:[+-]\s*{_TERM})+[)\]}}]?\s*=\s*)?"  # "1 + 1 + 1 + 0 = "
_BEFORE = rf"{_OPEN}{_PLACEHOLDER}{_OPEN}{_SUM}{_OPEN}"
_ANSWER = re.compile(rf"(?P<before>{_BEFORE})(?P<value>{_NUMBER})(?P<rest>.*)$", re.IGNORECASE)
# A number that is not a score: a share of 100, a half, one part, a scale, the start of a range, one of several numbers.
_NO_SCORE = re.compile(
    rf"{_UNIT}{_CLOSE}(?:\s*(?:%|per\s*cent)|\s+and\s+a\s+half|\s+for\b.*\d|[\s-]*points?[\s-]+scale\b|[\s,;]*(?:(?:[-–—+~&…]|->|→|\.\.+"
    r"|(?:to|or|and|through|maybe|perhaps)\b(?:\s+(?:maybe|perhaps|even))?)[\s*_`<\[({]*)?[\d½¼¾])",
    re.IGNORECASE,
)
_SCALE = re.compile(
    rf"^{_OUT_OF}(?:[a-z-]+\s+){{0,5}}?(?P<a>{_TOTAL})|\bscale\s+(?:of|from)\s+{_RANGE}(?P<b>{_TOTAL})"
    rf"|(?P<c>{_TOTAL})[\s-]*(?:points?\s+)?scale\b|\bmax(?:imum)?\b\.?\s*(?:(?:of|is|score|points?)\s*)*[:=]?\s*(?P<d>\d+)"
    rf"|\(\s*\d+\s*[-–]\s*(?P<e>{_TOTAL})\s*\)",
    re.IGNORECASE,
)
_SCALE_UNKNOWN = re.compile(rf"{_UNIT}{_CLOSE}[\s(\[*_,]*(?:/|out\s+of\b)", re.IGNORECASE)
_SCORE_ALONE = re.compile(
    rf"{_BEFORE}{_NUMBER}(?:{_OUT_OF}{_TOTAL})?{_UNIT}[\W_]*+$", re.IGNORECASE
)  # a whole line: "**4/5**", not "4. The tone is friendly"
_UNLABELLED = re.compile(
    r"\\boxed\{(?P<boxed>(?:[^{}\n]|\{[^{}\n]*\})*)\}|<score>(?P<tagged>[^<>]*(?:<[^<>/]*>[^<>]*)?)</score>",
    re.IGNORECASE,
)


def parse_score(text: str, low: float = 0, high: float = 5) -> float | None:
    """Return the score that a judgment states, or None.

    The last line that begins with the label Score, Final score, Total score or Total points decides alone. Its number
    follows the label or is alone on the next line that is not empty, and may name its scale ("4/5"). If it is not
    in [low, high], or is on another scale ("Score: 8/10"), the judgment does not follow the form and has no score
    (section 2.1: such judgments are discarded). A label that begins a sentence without a number decides nothing.
    Where no label decides, the last ``\\boxed{...}`` or ``<score>...</score>`` counts.
    """
    text = text.translate(PLAIN)
    lines = text.splitlines()
    for i in reversed(range(len(lines))):
        label = _LABELLED.match(lines[i])
        if label is None:
            continue
        answer = label["answer"] or ""
        if _is_empty(answer):
            below = next((line for line in lines[i + 1 :] if line.strip()), "")
            if _SCORE_ALONE.match(below):
                return _valid(below, label, low, high)
        elif (
            any(map(str.isdigit, answer)) or len(answer.split()) == 1
        ):  # "Score: four" counts as a verdict, prose does not
            return _valid(answer, label, low, high)
    unlabelled = list(_UNLABELLED.finditer(text))
    if not unlabelled:
        return None
    answer = re.sub(r"\\text\w*\{|[{}\s]+", " ", unlabelled[-1]["boxed"] or unlabelled[-1]["tagged"] or "")
    label = _LABELLED.match(answer)
    return _valid((label and label["answer"]) or answer, label, low, high)


def without_score(text: str) -> str:
    """Return ``text`` without the scores that it states, for a meta-judge that must not see them.

    What else is on such a line is kept; lines without a word left are dropped.
    """
    before = None
    while text != before:
        before, text = text, _without_one_layer(text)
    return text


def _is_empty(text: str) -> bool:
    return not any(map(str.isalnum, text))


def _valid(answer: str, label: re.Match | None, low: float, high: float) -> float | None:
    """Return the number at the start of ``answer`` where it is in [low, high] and every stated scale is ``high``."""
    number = _ANSWER.match(answer)
    if number is None or _NO_SCORE.match(number["rest"]) or ("<" in number["before"] and ">" not in answer):
        return None
    totals = [total for scale in _SCALE.finditer(number["rest"]) for total in scale.groups() if total]
    if label is not None:
        totals += [total for total in (label["scale"], label["bare"]) if total]
    if _SCALE_UNKNOWN.match(number["rest"]) and not totals:
        return None
    if any(float(_WORDS.get(total.lower(), total)) != high for total in totals):
        return None
    value = float(number["value"].replace(",", "."))
    return value if low <= value <= high else None


_CUT = "\0"
_BEFORE_LABEL = r"(?<![\s*_`\"'(\[{#>-])[\s*_`\"'(\[{#>-]*+(?<![^\W_])"
_STATED = re.compile(
    rf"{_BEFORE_LABEL}{_LABEL}{_SEPARATOR}{_BEFORE}[+-]?\d+(?:[.,]\d+)*(?:\s*%)?"
    rf"(?:{_OUT_OF}{_TOTAL})?{_UNIT}{_CLOSE}",
    re.IGNORECASE,
)
_LABEL_AT_END = re.compile(rf"{_BEFORE_LABEL}{_LABEL}{_SEPARATOR}?[\W_]*+$", re.IGNORECASE)


def _without_one_layer(text: str) -> str:
    text = _replace(_UNLABELLED, text)
    lines = [_replace(_STATED, line) for line in text.splitlines()]
    for i, line in enumerate(lines):
        below = next((k for k in range(i + 1, len(lines)) if lines[k].strip()), None)
        if below is not None and _SCORE_ALONE.match(lines[below].translate(PLAIN)):
            cut = _replace(_LABEL_AT_END, line)
            if cut != line:
                lines[i], lines[below] = cut, _CUT
    leading = re.compile(rf"^\s*{_CUT}[\s*_`\"'\])}},;:–—-]*|{_CUT}")
    cleaned = [leading.sub("", line).strip() if _CUT in line else line for line in lines]
    pairs = zip(lines, cleaned, strict=True)
    return "\n".join(new for old, new in pairs if _CUT not in old or not _is_empty(new)).strip()


def _replace(pattern: re.Pattern, text: str) -> str:
    # Matched in plain signs and cut from the text as it is: both have the same length.
    pieces, end = [], 0
    for match in pattern.finditer(text.translate(PLAIN)):
        pieces += [text[end : match.start()], _CUT]
        end = match.end()
    return "".join([*pieces, text[end:]])
