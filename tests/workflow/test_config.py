"""The config: every file of the project is accepted, and faults are reported with their key."""

import copy
import json
import re
from pathlib import Path

import config_files
import document_config
import lineage
import pytest
import settings
import yaml
from differences import differences
from jsonschema import Draft202012Validator
from snakemake.utils import update_config

ROOT = Path(__file__).parents[2]
CONFIGS = sorted([*(ROOT / "config").glob("*.yaml"), *(ROOT / "config/studies").glob("*.yaml")])
COMPLETE = ("paper.yaml", "smoke.yaml")  # laid over config.yaml


def load(name="config.yaml"):
    return yaml.safe_load((ROOT / "config" / name).read_text())


@pytest.fixture(autouse=True)
def in_project(monkeypatch):
    monkeypatch.chdir(ROOT)


def laid_over(*names):
    """Return the config that Snakemake makes of config.yaml with these files over it."""
    config = load()
    for name in names:
        update_config(config, load(name))
    return config


ONE_GPU = [("paper.yaml", "one_gpu.yaml"), ("paper.yaml", "one_gpu.yaml", "one_day.yaml")]
OVERLAYS = [
    "ablations.yaml",
    "judge_benchmarks.yaml",
    *(f"studies/{path.name}" for path in (ROOT / "config/studies").glob("*.yaml")),
]


@pytest.mark.parametrize(
    "names",
    [(), ("smoke.yaml",), ("paper.yaml",), *(("paper.yaml", name) for name in sorted(OVERLAYS)), *ONE_GPU],
    ids=lambda names: "+".join(names) or "config.yaml",
)
def test_config_files_of_the_project_are_accepted(names):
    settings.resolve(laid_over(*names))


def test_every_study_has_a_root_of_its_own():
    roots = [load(name)["pathvars"]["results"] for name in OVERLAYS if name.startswith("studies/")]
    assert len(roots) >= 4
    roots += [load(name)["pathvars"]["results"] for name in ("one_gpu.yaml", "one_day.yaml")]
    assert len({"results", "results/smoke", *roots}) == len(roots) + 2


def test_one_gpu_differs_from_the_paper_in_the_adapter_and_the_learning_rates():
    result = differences(settings.resolve(laid_over(*ONE_GPU[0])), ROOT / "config/paper.yaml")
    assert {key.rsplit(".", 1)[1] for key, _, _ in result} == {"use_peft", "learning_rate"}
    assert ["sft.use_peft", "False", "True"] in result


def test_an_open_judge_serves_all_benchmarks(tmp_path):
    with pytest.raises(settings.ConfigError, match="open: set either base_url"):
        settings.resolve(laid_over("paper.yaml", "open_judge.yaml"))
    config = laid_over("paper.yaml", "open_judge.yaml")
    config["benchmarks"]["judges"]["open"]["weights"] = str(tmp_path)
    own = settings.resolve(config)["benchmarks"]
    assert {own[name]["judge"] for name in ("alpaca_eval", "arena_hard", "mt_bench", "judge_vs_gpt4")} == {"open"}


def test_the_laptops_keys_do_not_reach_the_paper():
    laid = settings.resolve(laid_over("paper.yaml"))
    del laid["benchmarks"]["judges"]["local"]  # a name that the paper's benchmarks do not use
    assert laid == settings.resolve(load("paper.yaml"))


def test_the_papers_values_are_the_schemas_defaults():
    """Where the schema has a default, it is the paper's value, and paper.yaml writes the same."""
    paper, different = load("paper.yaml"), []
    for path in key_paths(settings.schema()):
        rule, value = settings.schema(), paper
        for key in path:
            rule, value = rule["properties"][key], value.get(key) if path != ("pathvars",) else {}
            if "$ref" in rule:
                rule = settings.schema()["$defs"][rule["$ref"].rsplit("/", 1)[1]]
        if "default" in rule and rule["default"] != value and path[0] != "gates" and path[-1] != "judges":
            different.append((".".join(path), rule["default"], value))
    assert different == [
        # by default vLLM's own, which on a CPU are others
        ("engine.max_num_seqs", None, 512),
        ("engine.max_num_batched_tokens", None, 16384),
        (
            "eft.trees_sha256",
            None,
            "2a9a8fd343e9b28e04a895a669d3253f82d93e9c174d440199ae19d5fafbdff7",
        ),
        ("benchmarks.run", [], ["alpaca_eval", "arena_hard", "mt_bench", "judge_vs_gpt4"]),
        ("benchmarks.arena_laptop.judgments", 3, 11),
    ]


