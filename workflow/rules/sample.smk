# What is sampled from a model lives in that model's folder: responses, judgments, meta-judgments.


rule sample_and_judge:
    """The actor's n responses to each prompt of one shard, and n judgments of each distinct response."""
    input:
        checked=CHECKED,
        prompts=prompts_of,
        weights=weights_to_sample,
        template=TEMPLATES["judge"],
    output:
        responses="<results>/{model}/responses/{shard}.jsonl",
        responses_stats="<results>/{model}/responses/{shard}.stats.json",
        judgments="<results>/{model}/judgments/{shard}.jsonl",
        judgments_stats="<results>/{model}/judgments/{shard}.stats.json",
    log:
        "<results>/logs/sample_and_judge/{model}/{shard}.log",
    benchmark:
        "<results>/logs/sample_and_judge/{model}/{shard}.tsv"
    conda:
        environment("sample")
    threads: NEEDS["engine"]["threads"]
    resources:
        **needs("engine"),
    params:
        **engine_params(),
        store=completion_store,
        responses=SAMPLING["responses"],
        judgments=SAMPLING["judgments"],
        system_prompt=system_prompt,
        seed=SEED,
        shards=len(SHARDS),
        code=fingerprint("sample/sample_and_judge.py"),
    script:
        "../../scripts/sample/sample_and_judge.py"


rule meta_judge:
    """The meta-judge: both orders of every pair of judgments of each prompt's most disputed response."""
    input:
        checked=CHECKED,
        prompts=prompts_of,
        responses="<results>/{model}/responses/{shard}.jsonl",
        judgments="<results>/{model}/judgments/{shard}.jsonl",
        weights=weights_to_sample,
        template=TEMPLATES["meta_judge"],
    output:
        meta_judgments="<results>/{model}/meta_judgments/{shard}.jsonl",
        repeats="<results>/{model}/meta_judgments/{shard}.repeats.jsonl",
        stats="<results>/{model}/meta_judgments/{shard}.stats.json",
    log:
        "<results>/logs/meta_judge/{model}/{shard}.log",
    benchmark:
        "<results>/logs/meta_judge/{model}/{shard}.tsv"
    conda:
        environment("sample")
    threads: NEEDS["engine"]["threads"]
    resources:
        **needs("engine"),
    params:
        **SAMPLING["meta_judgments"],
        **engine_params(),
        store=completion_store,
        seed=SEED,
        code=fingerprint("sample/meta_judge.py"),
    script:
        "../../scripts/sample/meta_judge.py"
