# A reward model instead of the judge: it scores the parent's responses for the actor pairs of methods with `scored_by`.


rule fetch_reward_model:
    """A reward model from the hub, at a pinned revision."""
    output:
        weights=directory("<results>/data/reward_models/{reward_model}/weights"),
        manifest="<results>/data/reward_models/{reward_model}/manifest.json",
    log:
        "<results>/logs/fetch_reward_model/{reward_model}.log",
    localrule: True
    conda:
        environment("sample")
    params:
        repo=lambda wildcards: REWARD_MODELS[wildcards.reward_model]["repo"],
        revision=lambda wildcards: REWARD_MODELS[wildcards.reward_model]["revision"],
        code=fingerprint("preferences/fetch_reward_model.py"),
    script:
        "../../scripts/preferences/fetch_reward_model.py"


rule score_responses:
    """The reward model: a score of each distinct response of one shard of the parent's."""
    input:
        prompts=prompts_of_parent,
        responses=lambda wildcards: f"<results>/{parent(wildcards)}/responses/{wildcards.shard}.jsonl",
        weights=reward_model,
    output:
        rewards="<results>/{method}/m{iteration}/rewards/{shard}.jsonl",
        stats="<results>/{method}/m{iteration}/rewards/{shard}.stats.json",
    log:
        "<results>/logs/score_responses/{method}/m{iteration}/{shard}.log",
    conda:
        environment("sample")
    threads: NEEDS["engine"]["threads"]
    resources:
        **needs("engine"),
    params:
        max_model_len=SETTINGS["engine"]["max_model_len"],
        dtype=SETTINGS["engine"]["dtype"],
        batch_size=SETTINGS["engine"]["batch_size"],
        code=fingerprint("preferences/score_responses.py"),
    script:
        "../../scripts/preferences/score_responses.py"