def test_the_paper_is_the_protocol():
    """Sections 1 to 6 of the protocol, number by number."""
    paper = settings.resolve(laid_over("paper.yaml"))
    assert paper["model"]["repo"] == "meta-llama/Meta-Llama-3-8B-Instruct"
    sft = {"learning_rate": 5e-8, "batch_size": 32, "schedule_epochs": 10, "stop_epoch": 5, "max_length": 4096}
    assert paper["sft"].items() >= sft.items()
    eft = {"ift_prompts": 3200, "exclude_ift_prompts": False, "eval_prompts": 190, "eval_ids": None}
    eft |= {"acceptance": "strict", "train_examples": 1630, "judgments": 11}
    assert paper["eft"].items() >= eft.items()
    assert paper["benchmarks"]["judge_vs_gpt4"]["prompts"] == 375
    assert paper["eft"]["annotator"] == "seed"
    prompts, generation = paper["prompts"], paper["prompts"]["generation"]
    assert (prompts["source"], prompts["per_iteration"], generation["size"]) == ("generate", 5000, 20000)
    assert (generation["demonstrations"], generation["generated_demonstrations"]) == (6, 2)
    assert (generation["temperature"], generation["top_p"], generation["max_rouge_l"]) == (0.6, 0.9, 0.7)
    sampling = paper["sampling"]
    for stage, n, tokens in (("responses", 7, 2048), ("judgments", 11, 768), ("meta_judgments", None, 1024)):
        requests = sampling[stage]
        assert (requests.get("n"), requests["temperature"], requests["top_p"], requests["max_tokens"]) == (
            n,
            0.8,
            0.95,
            tokens,
        )
    assert sampling["meta_judgments"] | {"strip_scores": False, "orders": "both"} == sampling["meta_judgments"]
    assert sampling["judgments"]["max_score"] == 5
    assert sampling["system_prompt"] is None
    keys = ("train_on", "rho", "stop_epoch", "max_chosen_chars", "max_judgment_chars")
    rows = {
        "meta-rewarding": [
            (["actor", "judge"], 0, 6, 2500, 1100),
            (["actor", "judge"], 0.32, 4, None, 1000),
            (["actor"], 0.32, 2, None, None),
            (["actor"], 0.4, 2, None, None),
        ],
        "self-rewarding": [
            (["actor"], 0, 5, 2500, None),
            (["actor"], 0, 1, None, None),
            (["actor"], 0, 2, None, None),
            (["actor"], 0.1, 2, None, None),
        ],
    }
    dpo = {"learning_rate": 5e-6, "beta": 0.1, "batch_size": 32, "schedule_epochs": 10, "max_length": 4096}
    dpo |= {"held_out": 0}
    ours = {"position_weights": "iteration", "elo_l2": 1e-3, "allow_truncated_chosen": False, "max_judge_pairs": None}
    assert paper["run"] == list(rows) == list(paper["methods"])
    for method, expected in rows.items():
        rounds = lineage.iterations(paper, method)
        assert [tuple(own[key] for key in keys) for own in rounds] == expected
        for own in rounds:
            assert own.items() >= (dpo | ours | {"k": None, "n": None}).items()
        assert paper["methods"][method]["starts_from"] == "m0"


def test_the_ablations_hold_table_4_and_the_sweeps():
    ablations = settings.resolve(laid_over("paper.yaml", "ablations.yaml"))
    assert set(ablations["run"]) == set(ablations["methods"])

    def fourth(start):
        """Return {(rho, filter)} of the methods that are one actor-only round from ``start``."""
        return {
            (own["rho"], own["max_chosen_chars"])
            for name, method in ablations["methods"].items()
            if method["starts_from"] == start
            for own in lineage.iterations(ablations, name)[:1]
            if own["train_on"] == ["actor"] and own["stop_epoch"] == 2
        }

    meta = fourth("meta-rewarding/m3") | {(lineage.iterations(ablations, "meta-rewarding")[3]["rho"], None)}
    own = fourth("self-rewarding/m3") | {(lineage.iterations(ablations, "self-rewarding")[3]["rho"], None)}
    grid = {(rho, None) for rho in (0, 0.1, 0.3, 0.35, 0.4)}
    assert meta == grid
    assert own == grid | {(0, 2500)}
    assert lineage.depth(ablations, "six-iterations/m2") == 6
    assert [lineage.slice_place(ablations, t) for t in (1, 4, 5, 6)] == [(1, 1), (1, 4), (2, 1), (2, 2)]
    for name in ("self-k2", "self-k4", "self-n1", "self-n3", "self-n5"):
        assert lineage.models(ablations, [name]) == ["seed", "m0", f"{name}/m1"]  # only M0's samples


