"""Show what a changed config, code or input would run again, why, and what stays. Nothing is run.

    envs/run python workflow/why.py --configfile mine.yaml [any other words of snakemake]

Jobs and counts are those of Snakemake's own dry-run. It also contains old and new values, as rules have their params by
name (workflow/snakemake_private.py). The config keys come from a comparison with the configs in the manifests.
"""

import ast
import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent / "scripts")]
from lineage import iterations  # noqa: E402
from settings import engine_room  # noqa: E402

# a Python string literal with the JSON of a rule's params by name
_BY_NAME = re.compile(r"'(\{\"(?:[^'\\]|\\.)*\})'")
# the config sections that a model depends on, in addition to its method
SHAPING = ("model", "engine", "eft", "prompts", "templates", "sampling", "sft")
KEPT = ("weights", "responses", "judgments", "meta_judgments", "pairs", "benchmarks")


def dry_run(words: list[str]) -> tuple[str, dict]:
    """Return (the output of Snakemake's dry-run, the resolved config); end the process where Snakemake refuses."""
    with TemporaryDirectory() as folder:
        copy = Path(folder) / "config.json"
        run = subprocess.run(
            [sys.executable, "-m", "snakemake", "--dry-run", *words],
            env=os.environ | {"METAREWARDING_CONFIG_COPY": str(copy)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if run.returncode != 0:
            sys.exit(run.stdout)
        return run.stdout, json.loads(copy.read_text())


def jobs(text: str) -> list[dict]:
    """Return {rule, output, reason, wildcards} of each job of a dry-run except `all`."""
    result = []
    for block in re.split(r"^(?:local)?(?:rule|checkpoint) (?=\S+:$)", text, flags=re.MULTILINE)[1:]:
        rule, _, rest = block.partition(":\n")
        fields = dict(re.findall(r"^    (\w+): (.*)$", rest, flags=re.MULTILINE))
        if rule != "all":
            result.append(
                {
                    "rule": rule,
                    "output": fields.get("output", "").split(", "),
                    "reason": fields.get("reason", ""),
                    "wildcards": dict(pair.split("=", 1) for pair in fields.get("wildcards", "").split(", ") if pair),
                }
            )
    return result


def changed_params(reason: str) -> dict:
    """Return {name: (old value, new value)} of the params that a reason lists."""
    before, _, now = reason.partition("before: ")[2].rpartition(" now: ")
    old, new = (
        [json.loads(ast.literal_eval(f"'{text}'")) for text in _BY_NAME.findall(half)] for half in (before, now)
    )
    if not old or not new:
        return {}
    # outputs of one job may come from different runs: the first one that differs is reported
    changed = {}
    for name in {**old[0], **new[0]}:
        was = next((values.get(name) for values in old if values.get(name) != new[0].get(name)), new[0].get(name))
        if was != new[0].get(name):
            changed |= _inner(name, was, new[0].get(name))
    return changed


def _inner(name: str, old, new) -> dict:
    """Return the changes of a param; one that is a dict is reported by its keys that differ."""
    if isinstance(old, dict) and isinstance(new, dict):
        inner = {}
        for key in {**old, **new}:
            if old.get(key) != new.get(key):
                inner |= _inner(key, old.get(key), new.get(key))
        return inner
    return {name: (old, new)}


def leaves(config, path: str = "") -> dict:
    """Return {path: value} of everything in a config, with paths such as `methods.meta-rewarding.iterations[1].rho`."""
    if isinstance(config, dict):
        return {k: v for key, inner in config.items() for k, v in leaves(inner, f"{path}.{key}".lstrip(".")).items()}
    if isinstance(config, list) and any(isinstance(item, dict) for item in config):
        return {k: v for i, inner in enumerate(config) for k, v in leaves(inner, f"{path}[{i}]").items()}
    return {path: config}


def config_changes(configs: list[dict], now: dict) -> dict:
    """Return {path: {old values}} of the keys in which the config in a manifest differs from ``now``."""
    new, changes = leaves(now), {}
    for config in configs:
        old = leaves(config)
        for path in {**old, **new}:
            if old.get(path) != new.get(path):
                changes.setdefault(path, []).append(old.get(path))
    return changes


def in_words(job: dict, changes: dict) -> list[str]:
    """Return why a finished job runs again; empty for a new job, and for one that only follows from others."""
    reason, parts = job["reason"], []
    label = "Updated input files: "
    if label in reason:
        parts += [f"changed file: {name}" for name in reason.partition(label)[2].partition(";")[0].split(", ")]
    for name, (old, new) in changed_params(reason).items():
        parts.append(_changed(name, old, new, job, changes))
    if "Set of input files has changed" in reason and "Missing output files" not in reason and not parts:
        parts.append("other input files than before")
    return parts


def also_changed(root: Path, planned: list[dict], now: dict, reported: str) -> list[str]:
    """Return further differences from the configs of the models that are made again, without those ``reported``.

    Snakemake does not look for further reasons where a job runs because of another one.
    """
    changes, room = {}, {f"engine.{key}" for key in engine_room(now["engine"])}
    for job in planned:
        manifest = next((Path(name) for name in job["output"] if name.endswith("/manifest.json")), None)
        if job["rule"] not in ("train_sft", "train_dpo") or not manifest.is_file():
            continue
        then = json.loads(manifest.read_text()).get("config")
        if then is None:
            continue
        old, new = ({key: leaves(config.get(key, {}), key) for key in SHAPING} for config in (then, now))
        if job["rule"] == "train_dpo":
            method, iteration = job["wildcards"]["method"], int(job["wildcards"]["iteration"])
            whose = f"{{}} of {method}, iteration {iteration}"
            rounds = [config["methods"].get(method) and iterations(config, method) for config in (then, now)]
            if rounds[0] and iteration <= len(rounds[0]):
                old[whose], new[whose] = (of_method[iteration - 1] for of_method in rounds)
        for section in old:
            for key in {**old[section], **new[section]}:
                was, becomes = old[section].get(key), new[section].get(key)
                change = f"{section.format(key) if '{}' in section else key}: {_text(was)} -> {_text(becomes)}"
                if was != becomes and key not in room and change not in reported and f"config: {key})" not in reported:
                    changes[change] = None
    return list(changes)


def _changed(name: str, old, new, job: dict, changes: dict) -> str:
    if name == "code":
        return f"code of {job['rule']}: its script, or a module that it imports"
    if name == "plan":
        return "the plan's counts"
    method, iteration = job["wildcards"].get("method"), job["wildcards"].get("iteration")
    whose = f"{name} of {method}, iteration {iteration}" if iteration and method else f"{name} of {job['rule']}"
    paths = [path for path, values in changes.items() if re.split(r"[.\]]", path)[-1] == name and old in values]
    if method:
        own = (f"methods.{method}.iterations[{int(iteration) - 1}].", f"methods.{method}.{name}")
        paths = [path for path in paths if path.startswith(own) or not path.startswith("methods.")]
    key = f" (config: {', '.join(paths)})" if paths else ""
    return f"{whose}: {_text(old)} -> {_text(new)}{key}"


def _text(value) -> str:
    text = json.dumps(value)
    return text if len(text) <= 80 else text[:77] + "..."


def unchanged_outputs(root: Path, planned: list[dict]) -> dict[str, list[str]]:
    """Return {model: its existing files that no job writes anew}."""
    written = {name for job in planned for name in job["output"]}
    stays = {}
    for manifest in sorted([*root.glob("*/manifest.json"), *root.glob("*/m*/manifest.json")]):
        folder = manifest.parent
        if folder.name in ("report", "data"):
            continue
        kept = [
            what
            for what in KEPT
            if (folder / what).exists() and not any(name.startswith(f"{folder / what}") for name in written)
        ]
        if kept:
            stays[str(folder.relative_to(root))] = kept
    return stays


def main(words: list[str]) -> None:
    if not words or {"-h", "--help"} & set(words):
        print(__doc__)
        if words:
            return
    text, now = dry_run(words)
    planned, root = jobs(text), Path(now["pathvars"].get("results", "results"))
    if not planned:
        print("Nothing to be done: all results exist and match this config, this code and these inputs.")
        return
    manifests = [*root.glob("*/manifest.json"), *root.glob("*/m*/manifest.json")]
    configs = [json.loads(path.read_text()).get("config") for path in manifests]
    changes = config_changes([config for config in configs if config], now)
    causes: dict[str, Counter] = {}
    for job in planned:
        for cause in in_words(job, changes):
            causes.setdefault(cause, Counter())[job["rule"]] += 1
    also = also_changed(root, planned, now, "\n".join(causes))
    absent = [job for job in planned if "Missing output files" in job["reason"]]
    print("Why:")
    for cause, rules in causes.items():
        print(f"  {cause}\n    reruns first: {_counted(rules)}")
    if also:
        print("  also changed, for jobs that run anyway:")
        print("\n".join(f"    {line}" for line in also))
    if absent:
        print(f"  not there yet: {_counted(Counter(job['rule'] for job in absent))}")
    counts = Counter(job["rule"] for job in planned)
    print(f"\nRuns, with what follows from it ({sum(counts.values())} jobs):")
    for rule, count in counts.items():
        places = sorted({_place(job, root) for job in planned if job["rule"] == rule})
        print(f"  {rule:<20} {count:>5}  {', '.join(places[:6])}{', ...' if len(places) > 6 else ''}")
    print("\nStays:")
    for model, kept in unchanged_outputs(root, planned).items():
        print(f"  {model:<20} {', '.join(kept)}")
    print("\nCost: envs/run python workflow/plan.py with the same --configfile (of a whole run).")


def _counted(rules: Counter) -> str:
    return ", ".join(f"{rule} ({count})" if count > 1 else rule for rule, count in rules.items())


def _place(job: dict, root: Path) -> str:
    """Return the model that a job writes for, or the first folder under the root."""
    parts = Path(job["output"][0]).relative_to(root).parts
    return "/".join(parts[:2]) if re.fullmatch(r"m\d+", "".join(parts[1:2])) else parts[0]


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `| head` ends this program without a traceback
    main(sys.argv[1:])
