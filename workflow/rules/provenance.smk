# What it costs and whence it came. Included last, as its last line looks at all rules.


rule write_plan:
    """What the run should take, beside what it took."""
    input:
        [f"<results>/{file}" for row in PLAN["rows"] for file in row["files"]],
    output:
        "<results>/report/plan.json",
    log:
        "<results>/logs/write_plan.log",
    localrule: True
    conda:
        environment("report")
    params:
        root=lambda wildcards, output: str(Path(output[0]).parent.parent),
        plan=PLAN,
        code=fingerprint("report/write_plan.py"),
    script:
        "../../scripts/report/write_plan.py"


rule write_manifest:
    """The run in one file: config, commit, packages, and the hashes of its data and weights."""
    input:
        models=expand("<results>/{model}/manifest.json", model=REPORTED),
        eft=["<results>/data/eft/train.jsonl", "<results>/data/eft/eval.jsonl"],
        prompts=expand(
            "<results>/data/prompts/{iteration}.jsonl",
            iteration=sorted({config_settings.depth(SETTINGS, model) for model in TRAINED}),
        ),
        templates=list(dict.fromkeys(TEMPLATES["judge"] + TEMPLATES["meta_judge"] * bool(META_JUDGES))),
        plan="<results>/report/plan.json",
    output:
        "<results>/report/manifest.json",
    log:
        "<results>/logs/write_manifest.log",
    localrule: True
    conda:
        environment("report")
    params:
        models=REPORTED,
        code=fingerprint("report/write_manifest.py"),
    script:
        "../../scripts/report/write_manifest.py"


provenance.name_params(workflow.rules)