@pytest.mark.parametrize(
    ("place", "result"),
    [
        ("hf://owner/name@abc", {"repo": "owner/name", "revision": "abc", "file": None}),
        ("hf://datasets/owner/name@abc/in/it.gz", {"repo": "owner/name", "revision": "abc", "file": "in/it.gz"}),
        ("hf://owner/name", None),
        ("config/trees.jsonl", None),
    ],
)
def test_places_on_the_hub(place, result):
    assert config_files.on_hub(place) == result


def test_other_models_are_those_that_are_not_the_seed():
    config = laid_over("paper.yaml")
    assert config_files.other_models(settings.resolve(config)) == {}
    config["eft"]["annotator"] = "hf://owner/name@abc"
    config["prompts"]["generation"]["model"] = "config"
    assert config_files.other_models(settings.resolve(config)) == {
        "annotator": {"source": "hub", "repo": "owner/name", "revision": "abc"},
        "generator": {"source": "path", "path": "config"},
    }


def test_a_second_file_of_prompts_leaves_the_slices_of_the_first(tmp_path):
    for name, lines in (("a", 7), ("b", 9)):
        (tmp_path / name).write_text("{}\n" * lines)
    config = load("smoke.yaml")
    config["prompts"] |= {"path": [str(tmp_path / "a"), str(tmp_path / "b")], "per_iteration": 3}
    resolved = settings.resolve(config)
    assert lineage.pool_sizes(resolved) == [7, 9]
    assert [lineage.slice_place(resolved, t) for t in range(1, 7)] == [(1, 1), (1, 2), (2, 1), (2, 2), (2, 3), (2, 4)]


