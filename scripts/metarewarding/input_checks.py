"""Check the user's inputs before anything is sampled or trained: prompts, trees, questions, rows, model folders.

Without numpy, which the environment that runs Snakemake on a cluster does not have.
"""

from pathlib import Path

from metarewarding.errors import UserError
from metarewarding.evaluation import registry
from metarewarding.jobs.model_check import check_files
from metarewarding.prompt_checks import check_prompts
from metarewarding.records import Prompt, read_jsonl
from metarewarding.row_checks import results_root
from metarewarding.tree_checks import check_trees, read_trees


def faults(given: dict) -> list[str]:
    """Return one message for each broken input, so that all of them are reported at once.

    ``given``: {kind: files}, and for models [(key, folder)], as CHECKS of workflow/rules/data_inputs.smk.
    """
    checks = [(check_prompts, (path,)) for path in given["prompts"]]
    checks += [(read_jsonl, (path, Prompt)) for path in given["questions"]]
    checks += [(_check_trees, (path,)) for path in given["trees"]]
    checks += [(registry.get("own_preferences").read_rows, ({"path": path},)) for path in given["preferences"]]
    # values are checked where a model is fetched, as that reads them anyway
    checks += [(check_files, (path, key, False)) for key, path in given["models"]]
    checks += [(_check_results, (path,)) for path in given["weights"] if Path(path).exists()]
    messages = []
    for check, arguments in checks:
        try:
            check(*arguments)
        except UserError as error:
            messages.append(str(error))
    return messages


def _check_results(weights: str) -> None:
    """Raise UserError for a damaged model of an earlier run: its jobs would fail when their old outputs are deleted."""
    fix = (
        f"Delete it and run `envs/run python workflow/restore.py {results_root()}`, which puts back the last good one; "
        "if none was kept, the workflow makes it again."
    )
    if not Path(weights).is_dir():
        raise UserError(f"{weights}: a file is where the model's folder should be. {fix}")
    try:
        check_files(weights, weights, values=False)
    except UserError as error:
        raise UserError(f"{error} {fix}") from None


def _check_trees(path: str) -> None:
    check_trees(read_trees(path), path)
