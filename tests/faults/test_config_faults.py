"""Invalid configs, recipes and accelerate files are refused before anything runs, with a message about the fault."""

import json
from pathlib import Path

import config_text
import launch_checks
import list_launch_keys
import pytest
import settings
import yaml
from snakemake.utils import update_config

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def in_project(monkeypatch):
    monkeypatch.chdir(ROOT)


def refused(change: dict) -> str:
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    update_config(config, change)
    with pytest.raises(settings.ConfigError) as error:
        settings.resolve(config)
    assert "Traceback" not in str(error.value)
    return str(error.value)


def judge(**keys):
    return {"benchmarks": {"judges": {"local": keys}}}


CONFIGS = [
    ({"sampling": {"judgments": {"n": 1}}}, "a judge pair needs two judgments"),
    ({"sampling": {"responses": {"n": 1}}}, "sampling.responses.n: 1 is less than"),
    ({"methods": {"self-rewarding": {"k": 1}}}, "self-rewarding.k: 1 is less than"),
    ({"sampling": {"responses": {"temperature": 0}}}, "sampling.responses.temperature: at 0 the"),
    ({"sampling": {"judgments": {"temperature": 0}}}, "sampling.judgments.temperature: at 0 the"),
    ({"sampling": {"responses": {"max_tokens": 2048}}}, "sampling.responses.max_tokens: 2048 leaves no room"),
    ({"sampling": {"judgments": {"max_tokens": 4000}}}, "sampling.judgments.max_tokens: 4000 leaves no room"),
    ({"sampling": {"meta_judgments": {"max_tokens": 2048}}}, "sampling.meta_judgments.max_tokens"),
    ({"engine": {"max_model_len": 64}}, "leaves no room for a prompt in engine.max_model_len 64"),
    ({"prompts": {"source": "generate", "generation": {"max_tokens": 9999}}}, "prompts.generation.max_tokens: 9999"),
    ({"pathvars": {"results": ""}}, "pathvars.results: '' cannot be the results folder"),
    ({"pathvars": {"results": "../.."}}, "pathvars.results: '../..' cannot be the results folder"),
    ({"pathvars": {"results": "results/../x"}}, "pathvars.results"),
    ({"pathvars": {"results": "/"}}, "pathvars.results"),
    ({"pathvars": {"results": "."}}, "pathvars.results"),
    ({"pathvars": {"results": " results"}}, "pathvars.results"),
    ({"pathvars": {"results": "results/{study}"}}, "pathvars.results"),
    ({"pathvars": {"results": "<results>"}}, "pathvars.results"),
    ({"pathvars": {"reslts": "x"}}, "pathvars.reslts: no such key"),
    ({"pathvars": {"results": "results/*"}}, "pathvars.results: 'results/*' cannot be the results folder"),
    ({"pathvars": {"results": "$HOME/x"}}, "pathvars.results: '$HOME/x' cannot be the results folder"),
    ({"pathvars": {"results": "`id`"}}, "pathvars.results: '`id`' cannot be the results folder"),
    ({"pathvars": {"results": "results/a'b"}}, "pathvars.results"),
    ({"pathvars": {"results": "a\nb"}}, "pathvars.results"),
    ({"pathvars": {"results": "a\x00b"}}, "pathvars.results"),
    ({"pathvars": {"results": "~/x"}}, "pathvars.results: '~/x' cannot be the results folder"),
    ({"pathvars": {"results": "-n"}}, "pathvars.results: '-n' cannot be the results folder"),
    ({"pathvars": {"results": "scripts/x"}}, "pathvars.results: 'scripts/x' cannot be the results folder"),
    ({"pathvars": {"results": "a" * 300}}, "pathvars.results"),
    ({"sampling": {"system_prompt": "a\x00b"}}, "sampling.system_prompt: contains NUL"),
    ({"sampling": {"system_prompt": "\ud800"}}, "sampling.system_prompt: contains NUL or a lone surrogate"),
    (
        {"model": {"source": "hub", "repo": "../../etc", "revision": "main"}},
        "model.repo: '../../etc'",
    ),
    ({"prompts": {"path": ["config/smoke/prompts.jsonl"] * 2}}, "prompts.path: has a file twice"),
    ({"pathvars": {"results": 3}}, "pathvars.results"),
    ({"model": {"source": "path", "path": "nowhere"}}, "model.path: nowhere is not a folder"),
    ({"model": {"source": "path", "path": "config/config.yaml"}}, "model.path: config/config.yaml is not a folder"),
    ({"prompts": {"path": "config/{x}.jsonl"}}, "config/{x}.jsonl"),
    ({"methods": {"a" * 300: {"iterations": [{"train_on": ["actor"]}]}}}, "methods"),
    ({"methods": {"../up": {"iterations": [{"train_on": ["actor"]}]}}}, "methods"),
    ({"methods": {"m": {"iterations": []}}}, "methods.m.iterations"),
    ({"sft": {"batch_size": 6}}, "sft.batch_size: 6 cannot be split over 1 processes with 4 examples each"),
    ({"sft": {"batch_size": 0}}, "sft.batch_size"),
    ({"sampling": {"seed": True}}, "sampling.seed"),
    ({"sampling": {"responses": {"n": 4.5}}}, "sampling.responses.n"),
    ({"sampling": None}, "sampling"),
    ({"run": "meta-rewarding"}, "run"),
    ({"prompts": {"path": "config"}}, "prompts.path: the file config does not exist"),
    ({"templates": {"judge": "config"}}, "templates.judge: the file config does not exist"),
    ({"sft": {"recipe": "nowhere.yaml"}}, "sft.recipe: the file nowhere.yaml does not exist"),
]