def key_paths(rule, path=()):
    """Return every key of the schema as a path; of `methods` only the key itself, and `model` by its source."""
    for key, of_key in rule.get("properties", {}).items():
        if key in ("methods", "model", "pathvars", "judges", "files"):
            yield (*path, key)
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
    ("path", "value", "output"),
    [
        ("sampling.responses.temprature", 1.0, "sampling.responses.temprature: no such key"),
        ("sampeling", {}, "sampeling: no such key"),
        ("sampling.responses.temperature", -1, "sampling.responses.temperature: -1 is less than the minimum"),
        ("sampling.responses.top_p", 0, "sampling.responses.top_p"),
        ("sampling.responses.n", "four", "sampling.responses.n: 'four' is not of type 'integer'"),
        ("dpo.learning_rate", "fast", "dpo.learning_rate: 'fast' is not of type 'number'"),
        ("dpo.learning_rate", "nan", "dpo.learning_rate: 'nan' is not of type 'number'"),
        ("dpo.learning_rate", "1e999", "dpo.learning_rate: inf is not allowed"),
        ("dpo.learning_rate", "true", "dpo.learning_rate: 'true' is not of type 'number'"),
        ("sampling.seed", "0.5", "sampling.seed: 0.5 is not of type 'integer'"),
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
        ("methods.self-rewarding.stop_epoch", 3, "stop_epoch: 3 is after schedule_epochs 1"),
        ("run", ["self-rewardign"], "run: there is no method 'self-rewardign'"),
        ("run", [], "run"),
        ("engine.name", "sglang", "engine.name: 'sglang' is not one of"),
        ("eft.trees", "config/laptop/tree.jsonl", "eft.trees: the file config/laptop/tree.jsonl does not exist"),
        ("prompts.per_iteration", 30, "need 120 prompts, but config/laptop/prompts.jsonl has 72"),
        ("sampling.shards", 11, "sampling.shards"),
        ("model", {"source": "hub", "repo": "a/b"}, "model.revision: missing"),
        ("eft.eval_ids", "nowhere.txt", "eft.eval_ids: the file nowhere.txt does not exist"),
        ("eft.acceptance", "lax", "eft.acceptance: 'lax' is not one of"),
        ("eft.annotator", "nowhere", "eft.annotator: 'nowhere' is neither seed, a folder"),
        ("eft.annotator", "hf://owner/name", "eft.annotator: hf://owner/name is not of the form"),
        ("eft.trees", "hf://OpenAssistant/oasst1", "eft.trees: hf://OpenAssistant/oasst1 is not of the form"),
        ("eft.trees", "hf://datasets/a/b@c/d.jsonl", "written needs judgments in the trees"),
        ("prompts.generation.model", "written", "prompts.generation.model: 'written' is neither"),
        ("templates.rubric", "nowhere.txt", "templates.rubric: the file nowhere.txt does not exist"),
        ("templates.judge", "config/prompts/judge.txt", "includes {rubric}. Set templates.rubric"),
        ("prompts.path", None, "prompts.path: missing"),
        ("prompts.path", [], "prompts.path"),
        ("benchmarks.run", ["alpaca_evil"], "benchmarks.run[0]: 'alpaca_evil' is not one of"),
        ("benchmarks.judges.local.base_url", "http://x/v1", "judges.local: set either base_url"),
        ("benchmarks.judges.local.weights", "nowhere", "judges.local.weights: 'nowhere' is neither seed, m0"),
        ("benchmarks.judges.local.api_key", "sk-1", "benchmarks.judges.local.api_key: no such key"),
        ("benchmarks.calibration", {"alpaca_eval": "nowhere"}, "calibration.alpaca_eval: nowhere has no model"),
        (
            "pairs.truncated_may_be_chosen",
            True,
            "pairs.truncated_may_be_chosen: this key is now called allow_truncated",
        ),
        ("dpo.judge_pair_cap", 3, "dpo.judge_pair_cap: this key is now called max_judge_pairs"),
        ("benchmarks.judges.local.key_env", "X", "judges.local.key_env: this key is now called api_key_env"),
        ("dpo.learning_rate", float("nan"), "dpo.learning_rate: nan is not allowed"),
        ("pairs.rho", float("inf"), "pairs.rho: inf is not allowed"),
        ("methods", {1: {"iterations": []}}, "config: methods: the key 1 must be a string"),
        ("benchmarks.alpaca_eval.categories", "nowhere.json", "benchmarks.alpaca_eval.categories: the file nowhere"),
        (
            "benchmarks.alpaca_eval",
            {"categories": "judge", "category_template": "x"},
            "category_template: the file x does",
        ),
        ("benchmarks.judges.local.base_url", "http://me:secret@host/v1", "local.base_url: not of the expected form"),
        ("benchmarks.run", ["reward_bench_2"], "benchmarks.reward_bench_2.revision: missing"),
        ("benchmarks.run", ["own_preferences"], "benchmarks.own_preferences.path: missing"),
        ("benchmarks.lm_eval", {"folder": "nowhere"}, "benchmarks.lm_eval.folder: nowhere is not a folder"),
        ("dpo.loss_weights", [1.0, 0.1], "loss_weights: 2 weights for 1 losses"),
        ("dpo.loss_type", ["simpo"], "dpo.loss_type[0]: 'simpo' is not one of"),
        (
            "methods.self-rewarding",
            {"n": 1, "consistent_halves": True, "iterations": [{"train_on": ["actor"]}]},
            "needs 2",
        ),
        ("templates.pairwise", "nowhere.txt", "templates.pairwise: the file nowhere.txt does not exist"),
        ("benchmarks.files", {"mt_bench": "x"}, "benchmarks.files.mt_bench: no such source"),
        ("benchmarks.files", {"mt_bench_questions": "x"}, "benchmarks.files.mt_bench_questions: the file x does not"),
    ],
)
def test_a_fault_is_named_by_its_key(path, value, output):
    assert output in faults(put(path, value))


@pytest.mark.parametrize("key", ["model", "eft", "methods", "run"])
def test_a_missing_key_is_named(key):
    assert f"{key}: missing" in faults(lambda config: config.pop(key))


