# Scores, Elo and pairs: what trains a model lives in that model's folder.


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
        n=of_iteration("n"),
        system_prompt=SAMPLING["system_prompt"],
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
    """An iteration's counts against the gates: outside them it stops before anything is trained."""
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
        # what passed stays when a gate changes: it would train the same model again
        gates=untracked(SETTINGS["gates"]),
        code=fingerprint("preferences/check_pairs.py"),
    script:
        "../../scripts/preferences/check_pairs.py"
