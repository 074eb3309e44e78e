# A reward model's scores, where a method has `scored_by`; Elo scores, pairs, and the gates before training.


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
    """A reward model's score of each distinct response in one shard of the parent's responses."""
    input:
        checked=CHECKED,
        prompts=prompts_of_parent,
        responses=lambda wildcards: f"<results>/{parent(wildcards)}/responses/{wildcards.shard}.jsonl",
        weights=reward_model,
    output:
        rewards="<results>/{method}/m{iteration}/rewards/{shard}.jsonl",
        stats="<results>/{method}/m{iteration}/rewards/{shard}.stats.json",
    log:
        "<results>/logs/score_responses/{method}/m{iteration}/{shard}.log",
    benchmark:
        "<results>/logs/score_responses/{method}/m{iteration}/{shard}.tsv"
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


rule fit_elo:
    """Elo scores of the parent's judgments, from all its verdicts together."""
    input:
        judgments=from_parent("judgments/{shard}.jsonl"),
        meta_judgments=from_parent("meta_judgments/{shard}.jsonl"),
    output:
        elo="<results>/{method}/m{iteration}/elo.jsonl",
        stats="<results>/{method}/m{iteration}/elo.stats.json",
    log:
        "<results>/logs/fit_elo/{method}/m{iteration}.log",
    localrule: True
    conda:
        environment("sample")
    params:
        position_weights=of_iteration("position_weights"),
        elo_l2=of_iteration("elo_l2"),
        code=fingerprint("preferences/fit_elo.py"),
    script:
        "../../scripts/preferences/fit_elo.py"


rule build_actor_pairs:
    """Scores of the parent's responses, by its judge or a reward model, and at most one pair of responses a prompt."""
    input:
        unpack(response_scores),
        prompts=prompts_of_parent,
        responses=from_parent("responses/{shard}.jsonl"),
    output:
        scores="<results>/{method}/m{iteration}/scores.jsonl",
        pairs="<results>/{method}/m{iteration}/pairs/actor.jsonl",
        stats="<results>/{method}/m{iteration}/pairs/actor.stats.json",
    log:
        "<results>/logs/build_actor_pairs/{method}/m{iteration}.log",
    localrule: True
    conda:
        environment("sample")
    params:
        rho=of_iteration("rho"),
        max_chosen_chars=of_iteration("max_chosen_chars"),
        allow_truncated_chosen=of_iteration("allow_truncated_chosen"),
        k=of_iteration("k"),
        consistent_halves=of_iteration("consistent_halves"),
        n=of_iteration("n"),
        system_prompt=system_prompt,
        code=fingerprint("preferences/build_actor_pairs.py"),
    script:
        "../../scripts/preferences/build_actor_pairs.py"


rule build_judge_pairs:
    """At most one pair of judgments a prompt, by Elo."""
    input:
        prompts=prompts_of_parent,
        responses=from_parent("responses/{shard}.jsonl"),
        judgments=from_parent("judgments/{shard}.jsonl"),
        elo="<results>/{method}/m{iteration}/elo.jsonl",
        template=TEMPLATES["judge"],
    output:
        pairs="<results>/{method}/m{iteration}/pairs/judge.jsonl",
        stats="<results>/{method}/m{iteration}/pairs/judge.stats.json",
    log:
        "<results>/logs/build_judge_pairs/{method}/m{iteration}.log",
    localrule: True
    conda:
        environment("sample")
    params:
        max_judgment_chars=of_iteration("max_judgment_chars"),
        seed=SEED,
        code=fingerprint("preferences/build_judge_pairs.py"),
    script:
        "../../scripts/preferences/build_judge_pairs.py"


rule check_pairs:
    """An iteration's counts, checked against the gates before anything is trained."""
    input:
        unpack(iteration_stats),
    output:
        "<results>/{method}/m{iteration}/pairs/stats.json",
    log:
        "<results>/logs/check_pairs/{method}/m{iteration}.log",
    localrule: True
    conda:
        environment("sample")
    params:
        # pairs that passed stay when a gate changes, as training on them would give the same model
        gates=untracked(SETTINGS["gates"]),
        code=fingerprint("preferences/check_pairs.py"),
    script:
        "../../scripts/preferences/check_pairs.py"