def test_texts_are_read_as_the_values_that_the_schema_allows():
    """Every value in `--config 'sampling={seed: 1}'` is a text to Snakemake, and 7.62e9 is one to YAML."""
    changes = [
        "sampling={seed: 1, responses: {temperature: 8E-1, n: 4}, system_prompt: null}",
        "plan={parameters: 7.62e9, kv_bytes_per_token: 57344}",
        "eft={exclude_ift_prompts: true, train_examples: ~, eval_ids: null}",
        "engine={quantization: null, max_num_seqs: 16}",
        "dpo={loss_type: [sigmoid, sft], loss_weights: [1, 5e-1]}",
        "model={revision: 12345678, template_options: {enable_thinking: false, strftime_now: 26 Jul 2024}}",
        "resources={limits: {mem_mb: 480000, runtime: 1440}}",
    ]
    resolved = settings.resolve(settings.load(["config/paper.yaml"], changes))
    sampling, plan = resolved["sampling"], resolved["plan"]
    assert (sampling["seed"], sampling["responses"]["temperature"], sampling["responses"]["n"]) == (1, 0.8, 4)
    assert sampling["system_prompt"] is None
    assert (plan["parameters"], plan["kv_bytes_per_token"]) == (7.62e9, 57344)
    assert resolved["eft"].items() >= {"exclude_ift_prompts": True, "train_examples": None, "eval_ids": None}.items()
    assert resolved["engine"].items() >= {"quantization": None, "max_num_seqs": 16}.items()
    assert resolved["dpo"]["loss_weights"] == [1.0, 0.5]
    assert resolved["model"]["revision"] == "12345678"  # a text where the schema wants one
    assert resolved["model"]["template_options"] == {"enable_thinking": False, "strftime_now": "26 Jul 2024"}
    assert resolved["resources"]["limits"] == {"mem_mb": 480000, "runtime": 1440}


@pytest.mark.parametrize("prompt", ["", "# Be brief", "12", "true", "yes"])
def test_a_text_stays_one_where_the_schema_allows_no_such_value(prompt):
    config = load()
    config["sampling"]["system_prompt"] = prompt
    assert settings.resolve(config)["sampling"]["system_prompt"] == prompt


def examples():
    """Return (file, text) of the YAML in the documents."""
    pages = [ROOT / "README.md", ROOT / "config/README.md", *sorted((ROOT / "docs").glob("*.md"))]
    return [
        (page.name, block)
        for page in pages
        for block in re.findall(r"^```yaml\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)
    ]


@pytest.mark.parametrize(("page", "text"), examples(), ids=lambda value: value if value.endswith(".md") else "")
def test_every_config_in_the_documents_is_accepted(page, text, tmp_path):
    # the folders of models that the examples name
    overlay = yaml.safe_load(re.sub(r"/models/[\w.-]+", str(tmp_path), text))
    config = laid_over("paper.yaml")
    update_config(config, overlay)
    settings.resolve(config)


def test_every_model_in_the_documents_has_a_plan():
    rows = re.findall(r"`(plan: \{.*?\})`", (ROOT / "docs/models.md").read_text(encoding="utf-8"))
    assert len(rows) > 5
    for row in rows:
        config = laid_over("paper.yaml")
        update_config(config, yaml.safe_load(row))
        settings.resolve(config)


@pytest.mark.parametrize("name", ["data", "export", "logs", "m0", "preflight", "published", "report", "seed"])
def test_no_method_has_the_name_of_a_folder_of_the_results(name):
    """Those that the rules write, by their outputs."""
    written = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "workflow/rules").glob("*.smk"))
    assert f"<results>/{name}" in written
    method = {"iterations": [{"train_on": ["actor"]}]}
    assert "methods" in faults(lambda config: config["methods"].update({name: method}))


def test_every_folder_of_the_results_is_no_name_of_a_method():
    written = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "workflow/rules").glob("*.smk"))
    allowed = settings.base_schema()["properties"]["methods"]["propertyNames"]["pattern"]
    folders = set(re.findall(r"<results>/([a-z0-9-]+)", written))
    assert {"data", "report", "export"} <= folders
    assert [folder for folder in folders if re.match(allowed, folder)] == []


