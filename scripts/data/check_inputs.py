"""What the user gives, read once before anything is sampled or trained: prompts, trees, questions, model folders.

The output never changes, and jobs take it as `ancient`: that it was made again reruns nothing.
"""

from pathlib import Path

from metarewarding import eft
from metarewarding.engines.engine import engine_version
from metarewarding.errors import UserError
from metarewarding.jobs.job import logged
from metarewarding.jobs.model_check import check_files
from metarewarding.prompt_checks import check_prompts
from metarewarding.records import Prompt, read_jsonl
from metarewarding.tree_checks import check_trees


def faults(given: dict) -> list[str]:
    """Return one message for each input that is broken, so that all of them are known at once."""
    checks = [(check_prompts, (path,)) for path in given["prompts"]]
    checks += [(read_jsonl, (path, Prompt)) for path in given["questions"]]
    checks += [(check_trees, (eft.read_trees(path), path)) for path in given["trees"]]
    # values are looked at where a model is fetched, as that reads them anyway
    checks += [(check_files, (path, key, False)) for key, path in given["models"]]
    checks += [(engine_version, (given["engine"],))]
    found = []
    for check, arguments in checks:
        try:
            check(*arguments)
        except UserError as error:
            found.append(str(error))
    return found


@logged
def main(job):
    if found := faults(job.params.checks):
        raise UserError("\n".join(found))
    Path(job.output[0]).mkdir(parents=True, exist_ok=True)
    (Path(job.output[0]) / "passed").write_text("The inputs were read without a fault.\n", encoding="utf-8")


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
