"""Export a run in the usual formats: pairs, benchmark answers, curves, manifest, model cards.

Nothing is uploaded.
"""

import json
import shutil
from pathlib import Path

from metarewarding.evaluation import registry
from metarewarding.jobs.job import logged
from metarewarding.jobs.logs import logger
from metarewarding.records import read_json
from metarewarding.reporting import exports
from metarewarding.reporting.metrics import of_model

LICENCE_NOTE = (
    "Texts were written by the models of the run, to prompts of the run. Check the licences of the seed model and of "
    "the prompts before you publish them."
)


def text(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")


def jsonl(path: Path, rows: list[dict]) -> None:
    text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def flat(model: str) -> str:
    """Return a model's name as a file name: meta-rewarding-m1."""
    return model.replace("/", "-")


def export_pairs(folder: Path, files: list[str], root: str) -> None:
    """Write the pair files, and the card by which `datasets` finds them."""
    subsets = {}
    for path in files:
        name = f"{flat(of_model(path, root))}-{Path(path).stem}"
        subsets[name] = f"data/{name}.jsonl"
        (folder / "data").mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, folder / subsets[name])
    text(folder / "README.md", exports.pairs_card(subsets, LICENCE_NOTE))


def export_answers(folder: Path, benchmark: str, questions: str, files: list[str], root: str) -> None:
    """Write each model's answers in the benchmark's own submission format; the arena's rows as they are."""
    rows = registry.questions(registry.get(benchmark), questions)
    for path in files:
        model, answers = flat(of_model(path, root)), {}
        for row in registry.get(benchmark).read_answers(path):
            answers.setdefault(row["prompt_id"], []).append(row["text"])
        if benchmark == "alpaca_eval":
            outputs = exports.alpaca_eval(rows, answers, model)
            text(folder / model / "model_outputs.json", json.dumps(outputs, ensure_ascii=False, indent=2) + "\n")
        elif benchmark in ("arena_hard", "mt_bench"):
            jsonl(folder / "model_answer" / f"{model}.jsonl", getattr(exports, benchmark)(rows, answers, model))
        else:
            (folder / "answers").mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, folder / "answers" / f"{model}.jsonl")


@logged
def main(job):
    p, files, folder = job.params, job.input, Path(job.output[0])
    shutil.rmtree(folder, ignore_errors=True)
    export_pairs(folder / "preference_pairs", list(files.pairs), p.root)
    for benchmark in p.benchmarks:
        questions, answers = files[f"questions_{benchmark}"], list(files[f"answers_{benchmark}"])
        export_answers(folder / benchmark, benchmark, questions, answers, p.root)
    training = {of_model(path, p.root): read_json(path) for path in files.training}
    scores: dict[str, dict] = {}
    for path in files.scores:
        scores.setdefault(of_model(path, p.root), {})[Path(path).parent.name] = read_json(path)
    for path in files.manifests:
        model = of_model(path, p.root)
        card = exports.model_card(model, read_json(path), training.get(model), scores.get(model, {}))
        text(folder / "models" / flat(model) / "README.md", card)
    for model, record in training.items():
        text(folder / "training" / f"{flat(model)}.csv", exports.curves(record))
        if record.get("epochs"):  # of DPO only: SFT trains on no pairs
            text(folder / "training" / f"{flat(model)}-epochs.csv", exports.epochs(record))
    shutil.copyfile(files.manifest, folder / "manifest.json")
    logger.info("%d files in %s; nothing was uploaded", sum(path.is_file() for path in folder.rglob("*")), folder)


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