def test_what_changes_every_text_is_listed_as_a_difference():
    paper = ROOT / "config/paper.yaml"
    same = settings.load(["config/paper.yaml"], ["engine={batch_invariant: true, max_num_seqs: 8}"])
    assert differences(settings.resolve(same), paper) == []
    changed = settings.load(["config/paper.yaml"], ["engine={quantization: fp8}"])
    assert differences(settings.resolve(changed), paper) == [["engine.quantization", "None", "fp8"]]


def test_another_model_under_a_judges_name_is_a_difference_and_a_further_judge_is_none():
    paper, judges = ROOT / "config/paper.yaml", "benchmarks={judges: {%s}}"
    further = "further: {model: x, base_url: http://localhost/v1}"
    patience = "gpt-4-0613: {model: gpt-4-0613, price_in: 1, concurrency: 2, max_cost: 5}"
    same = settings.load(["config/paper.yaml"], [judges % f"{further}, {patience}"])
    assert differences(settings.resolve(same), paper) == []
    changes = [judges % "gpt-4-0613: {model: other}, gpt-4-1106-preview: {base_url: null, weights: seed}"]
    assert differences(settings.resolve(settings.load(["config/paper.yaml"], changes)), paper) == [
        ["benchmarks.judges.gpt-4-0613.model", "gpt-4-0613", "other"],
        ["benchmarks.judges.gpt-4-1106-preview.weights", "None", "seed"],
    ]


@pytest.mark.parametrize(("key", "value"), [("api_key_env", "sk-secret"), ("base_url", "http://me:secret@host/v1")])
def test_a_secret_that_stands_in_the_config_by_mistake_is_not_repeated(key, value):
    output = faults(put(f"benchmarks.judges.local.{key}", value))
    assert f"judges.local.{key}" in output
    assert "secret" not in output


def test_a_benchmark_whose_judge_is_not_there_is_named():
    def change(config):
        config["benchmarks"] |= {"run": ["mt_bench"], "judges": {}}

    assert "benchmarks.mt_bench.judge: 'local' is not under benchmarks.judges (there: none)" in faults(change)


@pytest.mark.parametrize(
    ("accelerate", "gpus", "output"),
    [
        ("fsdp_8gpu.yaml", 0, "resources.train.gpu is 0"),
        ("gpu.yaml", 8, "trains on one GPU (distributed_type NO), and resources.train.gpu is 8"),
        ("cpu.yaml", 2, "trains on one GPU (distributed_type NO), and resources.train.gpu is 2"),
        ("../trl/dpo.yaml", 1, "is not an accelerate configuration"),
        ("fsdp_8gpu.yaml", 8, None),
        ("fsdp_8gpu.yaml", 4, None),  # accelerate gets --num_processes 4
        ("gpu.yaml", 1, None),
        ("cpu.yaml", 0, None),
        ("cpu.yaml", 1, None),
    ],
)
@pytest.mark.parametrize("where", ["sft", "dpo", "methods.meta-rewarding.iterations.1"])
def test_processes_fit_the_gpus_of_a_training_job(accelerate, gpus, output, where):
    config = load()
    config["resources"]["train"]["gpu"] = gpus
    fitting = "fsdp_8gpu.yaml" if gpus > 2 else "gpu.yaml" if accelerate == "cpu.yaml" else "cpu.yaml"
    for section in ("sft", "dpo"):
        config[section]["accelerate"] = f"config/accelerate/{fitting}"
    put(f"{where}.accelerate", f"config/accelerate/{accelerate}")(config)
    if output is None:
        for section in ("sft", "dpo"):
            config[section]["batch_size"] = 32  # eight processes with up to four examples each
        settings.resolve(config)
        return
    with pytest.raises(settings.ConfigError) as error:
        settings.resolve(config)
    assert output in str(error.value)
    assert f"config: {where}.accelerate".replace(".1.", "[1].") in str(error.value)


@pytest.mark.parametrize("loss", ["robust", "exo_pair", "aot"])
def test_a_loss_that_the_recipe_disables_is_refused(loss, tmp_path):
    config = load()
    config["dpo"]["loss_type"] = [loss]
    with pytest.raises(
        settings.ConfigError, match=rf"methods\.\S+\.loss_type: {loss} needs, in config/trl/dpo_laptop\.yaml, "
    ):
        settings.resolve(config)
    recipe = tmp_path / "recipe.yaml"
    text = (ROOT / config["dpo"]["recipe"]).read_text()
    text = text.replace("per_device_train_batch_size: 1", "per_device_train_batch_size: 2")
    recipe.write_text(text + "label_smoothing: 0.1\n")
    config["dpo"]["recipe"] = str(recipe)
    settings.resolve(config)


