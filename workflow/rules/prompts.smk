# The prompt pools, written by a model in rounds or read from files, and one slice of them for each iteration.


rule generate_prompts:
    """A pool of new prompts, few-shot from demonstrations: rounds of filtered candidates until the pool is full."""
    input:
        **node_checks("engine"),
        checked=CHECKED,
        demonstrations="<results>/data/eft/ift.jsonl",
        earlier=earlier_pools,
        weights=weights_of("generator"),
        template=TEMPLATES["generate"],
    output:
        candidates="<results>/data/prompts/generated/{pool}/candidates.jsonl",
        stats="<results>/data/prompts/generated/{pool}/candidates.stats.json",
        accepted="<results>/data/prompts/generated/{pool}/accepted.jsonl",
    log:
        "<results>/logs/generate_prompts/{pool}.log",
    benchmark:
        "<results>/logs/generate_prompts/{pool}.tsv"
    conda:
        environment("sample")
    threads: NEEDS["engine"]["threads"]
    resources:
        **needs("engine"),
    params:
        **engine_params(),
        store=completion_store,
        # only a limit: it does not change a full pool, and a pool that is not full has no output
        rounds=untracked(GENERATION["rounds"]),
        size=GENERATION["size"],
        per_round=GENERATION["per_round"],
        demonstrations=GENERATION["demonstrations"],
        generated_demonstrations=GENERATION["generated_demonstrations"],
        temperature=GENERATION["temperature"],
        top_p=GENERATION["top_p"],
        max_tokens=GENERATION["max_tokens"],
        max_rouge_l=GENERATION["max_rouge_l"],
        min_words=GENERATION["min_words"],
        max_words=GENERATION["max_words"],
        excluded_words=GENERATION["excluded_words"],
        seed=SEED,
        code=fingerprint("prompts/generate_prompts.py"),
    script:
        "../../scripts/prompts/generate_prompts.py"


rule build_prompts:
    """A prompt pool, checked and without repeats."""
    input:
        prompts=source_of_pool,
        earlier=earlier_pools,
    output:
        "<results>/data/prompts/pool/{pool}.jsonl",
    log:
        "<results>/logs/build_prompts/{pool}.log",
    localrule: True
    conda:
        environment("sample")
    params:
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
