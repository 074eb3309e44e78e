# What the rules of prompts.smk take: settings, files, params; no rules.

GENERATES = SETTINGS["prompts"]["source"] == "generate"
GENERATION = SETTINGS["prompts"]["generation"]
POOLS = sorted({lineage.slice_place(SETTINGS, lineage.depth(SETTINGS, model))[0] for model in TRAINED})


def earlier_pools(wildcards):
    """Return the earlier pools, which a pool must not repeat."""
    return [f"<results>/data/prompts/pool/{pool}.jsonl" for pool in range(1, int(wildcards.pool))]


def source_of_pool(wildcards):
    """Return the source of a pool: the prompts that a model wrote for it, or its file."""
    if GENERATES:
        return f"<results>/data/prompts/generated/{wildcards.pool}/accepted.jsonl"
    return SETTINGS["prompts"]["path"][int(wildcards.pool) - 1]


def pool_of_iteration(wildcards):
    pool, _ = lineage.slice_place(SETTINGS, int(wildcards.iteration))
    return f"<results>/data/prompts/pool/{pool}.jsonl"


def slice_of_iteration(wildcards):
    return lineage.slice_place(SETTINGS, int(wildcards.iteration))[1]
