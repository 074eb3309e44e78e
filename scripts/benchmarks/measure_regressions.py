"""Score a model on tasks of lm-evaluation-harness, with the harness's own standard errors."""

import os

from metarewarding.engines.precision import resolve_dtype
from metarewarding.evaluation import harness
from metarewarding.jobs.job import elapsed, logged
from metarewarding.jobs.logs import in_words, logger
from metarewarding.jobs.provenance import host
from metarewarding.records import write_json


@logged
def main(job):
    # prepare_regressions has fetched the tasks' data
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("HF_DATASETS_OFFLINE", "1")
    from lm_eval import simple_evaluate

    p, gpus = job.params, job.resources.get("gpu", 0)
    tasks = harness.load_tasks(p.tasks, p.folder)
    engine, arguments = harness.engine_arguments(p.engine, job.input.weights, resolve_dtype(p.engine["dtype"]), gpus)
    harness_results = simple_evaluate(
        model=engine,
        model_args=arguments,
        tasks=list(p.tasks),
        num_fewshot=p.num_fewshot,
        limit=p.limit,
        batch_size="auto" if engine == "vllm" else p.engine["batch_size"],
        apply_chat_template=p.chat_template,
        task_manager=tasks,
        log_samples=False,
        random_seed=p.seed,
        numpy_random_seed=p.seed,
        torch_random_seed=p.seed,
        fewshot_random_seed=p.seed,
    )
    result = {
        "benchmark": "lm_eval",
        "model": job.wildcards.model,
        "complete": p.limit is None,
        "tasks": harness.scores(harness_results["results"]),
        "n": {task: counts["effective"] for task, counts in harness_results["n-samples"].items()},
        "versions": harness_results["versions"],
        "engine": engine,
        "process_seconds": round(elapsed(), 1),
        "host": host(),
    }
    logger.info(in_words(result["tasks"]))
    write_json(job.output[0], result)


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
