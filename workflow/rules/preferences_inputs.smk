# What the rules of preferences.smk take: settings, files, params; no rules.

REWARD_MODELS = config_files.reward_models(SETTINGS)


def reward_model(wildcards):
    """Return the weights of an iteration's reward model: fetched from the hub, or a local folder."""
    place = of_iteration("scored_by")(wildcards)
    if place is None:
        raise WorkflowError(f"config: methods.{wildcards.method}.scored_by: there is no reward model.")
    name = config_files.reward_model_name(place)
    return f"<results>/data/reward_models/{name}/weights" if name else place


def response_scores(wildcards):
    """Return the scores of an iteration's actor pairs: the parent's judgments, or a reward model's rewards."""
    if of_iteration("scored_by")(wildcards) is None:
        return {"judgments": from_parent("judgments/{shard}.jsonl")(wildcards)}
    folder = f"<results>/{wildcards.method}/m{wildcards.iteration}"
    return {"rewards": expand(f"{folder}/rewards/{{shard}}.jsonl", shard=SHARDS)}


def iteration_stats(wildcards):
    """Return the stats files behind an iteration's pairs: of the pairs, the judgments and the meta-judgments.

    The parent's files are `ancient`: they contain seconds, so they change when a shard is sampled again with the same
    result. The pairs' files do not.
    """
    folder, kinds = f"<results>/{wildcards.method}/m{wildcards.iteration}/pairs", of_iteration("train_on")(wildcards)
    stats = {f"{kind}_pairs": f"{folder}/{kind}.stats.json" for kind in kinds}
    if uses_judgments(wildcards):
        stats["judgments"] = [ancient(file) for file in from_parent("judgments/{shard}.stats.json")(wildcards)]
    if "judge" in kinds:
        stats["elo"] = f"<results>/{wildcards.method}/m{wildcards.iteration}/elo.stats.json"
        stats["meta_judgments"] = [
            ancient(file) for file in from_parent("meta_judgments/{shard}.stats.json")(wildcards)
        ]
    return stats


def dpo_loss(wildcards):
    """Return the options of train_dpo.py for an iteration's loss."""
    words = ["--loss_type", *of_iteration("loss_type")(wildcards)]
    weights, alpha = of_iteration("loss_weights")(wildcards), of_iteration("ld_alpha")(wildcards)
    words += ["--loss_weights", *weights] if weights else []
    return " ".join(map(str, words + ([] if alpha is None else ["--ld_alpha", alpha])))
