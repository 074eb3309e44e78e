# What is sampled from a model lives in that model's folder: responses, judgments, meta-judgments.


rule sample_responses:
    """The actor: n responses to each prompt of one shard."""
    input:
        prompts=prompts_of,
        weights="<results>/{model}/weights",
    output:
        responses="<results>/{model}/responses/{shard}.jsonl",
        stats="<results>/{model}/responses/{shard}.stats.json",
    log:
        "<results>/logs/sample_responses/{model}/{shard}.log",
    conda:
        environment("sample")
    threads: NEEDS["engine"]["threads"]
    resources:
        **needs("engine"),
    params:
        **SAMPLING["responses"],
        **engine_params(),
        system_prompt=SAMPLING["system_prompt"],
        seed=SEED,
        shards=len(SHARDS),
        code=fingerprint("sample_responses.py"),
    script:
        "../../scripts/sample_responses.py"


rule judge_responses:
    """The judge: n judgments of each distinct response of one shard."""
    input:
        prompts=prompts_of,
        responses="<results>/{model}/responses/{shard}.jsonl",
        weights="<results>/{model}/weights",
        template=TEMPLATES["judge"],
    output:
        judgments="<results>/{model}/judgments/{shard}.jsonl",
        stats="<results>/{model}/judgments/{shard}.stats.json",
    log:
        "<results>/logs/judge_responses/{model}/{shard}.log",
    conda:
        environment("sample")
    threads: NEEDS["engine"]["threads"]
    resources:
        **needs("engine"),
    params:
        **SAMPLING["judgments"],
        **engine_params(),
        seed=SEED,
        code=fingerprint("judge_responses.py"),
    script:
        "../../scripts/judge_responses.py"


rule meta_judge:
    """The meta-judge: both orders of every pair of judgments of each prompt's most disputed response."""
    input:
        prompts=prompts_of,
        responses="<results>/{model}/responses/{shard}.jsonl",
        judgments="<results>/{model}/judgments/{shard}.jsonl",
        weights="<results>/{model}/weights",
        template=TEMPLATES["meta_judge"],
    output:
        meta_judgments="<results>/{model}/meta_judgments/{shard}.jsonl",
        stats="<results>/{model}/meta_judgments/{shard}.stats.json",
    log:
        "<results>/logs/meta_judge/{model}/{shard}.log",
    conda:
        environment("sample")
    threads: NEEDS["engine"]["threads"]
    resources:
        **needs("engine"),
    params:
        **SAMPLING["meta_judgments"],
        **engine_params(),
        seed=SEED,
        code=fingerprint("meta_judge.py"),
    script:
        "../../scripts/meta_judge.py"
