"""Job objects like Snakemake's, rows of every kind, and fixtures for them."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from data import fetch_seed_model

ENGINE = {"name": "transformers", "max_model_len": 512, "dtype": "float32", "batch_size": 8}
SAMPLING = {"temperature": 1.0, "top_p": 1.0, "max_tokens": 6}

# A task of lm-evaluation-harness: rows of `question` and `answer` (0 or 1) in the file `data`.
LM_EVAL_TASK = """\
task: few_rows
dataset_path: json
dataset_kwargs: {{data_files: {{test: {data}}}}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{{{question}}}}"
doc_to_choice: ["yes", "no"]
doc_to_target: "{{{{answer}}}}"
metric_list:
  - {{metric: acc, aggregation: mean, higher_is_better: true}}
metadata: {{version: 1.0}}
"""


class Files(dict):
    """Named files, reached by name or position, as in a Snakemake job."""

    __getattr__ = dict.__getitem__

    def __getitem__(self, key):
        return list(self.values())[key] if isinstance(key, int) else super().__getitem__(key)


def job(tmp_path, inputs, outputs, params=None, **wildcards):
    return SimpleNamespace(
        input=Files({k: list(map(str, v)) if isinstance(v, list) else str(v) for k, v in inputs.items()}),
        output=Files({k: str(tmp_path / v) for k, v in outputs.items()}),
        params=SimpleNamespace(**(params or {})),
        wildcards=SimpleNamespace(**wildcards),
        rule="tested",
        resources={},
        log=[str(tmp_path / "job.log")],
    )


def write(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def read(path):
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def response(k, text, prompt="p0", reason="stop"):
    identity = f"{prompt}/r{k}"
    return {"prompt_id": prompt, "response_id": identity, "text": text, "tokens": 1, "finish_reason": reason}


def judgment(r, j, score, text=None, prompt="p0"):
    return {
        "prompt_id": prompt,
        "response_id": f"{prompt}/r{r}",
        "judgment_id": f"{prompt}/r{r}/j{j}",
        "text": text or f"Text {r} {j}.\nScore: {score}",
        "score": score,
        "finish_reason": "stop",
    }


def verdict(first, second, winner, r=0, prompt="p0"):
    return {
        "prompt_id": prompt,
        "response_id": f"{prompt}/r{r}",
        "first": f"{prompt}/r{r}/j{first}",
        "second": f"{prompt}/r{r}/j{second}",
        "text": "",
        "winner": winner,
    }


@pytest.fixture
def prompts(tmp_path):
    return write(tmp_path / "prompts.jsonl", {"prompt_id": "p0", "text": "Say hi."}, {"prompt_id": "p1", "text": "Go."})


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    fetch_seed_model.from_random(0, folder)
    return folder


@pytest.fixture
def refused(capsys):
    """Return a function that runs a job, which must end with status 1, and gives its error output."""

    def run(program, built):
        with pytest.raises(SystemExit) as end:
            program.main(built)
        assert end.value.code == 1
        output = capsys.readouterr()
        assert "Traceback" not in output.out + output.err
        return output.err

    return run