@pytest.mark.parametrize(("change", "words"), CONFIGS, ids=[words[:50] for _, words in CONFIGS])
def test_a_config_that_cannot_work_is_refused(change, words):
    assert words in refused(change)


@pytest.mark.parametrize("name", ["", "m0", "report", "logs", "self-rewarding", "data/eft", "data/prompts"])
def test_a_file_in_place_of_a_folder_of_results_is_named(tmp_path, name):
    name = f"results/{name}"
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).touch()
    output = refused({"pathvars": {"results": str(tmp_path / "results")}})
    assert output == f"{tmp_path / name}: a file is where a folder should be. Move it away, and run again."


def test_a_folder_that_cannot_be_written_is_named(monkeypatch):
    monkeypatch.setattr("os.access", lambda path, mode: False)
    assert f"{ROOT}: the folder cannot be written" in refused({})


@pytest.mark.parametrize(
    "url",
    ["http://h/v1?api_key=secret", "http://me:secret@h/v1", "http://h/v1#secret", "ftp://secret/v1", "http://h secret"],
)
def test_a_key_in_a_judges_address_is_refused_and_not_repeated(url):
    output = refused(judge(base_url=url, weights=None))
    assert "benchmarks.judges.local.base_url" in output
    assert "secret" not in output


def test_a_context_that_the_local_model_does_not_have_is_refused(tmp_path):
    (tmp_path / "config.json").write_text('{"max_position_embeddings": 512}')
    output = refused({"model": {"source": "path", "path": str(tmp_path)}})
    assert "engine.max_model_len: 2048 is more than max_position_embeddings 512" in output


def test_braces_in_the_system_prompt_are_text():
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    config["sampling"]["system_prompt"] = "Answer in {braces} and <results>."
    assert settings.resolve(config)["sampling"]["system_prompt"] == "Answer in {braces} and <results>."


# -- recipes and accelerate files

RECIPES = [
    (b"lerning_rate_typo: 3\n", "lerning_rate_typo: no such key of a TRL recipe"),
    (b"lerning_rate: 3\n", "Did you mean learning_rate?"),
    (b"per_device_train_batch_size: 3\n", "batch_size: 8 cannot be split over 1 processes with 3 examples"),
    (b"per_device_train_batch_size: 0\n", "must be at least 1"),
    (b"per_device_train_batch_size: four\n", "per_device_train_batch_size: 'four' is not of the expected type"),
    (b"per_device_train_batch_size: 2.5\n", "per_device_train_batch_size: 2.5"),
    (b"gradient_checkpointing: 3\n", "gradient_checkpointing: 3 is not of the expected type: boolean"),
    (b"optim: adamw_torhc\n", "optim: 'adamw_torhc'"),
    (b"lr_scheduler_type: cosin\n", "lr_scheduler_type: 'cosin'"),
    (b"save_strategy: sometimes\n", "save_strategy"),
    (b"bf16: true\nfp16: true\n", "bf16 and fp16 cannot both be true"),
    (b"weight_decay: [0.1]\n", "weight_decay: [0.1]"),
    (b"weight_decay: nan\nadam_beta1: x\n", "adam_beta1: 'x'"),
    (b"", "must be a mapping of keys"),
    (b"# only a comment\n", "must be a mapping of keys"),
    (b"- a\n- b\n", "must be a mapping of keys"),
    (b"just text\n", "must be a mapping of keys"),
    (b"a: [1\nb: 2\n", "line 2: not valid YAML"),
    (b"a:\tb\n\tc: d\n", "not valid YAML"),
    (b"weight_decay: 0.0\nweight_decay: 0.1\n", "line 2: the key weight_decay is already in line 1"),
    ("optim: é\n".encode("latin-1"), "not UTF-8 text (byte 8)"),
    ("weight_decay: 0\n".encode("utf-16"), "not UTF-8 text"),
    (b"a: \x00\n", "not valid YAML"),
    (b"a: !!python/object:os.system {}\n", "not valid YAML"),
    (b"[" * 3000, "not valid YAML"),
    (b"a: *nowhere\n", "not valid YAML"),
]


