# What the rules of prompts.smk take: settings, files, params; no rules.

GENERATES = SETTINGS["prompts"]["source"] == "generate"
GENERATION = SETTINGS["prompts"]["generation"]
POOLS = sorted({lineage.slice_place(SETTINGS, lineage.depth(SETTINGS, model))[0] for model in TRAINED})


def earlier_prompts(wildcards):
    """The prompts that a round's candidates must differ from: of earlier pools, and of earlier rounds."""
    pools = [f"<results>/data/prompts/pool/{pool}.jsonl" for pool in range(1, int(wildcards.pool))]
    rounds = range(1, int(wildcards.round))
    return pools + [f"<results>/data/prompts/generated/{wildcards.pool}/{n}/accepted.jsonl" for n in rounds]


def rounds_before(wildcards):
    return int(wildcards.round) - 1


def pool_sources(wildcards):
    """What a pool is made from: the accepted prompts of its rounds, or its file; and the pools before it."""
    number = int(wildcards.pool)
    earlier = [f"<results>/data/prompts/pool/{pool}.jsonl" for pool in range(1, number)]
    if GENERATES:
        rounds = range(1, GENERATION["rounds"] + 1)
        return {"accepted": [f"<results>/data/prompts/generated/{number}/{n}/accepted.jsonl" for n in rounds]}
    return {"prompts": SETTINGS["prompts"]["path"][number - 1], "earlier": earlier}


def pool_of_iteration(wildcards):
    pool, _ = lineage.slice_place(SETTINGS, int(wildcards.iteration))
    return f"<results>/data/prompts/pool/{pool}.jsonl"


def slice_of_iteration(wildcards):
    return lineage.slice_place(SETTINGS, int(wildcards.iteration))[1]
