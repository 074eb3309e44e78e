"""Write config/README.md's list of all keys and the schema for editors, from the config's schema.

envs/run python workflow/document_config.py      # writes the list between its two marks, and the schema for editors
"""

import json
import sys
from pathlib import Path

from settings import base_schema
from settings import schema as full_schema

ROOT = Path(__file__).parent.parent
README = ROOT / "config/README.md"
EDITOR_SCHEMA = ROOT / "workflow/schemas/config.schema.json"
BEGIN, END = "<!-- keys: written by workflow/document_config.py -->\n", "<!-- end of keys -->\n"


def keys(rule: dict, defs: dict, path: str = "") -> list[tuple[str, str, str, str]]:
    """Return (dotted key, type, default, description) of ``rule``'s properties and of theirs.

    `<name>` is a name that the user chooses.
    """
    rows = []
    properties = dict(rule.get("properties", {}))
    if isinstance(rule.get("additionalProperties"), dict) and rule["additionalProperties"].get("type") == "object":
        properties["<name>"] = rule["additionalProperties"]
    for name, of in properties.items():
        if "$ref" in of:
            of = {**defs[of["$ref"].rsplit("/", 1)[1]], **{key: value for key, value in of.items() if key != "$ref"}}
        place = f"{path}{name}"
        default = json.dumps(of["default"]) if "default" in of else ""
        required = "needed" if name in rule.get("required", []) else ""
        rows.append((place, kind(of), default if default != "{}" else "", of.get("description", "")))
        if required and not default:
            rows[-1] = (place, kind(of), "(needed)", of.get("description", ""))
        rows += keys(of, defs, f"{place}.")
        if of.get("type") == "array" and of.get("items", {}).get("type") == "object":
            rows += keys(of["items"], defs, f"{place}[].")
    return rows


def kind(rule: dict) -> str:
    """Return a rule's type in few words, with its bounds or its choices."""
    if "enum" in rule:
        return ", ".join("null" if choice is None else str(choice) for choice in rule["enum"])
    name = rule.get("type", "")
    text = " or ".join(name) if isinstance(name, list) else name
    low = next(
        (f"{sign} {rule[key]}" for key, sign in (("minimum", "≥"), ("exclusiveMinimum", ">")) if key in rule), None
    )
    high = next(
        (f"{sign} {rule[key]}" for key, sign in (("maximum", "≤"), ("exclusiveMaximum", "<")) if key in rule), None
    )
    return " ".join([text, *(bound for bound in (low, high) if bound)])


def cell(text: str) -> str:
    """Return ``text`` in a cell of a Markdown table; between backticks it is not changed."""
    parts = text.replace("|", "\\|").split("`")
    return "`".join(part if i % 2 else part.replace("<", "&lt;") for i, part in enumerate(parts))


def reference() -> str:
    """Return the keys as Markdown: a table for each top-level key that has keys of its own, and one for the rest."""
    schema = base_schema()
    sections: dict[str, list] = {}
    for row in keys(schema, schema["$defs"]):
        sections.setdefault(row[0].split(".")[0].split("[")[0], []).append(row)
    alone = [rows[0] for rows in sections.values() if len(rows) == 1]
    parts = []
    for name, rows in [*((name, rows) for name, rows in sections.items() if len(rows) > 1), ("Other keys", alone)]:
        head, rows = (rows[0], rows[1:]) if name in sections else (None, rows)
        parts.append(f"### {f'`{name}`' if head else name}\n")
        if head:
            parts.append(f"{head[3]}\n")
        parts.append("| key | type | default | what it does |\n|---|---|---|---|")
        parts += [
            f"| `{place}` | {cell(of)} | {cell(f'`{default}`') if default else ''} | {cell(text)} |"
            for place, of, default, text in rows
        ]
        parts.append("")
    return "\n".join(parts)


def update_keys(text: str) -> str:
    """Return ``text`` with the current list of keys between its two marks."""
    before, rest = text.split(BEGIN)
    return before + BEGIN + "\n" + reference() + "\n" + END + rest.split(END)[1]


def without_required(rule):
    """Return ``rule`` with every key optional, as a config file may set some keys only."""
    if isinstance(rule, list):
        return [without_required(item) for item in rule]
    if not isinstance(rule, dict):
        return rule
    return {
        key: without_required(value)
        for key, value in rule.items()
        if not (key == "required" and isinstance(value, list))
    }


def editor_schema() -> str:
    """Return the schema as JSON, for an editor that checks one config file and completes its keys."""
    return json.dumps(without_required(full_schema()), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    README.write_text(update_keys(README.read_text(encoding="utf-8")), encoding="utf-8")
    EDITOR_SCHEMA.write_text(editor_schema(), encoding="utf-8")
    print(f"wrote {README} and {EDITOR_SCHEMA}", file=sys.stderr)
