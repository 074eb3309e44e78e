"""Read a YAML file and report every fault as one line with the file and the line number."""

from pathlib import Path

import yaml

YAML_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where libyaml is there


class TextError(Exception):
    """A YAML file that cannot be read; the message names file and line."""


class _Loader(YAML_LOADER):
    """Refuse a key that appears twice in one mapping; YAML itself would take the last one."""

    def construct_mapping(self, node, deep=False):
        seen = {}
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                line = key.start_mark.line + 1
                if key.value in seen:
                    raise TextError(f"line {line}: the key {key.value} is already in line {seen[key.value]}.")
                seen[key.value] = line
        return super().construct_mapping(node, deep)


def load(path: str | Path):
    """Return the value of the YAML file ``path``; raise TextError where it is missing, not UTF-8 or not YAML."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise TextError(f"{path}: this file does not exist.") from None
    except IsADirectoryError:
        raise TextError(f"{path}: this is a folder, not a YAML file.") from None
    except UnicodeDecodeError as error:
        raise TextError(f"{path}: not UTF-8 text (byte {error.start + 1}). Save the file as UTF-8.") from None
    except OSError as error:
        raise TextError(f"{path}: the file cannot be read ({error.strerror}).") from None
    try:
        return yaml.load(text, _Loader)
    except TextError as error:
        raise TextError(f"{path}, {error}") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise TextError(f"{path}, line {mark.line + 1}: not valid YAML ({error.problem or error.context}).") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise TextError(f"{path}: not valid YAML ({str(error).splitlines()[0]}).") from None
