"""The config: every file of the project is accepted, and faults are named by their key."""

import copy
from pathlib import Path

import pytest
import settings
import yaml

ROOT = Path(__file__).parent.parent
COMPLETE = ("smoke.yaml",)  # laid over config.yaml


def load(name="config.yaml"):
    return yaml.safe_load((ROOT / "config" / name).read_text())


@pytest.fixture(autouse=True)
def in_project(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.mark.parametrize("name", sorted(path.name for path in (ROOT / "config").glob("*.yaml")))
def test_config_files_of_the_project_are_accepted(name):
    settings.resolve(load(name))


def key_paths(rule, path=()):
    """Every key that the schema knows, as a path; of `methods` only the key itself, and `model` by its source."""
    for key, of_key in rule.get("properties", {}).items():
        if key in ("methods", "model", "pathvars"):
            yield (key,)
        elif of_key.get("type") == "object":
            yield from key_paths(of_key, (*path, key))
        else:
            yield (*path, key)


@pytest.mark.parametrize("name", COMPLETE)
def test_complete_configs_set_every_key_themselves(name):
    """Snakemake lays --configfile over config/config.yaml: a key left out would take the laptop's value."""
    config = load(name)
    missing = []
    for path in key_paths(settings.schema()):
        value = config
        for key in path:
            if key not in value and path != ("pathvars",):
                missing.append(".".join(path))
                break
            value = value.get(key, {})
    assert not missing


def test_every_key_has_a_type_a_description_and_a_default_or_is_required():
    def check(rule, path, required):
        assert "description" in rule, path
        assert "type" in rule or "enum" in rule or "$ref" in rule, path
        for key, of_key in rule.get("properties", {}).items():
            if path not in ("model",) and not path.startswith("methods"):
                assert "default" in of_key or "$ref" in of_key or key in rule.get("required", ()), f"{path}.{key}"
            if "$ref" not in of_key:
                check(of_key, f"{path}.{key}".lstrip("."), rule.get("required", ()))

    check(settings.schema(), "", ())


def faults(change, name="config.yaml"):
    config = copy.deepcopy(load(name))
    change(config)
    with pytest.raises(settings.ConfigError) as error:
        settings.resolve(config)
    return str(error.value)


def put(path, value):
    def change(config):
        *folders, last = path.split(".")
        for key in folders:
            config = config[int(key) if key.isdigit() else key]
        config[last] = value

    return change


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("sampling.responses.temprature", 1.0, "sampling.responses.temprature: no such key"),
        ("sampeling", {}, "sampeling: no such key"),
        ("sampling.responses.temperature", -1, "sampling.responses.temperature: -1 is less than the minimum"),
        ("sampling.responses.top_p", 0, "sampling.responses.top_p"),
        ("sampling.responses.n", "four", "sampling.responses.n: 'four' is not of type 'integer'"),
        ("dpo.learning_rate", "5e-6", "dpo.learning_rate"),
        ("methods.meta-rewarding.iterations.1.rho", 1.2, "methods.meta-rewarding.iterations[1].rho: 1.2"),
        ("methods.meta-rewarding.iterations.0.temperature", 1, "iterations[0].temperature: no such key"),
        (
            "methods.meta-rewarding.iterations.0.train_on",
            ["critic"],
            "methods.meta-rewarding.iterations[0].train_on[0]",
        ),
        ("methods.meta-rewarding.iterations.0.k", 2, "methods.meta-rewarding.iterations[0]: pairs.k and pairs.n"),
        ("methods.self-rewarding.n", 4, "n: 4 is more than sampling.judgments.n 3"),
        ("methods.self-rewarding.starts_from", "meta-rewarding/m9", "there is no model meta-rewarding/m9"),
        ("methods.self-rewarding.starts_from", "self-rewarding/m1", "itself starts from self-rewarding"),
        ("methods.self-rewarding.stop_epoch", 3, "stop_epoch: 3 lies after schedule_epochs 1"),
        ("run", ["self-rewardign"], "'self-rewardign' is no method"),
        ("run", [], "run"),
        ("engine.name", "sglang", "engine.name: 'sglang' is not one of"),
        ("eft.trees", "config/laptop/tree.jsonl", "eft.trees: the file config/laptop/tree.jsonl does not exist"),
        ("prompts.per_iteration", 30, "need 120 prompts, and config/laptop/prompts.jsonl has 72"),
        ("sampling.shards", 11, "sampling.shards"),
        ("model", {"source": "hub", "repo": "a/b"}, "model.revision: missing"),
    ],
)
def test_a_fault_is_named_by_its_key(path, value, said):
    assert said in faults(put(path, value))


@pytest.mark.parametrize("key", ["model", "eft", "prompts", "methods", "run"])
def test_a_missing_key_is_named(key):
    assert f"{key}: missing" in faults(lambda config: config.pop(key))


def test_a_number_that_yaml_reads_as_text_is_explained():
    assert "5.0e-6" in faults(put("dpo.learning_rate", "5e-6"))


def test_all_faults_are_told_at_once():
    def change(config):
        config["engine"]["nam"] = "vllm"
        config["sampling"]["seed"] = -1

    said = faults(change)
    assert "engine.nam" in said
    assert "sampling.seed" in said


def test_an_iteration_falls_back_to_its_method_then_to_pairs_and_dpo():
    config = load()
    config["methods"]["self-rewarding"]["beta"] = 0.5
    rounds = settings.iterations(settings.resolve(config), "self-rewarding")
    assert [r["beta"] for r in rounds] == [0.5] * 4
    assert [r["rho"] for r in rounds] == [0.0, 0.0, 0.0, 0.1]
    assert rounds[1]["max_chosen_chars"] is None
    assert rounds[0]["learning_rate"] == 5e-6


def test_depth_and_models_follow_starts_from():
    config = load()
    config["methods"]["longer"] = {"starts_from": "meta-rewarding/m3", "iterations": [{"train_on": ["actor"]}] * 2}
    resolved = settings.resolve(config)
    assert settings.parent(resolved, "longer", 1) == "meta-rewarding/m3"
    assert settings.depth(resolved, "longer/m2") == 5
    assert settings.models(resolved, ["longer"]) == [
        "seed",
        "m0",
        *(f"meta-rewarding/m{t}" for t in (1, 2, 3)),
        "longer/m1",
        "longer/m2",
    ]
