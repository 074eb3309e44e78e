"""lm-evaluation-harness: its tasks, its engine arguments, and its results in one form."""

from collections.abc import Sequence

from metarewarding.errors import UserError


def load_tasks(names: Sequence[str], folder: str | None):
    """Return the harness's task manager, which also knows the task files in ``folder``.

    Raise UserError for a name that it has no task for.
    """
    from lm_eval.tasks import TaskManager

    tasks = TaskManager(include_path=folder)
    for name in names:
        if not tasks.match_tasks([name]):
            raise UserError(
                f"benchmarks.lm_eval.tasks: lm-evaluation-harness has no task '{name}'. `lm_eval ls tasks` lists its "
                "tasks; task files of your own are found in benchmarks.lm_eval.folder."
            )
    return tasks


def fetch(names: Sequence[str], folder: str | None) -> dict[str, str]:
    """Return {task: version}. Loading a task fetches its data into the hub's cache."""
    tasks = load_tasks(names, folder)
    try:
        loaded = tasks.load(list(names))["tasks"]
    except (OSError, ValueError) as error:
        raise UserError(
            f"benchmarks.lm_eval.tasks: the data of {', '.join(names)} could not be loaded ({error}). This machine "
            "must reach the hub, or have the data in its cache (HF_HOME)."
        ) from None
    return {name: str(task.VERSION) for name, task in loaded.items()}


def engine_arguments(engine: dict, weights: str, dtype: str, gpus: int) -> tuple[str, dict]:
    """Return (the harness's name of the engine, its arguments): vLLM on GPUs, else transformers."""
    arguments = {"pretrained": weights, "dtype": dtype}
    if engine["name"] == "vllm" and gpus:
        return "vllm", arguments | {
            "max_model_len": engine["max_model_len"],
            "gpu_memory_utilization": engine["gpu_memory_utilization"],
            "tensor_parallel_size": gpus,
        }
    import torch

    # a config with GPUs, such as the smoke config, also runs on a machine without one
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return "hf", arguments | {"device": device, "max_length": engine["max_model_len"]}


def scores(results: dict) -> dict[str, dict]:
    """Return {task: {metric: {value, stderr}}} of the harness's results; stderr is None where it gives none."""
    by_task: dict[str, dict] = {}
    for task, values in results.items():
        for key, value in values.items():
            metric, _, of_filter = key.partition(",")
            if not of_filter or metric.endswith("_stderr") or not isinstance(value, int | float):
                continue
            stderr = values.get(f"{metric}_stderr,{of_filter}")
            name = metric if of_filter == "none" else f"{metric} ({of_filter})"
            by_task.setdefault(task, {})[name] = {
                "value": float(value),
                "stderr": float(stderr) if isinstance(stderr, int | float) else None,
            }
    return by_task
