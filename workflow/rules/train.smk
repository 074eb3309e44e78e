# Training: SFT makes M0 from the seed, and each DPO round makes M(t) from M(t-1).


rule train_sft:
    """Train M0 from the seed on EFT, with the loss on the judgments only."""
    input:
        **node_checks("engine", "training"),
        checked=CHECKED,
        weights="<results>/seed/weights",
        data="<results>/data/eft/train.jsonl",
        recipe=SETTINGS["sft"]["recipe"],
        accelerate=SETTINGS["sft"]["accelerate"],
    output:
        **trained_weights("<results>/m0"),
        stats="<results>/m0/training.json",
        manifest="<results>/m0/manifest.json",
    log:
        "<results>/logs/train_sft.log",
    benchmark:
        "<results>/logs/train_sft.tsv"
    conda:
        environment("train")
    threads: NEEDS["train"]["threads"]
    resources:
        **needs("train"),
    params:
        # not an output: Snakemake deletes outputs before a job, and a killed run goes on from here
        checkpoints=lambda wildcards, output: str(Path(output.weights).with_name("checkpoints")),
        processes=processes,
        threads_each=threads_each,
        engine_weights=engine_weights_option,
        learning_rate=SETTINGS["sft"]["learning_rate"],
        batch_size=SETTINGS["sft"]["batch_size"],
        schedule_epochs=SETTINGS["sft"]["schedule_epochs"],
        stop_epoch=SETTINGS["sft"]["stop_epoch"],
        max_length=SETTINGS["sft"]["max_length"],
        seed=SEED,
        code=fingerprint("train/train_sft.py"),
    shell:
        "accelerate-launch --quiet --config_file {input.accelerate:q} --num_processes {params.processes}"
        " --main_process_port 0 --num_cpu_threads_per_process {params.threads_each}"
        " scripts/train/train_sft.py --config {input.recipe:q}"
        " --model {input.weights:q} --data {input.data:q}"
        " --weights {output.weights:q} --stats {output.stats:q} --manifest {output.manifest:q} --log_file {log:q}"
        " {params.engine_weights}"
        " --output_dir {params.checkpoints:q} --batch_size {params.batch_size} --stop_epoch {params.stop_epoch}"
        " --token_limit {params.max_length} --learning_rate {params.learning_rate}"
        " --num_train_epochs {params.schedule_epochs} --seed {params.seed} > {log:q} 2>&1"


rule train_dpo:
    """Train M(t) from M(t-1) on the iteration's pairs, with M(t-1) as reference."""
    input:
        checked=CHECKED,
        weights=from_parent("weights"),
        data=training_pairs,
        pairs_checked="<results>/{method}/m{iteration}/pairs/stats.json",
        recipe=of_iteration("recipe"),
        accelerate=of_iteration("accelerate"),
    output:
        **trained_weights("<results>/{method}/m{iteration}"),
        stats="<results>/{method}/m{iteration}/training.json",
        manifest="<results>/{method}/m{iteration}/manifest.json",
    log:
        "<results>/logs/train_dpo/{method}/m{iteration}.log",
    benchmark:
        "<results>/logs/train_dpo/{method}/m{iteration}.tsv"
    conda:
        environment("train")
    threads: NEEDS["train"]["threads"]
    resources:
        **needs("train"),
    params:
        # not an output: Snakemake deletes outputs before a job, and a killed run goes on from here
        checkpoints=lambda wildcards, output: str(Path(output.weights).with_name("checkpoints")),
        processes=processes,
        threads_each=threads_each,
        engine_weights=engine_weights_option,
        learning_rate=of_iteration("learning_rate"),
        beta=of_iteration("beta"),
        loss=dpo_loss,
        batch_size=of_iteration("batch_size"),
        schedule_epochs=of_iteration("schedule_epochs"),
        stop_epoch=of_iteration("stop_epoch"),
        max_length=of_iteration("max_length"),
        max_judge_pairs=lambda wildcards: of_iteration("max_judge_pairs")(wildcards) or 0,  # 0: all
        held_out=of_iteration("held_out"),
        measured_pairs=of_iteration("measured_pairs"),
        seed=SEED,
        code=fingerprint("train/train_dpo.py"),
    shell:
        "accelerate-launch --quiet --config_file {input.accelerate:q} --num_processes {params.processes}"
        " --main_process_port 0 --num_cpu_threads_per_process {params.threads_each}"
        " scripts/train/train_dpo.py --config {input.recipe:q}"
        " --model {input.weights:q} --data {input.data:q}"
        " --weights {output.weights:q} --stats {output.stats:q} --manifest {output.manifest:q} --log_file {log:q}"
        " {params.engine_weights}"
        " --output_dir {params.checkpoints:q} --batch_size {params.batch_size} --stop_epoch {params.stop_epoch}"
        " --token_limit {params.max_length} --learning_rate {params.learning_rate} --beta {params.beta}"
        " {params.loss}"
        " --num_train_epochs {params.schedule_epochs} --max_judge_pairs {params.max_judge_pairs}"
        " --held_out {params.held_out} --measured_pairs {params.measured_pairs}"
        " --seed {params.seed} > {log:q} 2>&1"
