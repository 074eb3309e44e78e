"""Prompt templates: text files with placeholders in braces."""

import re
from collections.abc import Collection, Sequence
from pathlib import Path

from metarewarding.errors import UserError

PLACEHOLDERS = {
    "judge": ("prompt", "response"),
    "meta_judge": ("prompt", "response", "judgment_a", "judgment_b"),
    "pairwise": ("prompt", "response_a", "response_b"),
    "generate": ("demonstrations", "next"),
    "category": ("categories", "prompt"),
}
_RUBRIC = "{rubric}"
_TAG = re.compile(r"</?([A-Za-z][A-Za-z0-9_-]*)>")
_PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


def check(template: str, role: str, source: str | Path) -> str:
    """Return ``template`` if it contains each placeholder of ``role`` and no other, else raise UserError."""
    wanted, present = set(PLACEHOLDERS[role]), set(_PLACEHOLDER.findall(template))
    if present != wanted:
        faults = [f"lacks {{{name}}}" for name in sorted(wanted - present)]
        faults += [f"has the unknown placeholder {{{name}}}" for name in sorted(present - wanted)]
        raise UserError(
            f"{source}: the {role.replace('_', '-')} template {' and '.join(faults)}. "
            f"Its placeholders are {', '.join('{' + name + '}' for name in PLACEHOLDERS[role])}."
        )
    return template


def load(files: str | Path | Sequence[str | Path], role: str) -> str:
    """Return a template that was read and checked; a trailing newline is not part of it.

    ``files``: the template, or the template and the rubric that replaces {rubric} in it.
    """
    path, *rubric = [files] if isinstance(files, str | Path) else files
    text = _read(path)
    if _RUBRIC in text:
        if not rubric:
            raise UserError(f"{path}: the template includes {_RUBRIC}. Set templates.rubric to the file with its text.")
        if names := _PLACEHOLDER.findall(_read(rubric[0])):
            raise UserError(f"{rubric[0]}: the rubric must be plain text, without the placeholder {{{names[0]}}}.")
        text = text.replace(_RUBRIC, _read(rubric[0]))
    return check(text, role, path)


def includes_rubric(path: str | Path) -> bool:
    """Return whether the template at ``path`` includes the rubric."""
    return _RUBRIC in _read(path)


def _read(path: str | Path) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").rstrip("\n")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: the file must be UTF-8 text ({error}).") from None


def fill(template: str, **values: str) -> list[dict]:
    """Return a chat of one user message: ``template`` with its placeholders replaced.

    All placeholders are replaced in one pass, so braces and placeholder names inside a value stay
    what they are: text. Tags of the template inside a value are made harmless (``neutral``).
    """
    tags = {name.lower() for name in _TAG.findall(template)}

    def value(match: re.Match) -> str:
        return neutral(values[match[1]], tags)

    return [{"role": "user", "content": _PLACEHOLDER.sub(value, template)}]


def neutral(text: str, tags: Collection[str]) -> str:
    r"""Return ``text`` with a backslash in each delimiter tag of the template: `</response>` as `<\/response>`.

    Otherwise a response could end its own section of the template. Other text is not changed.
    """
    if not tags or "<" not in text:
        return text
    return re.sub(rf"<(\s*/?\s*(?:{'|'.join(map(re.escape, sorted(tags)))})\s*>)", r"<\\\1", text, flags=re.I)
