# The prompt pools, written by a model in rounds or read from files, and one slice of them for each iteration.


rule generate_prompts:
    """One shard of a round's candidates: new prompts after the pattern of demonstrations."""
    input:
        **checked("engine"),
        checked=CHECKED,
        demonstrations="<results>/data/eft/ift.jsonl",
        earlier=earlier_prompts,
        weights=weights_of("generator"),
        template=TEMPLATES["generate"],
    output:
        candidates="<results>/data/prompts/generated/{pool}/{round}/candidates/{shard}.jsonl",
        stats="<results>/data/prompts/generated/{pool}/{round}/candidates/{shard}.stats.json",
    log:
        "<results>/logs/generate_prompts/{pool}/{round}/{shard}.log",
    benchmark:
        "<results>/logs/generate_prompts/{pool}/{round}/{shard}.tsv"
    conda:
        environment("sample")
    threads: NEEDS["engine"]["threads"]
    resources:
        **needs("engine"),
    params:
        **engine_params(),
        store=completion_store,
        size=GENERATION["size"],
        earlier_of_pool=rounds_before,
        per_round=GENERATION["per_round"],
        shards=GENERATION["shards"],
        demonstrations=GENERATION["demonstrations"],
        generated_demonstrations=GENERATION["generated_demonstrations"],
        temperature=GENERATION["temperature"],
        top_p=GENERATION["top_p"],
        max_tokens=GENERATION["max_tokens"],
        seed=SEED,
        code=fingerprint("prompts/generate_prompts.py"),
    script:
        "../../scripts/prompts/generate_prompts.py"


rule filter_prompts:
    """A round's candidates that are new, of a fair length, and ask what a text model can do."""
    input:
        demonstrations="<results>/data/eft/ift.jsonl",
        earlier=earlier_prompts,
        candidates=expand(
            "<results>/data/prompts/generated/{{pool}}/{{round}}/candidates/{shard}.jsonl",
            shard=range(GENERATION["shards"]),
        ),
    output:
        accepted="<results>/data/prompts/generated/{pool}/{round}/accepted.jsonl",
        stats="<results>/data/prompts/generated/{pool}/{round}/accepted.stats.json",
    log:
        "<results>/logs/filter_prompts/{pool}/{round}.log",
    localrule: True
    conda:
        environment("sample")
    params:
        size=GENERATION["size"],
        earlier_of_pool=rounds_before,
        max_rouge_l=GENERATION["max_rouge_l"],
        min_words=GENERATION["min_words"],
        max_words=GENERATION["max_words"],
        excluded_words=GENERATION["excluded_words"],
        code=fingerprint("prompts/filter_prompts.py"),
    script:
        "../../scripts/prompts/filter_prompts.py"


rule build_prompts:
    """A prompt pool, checked and without repeats."""
    input:
        unpack(pool_sources),
    output:
        "<results>/data/prompts/pool/{pool}.jsonl",
    log:
        "<results>/logs/build_prompts/{pool}.log",
    localrule: True
    conda:
        environment("sample")
    params:
        size=GENERATION["size"] if GENERATES else None,
        code=fingerprint("prompts/build_prompts.py"),
    script:
        "../../scripts/prompts/build_prompts.py"


rule slice_prompts:
    """One iteration's prompts; slices of different iterations share none."""
    input:
        pool=pool_of_iteration,
    output:
        "<results>/data/prompts/{iteration}.jsonl",
    log:
        "<results>/logs/slice_prompts/{iteration}.log",
    localrule: True
    conda:
        environment("sample")
    params:
        slice=slice_of_iteration,
        per_iteration=SETTINGS["prompts"]["per_iteration"],
        seed=SEED,
        code=fingerprint("prompts/slice_prompts.py"),
    script:
        "../../scripts/prompts/slice_prompts.py"
