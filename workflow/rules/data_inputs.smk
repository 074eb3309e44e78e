# What the rules of data.smk take: settings, files, params; no rules.

TREES_ON_HUB = config_files.on_hub(EFT["trees"])
FETCHED_TREES = "<results>/data/eft/trees.jsonl" + ".gz" * EFT["trees"].endswith(".gz")
ANNOTATED = expand("<results>/data/eft/judgments/{shard}.jsonl", shard=SHARDS)
OTHER_MODELS = config_files.other_models(SETTINGS)
MODEL_KEYS = {"annotator": "eft.annotator", "generator": "prompts.generation.model"}


def weights_of(role):
    """Return the weights of the annotator or the generator: the seed's, where the config names no other model."""
    return f"<results>/data/{role}/weights" if role in OTHER_MODELS else "<results>/seed/weights"


# the result of check_inputs; `ancient`, so that checking the inputs again reruns nothing
CHECKED = ancient("<results>/data/checked")


def local_models():
    """Return [(key, folder)] of the models that the config names by a local path."""
    judges = SETTINGS["benchmarks"]["judges"]
    named = [("model.path", SETTINGS["model"].get("path"))]
    named += [(MODEL_KEYS[role], of.get("path")) for role, of in OTHER_MODELS.items()]
    named += [
        (f"benchmarks.judges.{name}.weights", judges[name]["weights"])
        for name in sorted({SETTINGS["benchmarks"][benchmark].get("judge") for benchmark in BENCHMARKS} & set(judges))
        if judges[name]["weights"] not in ("seed", "m0")
    ]
    return [(key, path) for key, path in named if path]


CHECKS = {
    "prompts": SETTINGS["prompts"]["path"] if SETTINGS["prompts"]["source"] == "file" else [],
    "trees": [] if TREES_ON_HUB else [EFT["trees"]],
    "questions": [questions_of(name) for name in BENCHMARKS if BENCHMARKS[name].kind == OWN_WIN_RATE],
    "preferences": [SETTINGS["benchmarks"][name]["path"] for name in BENCHMARKS if name == "own_preferences"],
    "models": local_models(),
    "weights": [f"{SETTINGS['pathvars']['results']}/{model}/weights" for model in REPORTED],
}
