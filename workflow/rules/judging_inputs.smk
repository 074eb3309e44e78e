# What the rules of judging.smk take: settings, files, params; no rules.

SENSITIVITY_DRAWS = 20  # random subsets of the responses and judgments
LM_EVAL = SETTINGS["benchmarks"]["lm_eval"]
# the models whose judgments were sampled for training
JUDGES = list(dict.fromkeys(PARENTS[model] for model in TRAINED if lineage.uses_judgments(SETTINGS, model)))


def preference_sources(wildcards):
    """Return {name: file} of the sources of a preference benchmark."""
    name = wildcards.preference
    if name == "own_preferences":
        return {"path": SETTINGS["benchmarks"][name]["path"]}
    if name == "held_out_preferences":
        return {"replies": "<results>/data/eft/eval.jsonl"}
    return {source: benchmark_file(source) for source in registry.get(name).sources}


def sampled_of(wildcards):
    """Return a model's responses and judgments, and its meta-judgments where a judge is trained on them."""
    stages = ["responses", "judgments", *["meta_judgments"] * (wildcards.model in META_JUDGES)]
    files = {name: f"<results>/{wildcards.model}/{name}/{{shard}}.jsonl" for name in stages}
    if "meta_judgments" in files:
        files["repeats"] = files["meta_judgments"].replace(".jsonl", ".repeats.jsonl")
    return {name: expand(file, shard=SHARDS) for name, file in files.items()}


def of_child(key):
    """Return a function of a model's wildcards: ``key`` of the first iteration whose actor pairs the model judges."""
    return lambda wildcards: (lineage.first_judged(SETTINGS, TRAINED, wildcards.model) or SETTINGS["pairs"])[key]
