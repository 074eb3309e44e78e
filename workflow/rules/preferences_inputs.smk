# What the rules of preferences.smk take: settings, files, params; no rules.

REWARD_MODELS = config_files.reward_models(SETTINGS)


def reward_model(wildcards):
    """The weights of the reward model that scores for an iteration: fetched from the hub, or a local folder."""
    place = of_iteration("scored_by")(wildcards)
    if place is None:
        raise WorkflowError(f"config: methods.{wildcards.method}.scored_by: there is no reward model.")
    name = config_files.reward_model_name(place)
    return f"<results>/data/reward_models/{name}/weights" if name else place


def response_scores(wildcards):
    """What an iteration's actor pairs are chosen by: the parent's judgments, or a reward model's scores."""
    if of_iteration("scored_by")(wildcards) is None:
        return {"judgments": from_parent("judgments/{shard}.jsonl")(wildcards)}
    folder = f"<results>/{wildcards.method}/m{wildcards.iteration}"
    return {"rewards": expand(f"{folder}/rewards/{{shard}}.jsonl", shard=SHARDS)}


def iteration_stats(wildcards):
    """The counts behind an iteration's pairs: those of the pairs, of the judgments, of the meta-judgments.

    The parent's hold seconds, and so differ where a shard is sampled anew and comes out the same; the pairs' do not.
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
    """The words of train_dpo.py that name an iteration's loss."""
    words = ["--loss_type", *of_iteration("loss_type")(wildcards)]
    weights, alpha = of_iteration("loss_weights")(wildcards), of_iteration("ld_alpha")(wildcards)
    words += ["--loss_weights", *weights] if weights else []
    return " ".join(map(str, words + ([] if alpha is None else ["--ld_alpha", alpha])))