def test_a_models_sensitivity_is_measured_with_the_settings_of_the_actor_pairs_that_it_judges():
    config = load()
    judge_only = {"train_on": ["judge"], "rho": 0.3}
    config["methods"] = {
        "one": {"iterations": [judge_only]},
        "two": {"iterations": [{"train_on": ["actor"], "rho": 0.2}]},
    }
    config["run"] = ["one", "two"]
    resolved = settings.resolve(config)
    assert lineage.first_judged(resolved, ["one/m1", "two/m1"], "m0")["rho"] == 0.2
    assert lineage.first_judged(resolved, ["one/m1"], "m0") is None
    assert lineage.first_judged(resolved, ["one/m1", "two/m1"], "two/m1") is None


@pytest.mark.parametrize("key", ["quantization", "batch_invariant"])
def test_what_only_vllm_on_gpus_has_is_refused_elsewhere(key):
    def change(config):
        config["engine"][key] = {"quantization": "fp8", "batch_invariant": True}[key]

    assert f"engine.{key}: only vLLM on GPUs supports it" in faults(change)
    resolved = settings.resolve(
        settings.load(["config/paper.yaml"], [f"engine={{{key}: fp8}}"] if key[0] == "q" else [])
    )
    assert resolved["engine"]["quantization"] == ("fp8" if key[0] == "q" else None)


def test_all_faults_are_reported_at_once():
    def change(config):
        config["engine"]["nam"] = "vllm"
        config["sampling"]["seed"] = -1

    output = faults(change)
    assert "engine.nam" in output
    assert "sampling.seed" in output


def test_an_iteration_falls_back_to_its_method_then_to_pairs_and_dpo():
    config = load()
    config["methods"]["self-rewarding"]["beta"] = 0.5
    rounds = lineage.iterations(settings.resolve(config), "self-rewarding")
    assert [r["beta"] for r in rounds] == [0.5] * 4
    assert [r["rho"] for r in rounds] == [0.0, 0.0, 0.0, 0.1]
    assert rounds[1]["max_chosen_chars"] is None
    assert rounds[0]["learning_rate"] == 5e-6


def test_depth_and_models_follow_starts_from():
    config = load()
    config["methods"]["longer"] = {"starts_from": "meta-rewarding/m3", "iterations": [{"train_on": ["actor"]}] * 2}
    resolved = settings.resolve(config)
    assert lineage.parent(resolved, "longer", 1) == "meta-rewarding/m3"
    assert lineage.depth(resolved, "longer/m2") == 5
    assert lineage.models(resolved, ["longer"]) == [
        "seed",
        "m0",
        *(f"meta-rewarding/m{t}" for t in (1, 2, 3)),
        "longer/m1",
        "longer/m2",
    ]


def test_the_list_of_all_keys_is_that_of_the_schema():
    text = document_config.README.read_text(encoding="utf-8")
    assert document_config.update_keys(text) == text, "run: envs/run python workflow/document_config.py"
    for key in ("sampling.judgments.n", "benchmarks.judges.<name>.max_cost", "methods.<name>.iterations[].train_on"):
        assert f"`{key}`" in text


def test_the_schema_for_editors_is_current():
    result = document_config.EDITOR_SCHEMA.read_text(encoding="utf-8")
    assert result == document_config.editor_schema(), "run envs/run python workflow/document_config.py"


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_a_config_file_names_the_schema_for_editors_and_fulfils_it(path):
    first, text = path.read_text().split("\n", 1)
    named = first.removeprefix("# yaml-language-server: $schema=")
    assert (path.parent / named).resolve() == document_config.EDITOR_SCHEMA
    Draft202012Validator(json.loads(document_config.EDITOR_SCHEMA.read_text())).validate(yaml.safe_load(text))


def test_a_change_without_a_value_is_refused():
    with pytest.raises(settings.ConfigError, match="--config seed: write key=value"):
        settings.load([], ["seed"])
