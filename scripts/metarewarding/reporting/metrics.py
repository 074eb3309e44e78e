"""The numbers of a run, collected from its metrics files and assigned to models by their paths."""

from pathlib import Path

from metarewarding.evaluation import registry
from metarewarding.records import read_json

OF_MANIFEST = ("origin", "git", "host", "device", "devices", "packages", "versions", "seconds", "weights_sha256")
STEPS_SHOWN = 200  # losses of a training; more are averaged


def collect(
    inputs: dict[str, list[str]], root: str, models: list[str], parents: dict[str, str], plan: dict | None = None
) -> dict:
    """Return all metrics of the run, by model: {models, stages, eft, plan}. Files are under ``root``.

    ``plan``: the plan with what was measured so far, of a run whose plan.json is not written yet.
    """
    one_a_model = (
        "manifests",
        "training",
        "pairs",
        "elo",
        "bias",
        "agreement",
        "summaries",
        "sensitivity",
        "regressions",
    )
    files = {kind: {of_model(path, root): read_json(path) for path in inputs.get(kind, [])} for kind in one_a_model}
    scores: dict[str, dict] = {}
    for path in inputs.get("scores", []):
        scores.setdefault(of_model(path, root), {})[Path(path).parent.name] = read_json(path)
    rows = [
        {
            "model": model,
            "parent": parents.get(model),
            "agreement": files["agreement"][model],
            "arena": next(iter(of_kind(scores.get(model, {}), own=True).values()), None),
            "training": thinned(files["training"].get(model)),
            "pairs": files["pairs"].get(model),
            "elo": files["elo"].get(model),
            "bias": files["bias"].get(model),
            "summary": files["summaries"].get(model),
            "manifest": {k: v for k, v in files["manifests"].get(model, {}).items() if k in OF_MANIFEST},
            "judged": of_kind(scores.get(model, {}), own=False),
            "preferences": {name: of for name, of in scores.get(model, {}).items() if registry.get(name).read_rows},
            "sensitivity": files["sensitivity"].get(model),
            "regressions": files["regressions"].get(model),
        }
        for model in models
    ]
    plan = plan or read_json(inputs["plan"][0])
    stages = {row["stage"]: row["measured"] for row in plan["rows"] if row["measured"]}
    return {"models": rows, "stages": stages, "eft": read_json(inputs["eft"][0]), "plan": plan}


def of_kind(scores: dict[str, dict], own: bool) -> dict[str, dict]:
    """Return the entries of {benchmark: score} that are win rates against the seed (``own``), or the others."""
    known = {name: registry.get(name) for name in scores if not registry.get(name).read_rows}
    return {name: scores[name] for name, of in known.items() if (of.kind == registry.OWN_WIN_RATE) == own}


def of_model(path: str, root: str) -> str:
    """Return the model to whose folder ``path`` belongs: `seed`, `m0`, or `<method>/m<t>`."""
    parts = Path(path).relative_to(root).parts
    return parts[0] if parts[0] in ("seed", "m0", "data") else f"{parts[0]}/{parts[1]}"


def thinned(training: dict | None) -> dict | None:
    """Return ``training`` with at most STEPS_SHOWN losses, each the mean of as many neighbouring steps.

    ``first_loss`` and ``last_loss`` are those of single steps; None without a logged step.
    """
    if training is None:
        return None
    losses = [(entry["epoch"], entry["loss"]) for entry in training["log"] if "loss" in entry]
    size = -(-len(losses) // STEPS_SHOWN) or 1
    groups = [losses[start : start + size] for start in range(0, len(losses), size)]
    log = [{"epoch": group[-1][0], "loss": sum(loss for _, loss in group) / len(group)} for group in groups]
    first, last = (losses[0][1], losses[-1][1]) if losses else (None, None)
    return training | {"log": log, "first_loss": first, "last_loss": last}


def judge_name(score: dict) -> str:
    """Return "name (model)" of a judge, or the name alone where it is the model's, as M0's is."""
    name, model = score["judge"], score.get("judge_model", score["judge"])
    return name if name == model else f"{name} ({model})"


def value_at(score: dict | None, place: str):
    """Return the value at "a.b" in nested dicts, None where there is none."""
    for key in place.split("."):
        score = score.get(key) if isinstance(score, dict) else None
    return score


def score_of(row: dict, benchmark: str) -> dict | None:
    """Return a model's score on a benchmark, None where it has none."""
    return row["arena"] if registry.get(benchmark).kind == registry.OWN_WIN_RATE else row["judged"].get(benchmark)


def chains(metrics: dict) -> dict[str, list[str]]:
    """Return {method: its models from the seed on, in order}; without methods, {"m0": the seed and M0}.

    A method that starts from another's model has that one's chain before its own models.
    """
    models = [row["model"] for row in metrics["models"]]
    parents = {row["model"]: row["parent"] for row in metrics["models"] if row["parent"]}
    last = {model.rsplit("/m", 1)[0]: model for model in models if "/" in model}  # parents come first
    by_method = {}
    for method, model in last.items():
        chain = [model]
        while chain[0] in parents:
            chain.insert(0, parents[chain[0]])
        by_method[method] = ["seed", *chain]
    return by_method or {"m0": [model for model in ("seed", "m0") if model in models]}
