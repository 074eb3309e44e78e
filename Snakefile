# Meta-Rewarding Language Models (arXiv 2407.19594): from human rankings to M4, benchmarks and a report.
# `snakemake` runs config/config.yaml on this machine; `--configfile` lays another file over it.


configfile: "config/config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/resources.smk"
include: "workflow/rules/preflight.smk"
include: "workflow/rules/benchmarks_inputs.smk"
include: "workflow/rules/data_inputs.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/prompts_inputs.smk"
include: "workflow/rules/prompts.smk"
include: "workflow/rules/sample.smk"
include: "workflow/rules/preferences_inputs.smk"
include: "workflow/rules/preferences.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/benchmarks.smk"
include: "workflow/rules/judging_inputs.smk"
include: "workflow/rules/judging.smk"
include: "workflow/rules/judges_inputs.smk"
include: "workflow/rules/judges.smk"
include: "workflow/rules/report_inputs.smk"
include: "workflow/rules/report.smk"


rule all:
    """Every model of the methods under `run`, what was sampled for them, their benchmarks, and the report."""
    default_target: True
    input:
        "<results>/report/index.html",
        "<results>/report/manifest.json",
        expand("<results>/report/iterations/{model}.html", model=IN_PROGRESS),
        expand("<results>/{model}/weights", model=REPORTED),
        # so that a pool which could not be made is missed although its slices of an earlier run are there
        expand("<results>/data/prompts/pool/{pool}.jsonl", pool=POOLS),
        sampled_rows,


onstart:
    start_checks.check(CHECKS)
    show_estimate()


onsuccess:
    show_scoreboard()


# At the end, as it looks at every rule: Snakemake compares params without their names, and would miss some changes.
snakemake_private.name_params(workflow.rules)

snakemake_private.plan_without_conda(workflow)
if not snakemake_private.runs_on_compute_node(workflow):
    terminal.install(scoreboard_text, lambda: workflow.dryrun)
