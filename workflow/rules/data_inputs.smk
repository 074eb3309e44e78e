# What the rules of data.smk take: settings, files, params; no rules.

TREES_ON_HUB = config_files.on_hub(EFT["trees"])
FETCHED_TREES = "<results>/data/eft/trees.jsonl" + ".gz" * EFT["trees"].endswith(".gz")
ANNOTATED = expand("<results>/data/eft/judgments/{shard}.jsonl", shard=SHARDS)
OTHER_MODELS = config_files.other_models(SETTINGS)


def weights_of(role):
    """The weights of a model beside those that the loop makes: the seed's, where the config names no other."""
    return f"<results>/data/{role}/weights" if role in OTHER_MODELS else "<results>/seed/weights"