@pytest.mark.parametrize(("content", "words"), RECIPES, ids=[words[:40] for _, words in RECIPES])
def test_a_recipe_that_cannot_be_used_is_named(tmp_path, content, words):
    path = tmp_path / "recipe.yaml"
    path.write_bytes(content)
    output = refused({"sft": {"recipe": str(path)}})
    assert str(path) in output
    assert words in output


ACCELERATE = [
    ("", "must be a mapping of keys"),
    ("distributed_type: [\n", "not valid YAML"),
    ("num_processes: 1\n", "it has no distributed_type"),
    ("distributed_type: NO\n", "distributed_type: False is not of the expected type"),
    ('distributed_type: "NOO"\n', "distributed_type: 'NOO'"),
    ('distributed_type: "NO"\nnum_procesess: 1\n', "num_procesess: no such key of an accelerate configuration"),
    ("distributed_type: FSDP\nnum_processes: many\n", "num_processes: 'many'"),
    ('distributed_type: "NO"\nfsdp_config: 3\n', "fsdp_config: 3"),
]


@pytest.mark.parametrize(("content", "words"), ACCELERATE, ids=[words[:40] for _, words in ACCELERATE])
@pytest.mark.parametrize("section", ["sft", "dpo"])
def test_an_accelerate_file_that_cannot_be_used_is_named(tmp_path, section, content, words):
    path = tmp_path / "accelerate.yaml"
    path.write_text(content)
    output = refused({section: {"accelerate": str(path)}, "resources": {"train": {"gpu": 1}}})
    assert f"config: {section}.accelerate: {path}" in output
    assert words in output


@pytest.mark.parametrize("path", sorted((ROOT / "config/trl").glob("*.yaml")), ids=lambda path: path.name)
def test_the_projects_recipes_have_no_fault(path):
    known = json.loads(launch_checks.KEYS_FILE.read_text())["sft" if "sft" in path.name else "dpo"]
    assert launch_checks.key_faults(config_text.load(path), known, "a TRL recipe") == []


@pytest.mark.slow
def test_the_list_of_keys_is_that_of_the_installed_trl_and_accelerate():
    assert list_launch_keys.LIST.read_text() == list_launch_keys.as_json(), "run workflow/list_launch_keys.py"


# -- config files

FILES = [
    (b"sampling: {seed: 1}\nsampling: {seed: 2}\n", "line 2: the key sampling is already in line 1"),
    (b"sampling:\n  seed: 1\n  seed: 2\n", "line 3: the key seed is already in line 2"),
    (b"sampling: {seed: 1\n", "line 2: not valid YAML"),
    (b"sampling:\n\t seed: 1\n", "line 2: not valid YAML"),
    ("model: é\n".encode("latin-1"), "not UTF-8 text (byte 8)"),
    (b"", "must contain keys and values"),
    (b"- a\n", "must contain keys and values"),
    (b"\xff\xfe", "not UTF-8 text"),
]


@pytest.mark.parametrize(("content", "words"), FILES, ids=[words[:40] for _, words in FILES])
def test_a_config_file_that_cannot_be_read_is_named(tmp_path, content, words):
    path = tmp_path / "own.yaml"
    path.write_bytes(content)
    with pytest.raises(settings.ConfigError) as error:
        settings.load([str(path)])
    assert str(path) in str(error.value)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("name", "words"), [("nowhere.yaml", "does not exist"), ("config", "this is a folder")])
def test_a_config_file_that_is_not_there_is_named(name, words):
    with pytest.raises(settings.ConfigError, match=words):
        settings.load([name])
