"""Check values that are valid one by one but not together, or not in a path."""

import json
import os
import re
from pathlib import Path

from config_files import named_files
from lineage import iterations

NOT_IN_A_ROOT, LONGEST_NAME = r"[{}<>*?$`'\"|;&!\\\x00-\x1f]", 200
CLONE = ("config", "docs", "envs", "profiles", "scripts", "tests", "workflow")


def check(settings: dict) -> list[str]:
    """Return the faults of lengths, of samples that would all be equal, and of paths that Snakemake cannot use."""
    return [
        *_check_engine(settings["engine"], settings["resources"]["engine"]["gpu"]),
        *_check_lengths(settings),
        *_check_samples(settings),
        *_check_paths(settings),
        *(_check_root(settings["pathvars"].get("results", "results")) or _check_folders(settings)),
        *_check_texts(settings),
    ]


def _check_engine(engine: dict, gpus: int) -> list[str]:
    """Return the faults of settings that only vLLM on GPUs supports."""
    return [
        f"config: engine.{key}: only vLLM on GPUs supports it; engine.name is {engine['name']} and "
        f"resources.engine.gpu {gpus}. Remove it."
        for key in ("quantization", "batch_invariant")
        if engine[key] and (engine["name"] != "vllm" or gpus == 0)
    ]


def _check_lengths(settings: dict) -> list[str]:
    """Return faults where completions leave no room for a prompt, or a local model has a shorter context."""
    limit, sampling, benchmarks = settings["engine"]["max_model_len"], settings["sampling"], settings["benchmarks"]
    lengths = {f"sampling.{stage}": sampling[stage] for stage in ("responses", "judgments", "meta_judgments")}
    lengths |= {f"benchmarks.{name}": benchmarks[name] for name in benchmarks["run"]}
    if settings["prompts"]["source"] == "generate":
        lengths["prompts.generation"] = settings["prompts"]["generation"]
    faults = [
        f"config: {where}.max_tokens: {own['max_tokens']} leaves no room for a prompt in engine.max_model_len {limit}: "
        "lower the first or raise the second."
        for where, own in lengths.items()
        if own.get("max_tokens") is not None and own["max_tokens"] >= limit
    ]
    if settings["model"]["source"] == "path":
        path = Path(settings["model"]["path"]) / "config.json"
        try:
            config = json.loads(path.read_text(encoding="utf-8"))
            longest = config.get("max_position_embeddings")
        except (OSError, ValueError, AttributeError):  # the check of the model reports the fault
            longest = None
        if isinstance(longest, int) and longest < limit:
            faults.append(
                f"config: engine.max_model_len: {limit} is more than max_position_embeddings {longest} in {path}."
            )
    return faults


def _check_samples(settings: dict) -> list[str]:
    """Return the faults of settings by which an iteration could never have a pair."""
    faults, sampling = {}, settings["sampling"]
    responses, judgments = sampling["responses"], sampling["judgments"]
    for name in settings["methods"]:
        for number, own in enumerate(iterations(settings, name)):
            where = f"config: methods.{name}.iterations[{number}]"
            if "judge" in own["train_on"] and judgments["n"] < 2:
                faults["n"] = (
                    f"{where}: a judge pair needs two judgments of a response, and sampling.judgments.n is "
                    f"{judgments['n']}."
                )
            if "judge" in own["train_on"] and judgments["temperature"] == 0 and judgments["n"] > 1:
                faults["judgments"] = (
                    "config: sampling.judgments.temperature: at 0 the "
                    f"{judgments['n']} judgments of a response are all the same, and {where[8:]} trains the judge."
                )
    if responses["temperature"] == 0 and responses["n"] > 1:
        faults["responses"] = (
            f"config: sampling.responses.temperature: at 0 the {responses['n']} responses to a prompt are all the "
            "same, so there are no pairs."
        )
    return list(faults.values())


def _check_paths(settings: dict) -> list[str]:
    """Return the paths with braces or angle brackets, which Snakemake reads as wildcards and path variables."""
    places = [*named_files(settings), ("model.path", settings["model"].get("path") or "")]
    return [
        f"config: {key}: {path} contains one of {{ }} < >, which Snakemake would replace. Rename it."
        for key, path in places
        if re.search(r"[{}<>]", path)
    ]


def _check_root(root: str) -> list[str]:
    parts = Path(root).parts
    unfit = root != root.strip() or ".." in parts or parts in ((), ("/",)) or max(map(len, parts)) > LONGEST_NAME
    # characters that Snakemake or a shell would replace, and folders of the clone
    if not root or unfit or root[0] in "-~" or re.search(NOT_IN_A_ROOT, root) or parts[0] in CLONE:
        return [
            f"config: pathvars.results: {root!r} cannot be the results folder. Use one below this folder, such as "
            "results/my-study, or an absolute path, without `..`, quotes or special characters of a shell."
        ]
    return []


def _check_folders(settings: dict) -> list[str]:
    """Return a fault where a file is in place of a results folder, or Snakemake cannot write its records."""
    root = Path(settings["pathvars"].get("results", "results"))
    data = ("data", "data/eft", "data/prompts")
    folders = [root / name for name in (*data, "logs", "report", "seed", "m0", *settings["methods"])]
    faults = [
        f"{path}: a file is where a folder should be. Move it away, and run again."
        for path in dict.fromkeys([*reversed(root.parents), root, *folders])
        if path.is_file()
    ]
    if not os.access(".", os.W_OK):
        faults.append(
            f"{Path.cwd()}: the folder cannot be written, and Snakemake keeps its records there (.snakemake)."
        )
    return faults


def _check_texts(settings: dict) -> list[str]:
    """Return the faults of the system prompt, of a hub repository's name, and of repeated prompt files."""
    faults, paths = [], settings["prompts"]["path"] or []
    if re.search("[\x00\ud800-\udfff]", settings["sampling"]["system_prompt"] or ""):
        faults.append("config: sampling.system_prompt: contains NUL or a lone surrogate. Remove it.")
    repo = settings["model"].get("repo")
    if repo and not re.fullmatch(r"\w[\w.-]*(/\w[\w.-]*)?", repo):
        faults.append(f"config: model.repo: {repo!r} is not of the form <owner>/<name>.")
    if settings["prompts"]["source"] == "file" and len(set(paths)) < len(paths):
        faults.append("config: prompts.path: has a file twice, so its prompts would be answered twice. Remove one.")
    return faults
