"""What a change runs again: exactly what depends on it. Dry-runs on the finished smoke run, and a few real ones."""

import hashlib
import json
import os
import re
import shutil
import subprocess

import pytest
import why
import yaml
from conftest import ROOT, copy_project, snakemake

SMOKE = ("--configfile", "config/smoke.yaml")
RESULTS = "results/smoke"
OF_A_MODEL = {"train_dpo", "answer_arena", "judge_answers", "score_arena", "judge_rankings", "judge_agreement"}
ACTOR_PAIRS = {"build_actor_pairs", "check_pairs"}
MODELS = ("seed", "m0", "meta-rewarding/m1", "meta-rewarding/m2", "self-rewarding/m1", "self-rewarding/m2")


@pytest.fixture
def done(finished_smoke, tmp_path):
    """A copy of the finished run that a test may change."""
    return shutil.copytree(finished_smoke[0], tmp_path / "project", symlinks=True)


def runs(folder, change=None, words=()) -> set[tuple[str, str]]:
    """{(rule, model in whose folder it writes)} of a dry-run with ``change`` laid over the smoke config.

    Whatever runs, the report follows; it is checked here and left out.
    """
    found = why.jobs(dry_run(folder, change, words))
    # an iteration's summary is the page's; it lies with the model
    of_page = (f"{RESULTS}/report/", "summarise_iteration")
    report = [job for job in found if job["output"][0].startswith(of_page[0]) or job["rule"] == of_page[1]]
    assert bool(found) == bool(report)
    return {(job["rule"], model_of(job["output"][0])) for job in found if job not in report}


def dry_run(folder, change=None, words=()) -> str:
    over = ()
    if change is not None:
        (folder / "change.yaml").write_text(yaml.safe_dump(change))
        over = ("change.yaml",)
    run = snakemake(folder, "-n", *words, *SMOKE, *over)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout + run.stderr


def model_of(path: str) -> str:
    found = re.match(rf"{RESULTS}/(seed|m0|data|[a-z][a-z-]*/m\d+)/", path)
    assert found, path
    return found[1]


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def each(rules, *models):
    return {(rule, model) for rule in rules for model in models}


def iterations(method, number, **changes):
    """The smoke config's iterations of a method with some keys of one of them changed."""
    rounds = yaml.safe_load((ROOT / "config/smoke.yaml").read_text())["methods"][method]["iterations"]
    rounds[number - 1] |= changes
    return {"methods": {method: {"iterations": rounds}}}


# -- nothing


def test_nothing_changed_runs_nothing(done):
    assert runs(done) == set()


def test_touched_files_run_nothing(done):
    for path in [*done.rglob("*.*")]:
        if path.is_file() and ".snakemake" not in path.parts and "weights" not in path.parts:
            path.write_bytes(path.read_bytes())  # as git checkout does
    assert runs(done) == set()


def test_a_clone_with_copied_results_runs_nothing(finished_smoke, tmp_path):
    clone = copy_project(tmp_path / "clone")
    for path in clone.rglob("*"):
        if path.is_file():
            os.utime(path)
    for name in ("results", ".snakemake"):
        subprocess.run(["cp", "-a", finished_smoke[0] / name, clone / name], check=True)
    assert runs(clone) == set()


def test_comments_and_docstrings_run_nothing(done):
    elo = done / "scripts/metarewarding/elo.py"
    elo.write_text(elo.read_text().replace('"""', '"""Another sentence. ', 1) + "\n# a comment\n")
    script = done / "scripts/sample_responses.py"
    script.write_text("# a comment\n" + script.read_text())
    assert runs(done) == set()


def reverse(value):
    if isinstance(value, dict):
        return {key: reverse(value[key]) for key in reversed(value)}
    return [reverse(item) for item in value] if isinstance(value, list) and isinstance(value[0], dict) else value


def test_the_order_of_keys_runs_nothing(done):
    for name in ("config.yaml", "smoke.yaml"):
        path = done / "config" / name
        path.write_text(yaml.safe_dump(reverse(yaml.safe_load(path.read_text())), sort_keys=False))
    assert runs(done) == set()


def test_a_default_written_out_and_another_way_to_write_a_value_run_nothing(done):
    change = iterations("meta-rewarding", 1, train_on=["judge", "actor"], rho=0, beta=0.1, position_weights="iteration")
    change |= {"sampling": {"judgments": {"max_score": 5.0}}, "eft": {"trees_sha256": None}}
    change |= {"prompts": {"path": ["config/smoke/prompts.jsonl"]}, "dpo": {"learning_rate": 0.00010}}
    assert runs(done, change) == set()


@pytest.mark.parametrize(
    "change",
    [
        {"engine": {"gpu_memory_utilization": 0.5, "cpu_cache_gb": 2}},
        {"gates": {"min_parse_rate": 0.2}},
        {"resources": {"engine": {"threads": 1, "mem_mb": 9000}}},
        {"benchmarks": {"judges": {"unused": {"model": "m", "base_url": "http://localhost/v1", "max_cost": 3}}}},
        {"methods": {"unused": {"iterations": [{"train_on": ["actor"]}]}}},
    ],
)
def test_what_no_file_depends_on_runs_nothing(done, change):
    assert runs(done, change) == set()


# -- the config


def test_rho_of_an_iteration(done):
    expected = each(ACTOR_PAIRS | OF_A_MODEL, "meta-rewarding/m2")
    assert runs(done, iterations("meta-rewarding", 2, rho=0.3)) == expected


@pytest.mark.parametrize(
    ("change", "rules"),
    [
        ({"arena_laptop": {"judgments": 2}}, {"judge_answers", "score_arena"}),
        ({"arena_laptop": {"bootstrap_rounds": 300}}, {"score_arena"}),
        ({"judge_agreement": {"judgments": 2}}, {"judge_rankings", "judge_agreement"}),
    ],
)
def test_benchmark_settings(done, change, rules):
    assert runs(done, {"benchmarks": change}) == each(rules, *MODELS)


@pytest.mark.parametrize(
    ("change", "rules"),
    [
        ({"eft": {"acceptance": "loose"}}, {"build_eft"}),
        ({"eft": {"train_examples": 40}}, {"build_eft"}),
        ({"eft": {"exclude_ift_prompts": True}}, {"split_rankings", "build_eft"}),
        ({"benchmarks": {"judge_vs_gpt4": {"prompts": 5}}}, {"split_rankings", "build_eft"}),  # set aside
    ],
)
def test_eft_settings(done, change, rules):
    found = runs(done, change)
    assert {rule for rule, model in found if model == "data"} == rules
    assert ("train_sft", "m0") in found


def test_a_benchmark_left_out_touches_no_other(done):
    assert runs(done, {"benchmarks": {"run": []}}) == set()


def test_one_more_iteration(done):
    prompts = [{"prompt_id": f"more-{i}", "text": f"Tell me of thing {i}."} for i in range(6)]
    (done / "more.jsonl").write_text("".join(json.dumps(row) + "\n" for row in prompts))
    change = iterations("meta-rewarding", 2)
    change["methods"]["meta-rewarding"]["iterations"].append({"train_on": ["actor"], "rho": 0.32})
    change["prompts"] = {"path": ["config/smoke/prompts.jsonl", "more.jsonl"]}
    assert runs(done, change) == (
        each(ACTOR_PAIRS | OF_A_MODEL, "meta-rewarding/m3")
        | each({"sample_responses", "judge_responses"}, "meta-rewarding/m2")
        | each({"build_prompts", "slice_prompts"}, "data")
    )


def test_an_ablation_that_starts_from_a_model_that_is_there(done):
    change = {
        "methods": {
            "ablation": {"starts_from": "meta-rewarding/m1", "iterations": [{"train_on": ["actor"], "rho": 0.1}]}
        },
        "run": ["meta-rewarding", "self-rewarding", "ablation"],
    }
    assert runs(done, change) == each(ACTOR_PAIRS | OF_A_MODEL, "ablation/m1")


def test_fewer_judgments_of_a_method_without_judge_training(done):
    rounds = {"sample_responses", "judge_responses"}
    expected = each(ACTOR_PAIRS | OF_A_MODEL, "self-rewarding/m1", "self-rewarding/m2")
    three = {"methods": {"self-rewarding": {"n": 3}}}
    assert runs(done, three) == expected | each(rounds, "self-rewarding/m1")
    # and from one number to another, where nothing but the pairs has been made with the first
    pairs = f"{RESULTS}/self-rewarding/m1/pairs/actor.jsonl"
    made = snakemake(done, pairs, *SMOKE, "change.yaml")
    assert made.returncode == 0, made.stderr[-3000:]
    assert why.jobs(dry_run(done, three, (pairs,))) == []
    two = why.jobs(dry_run(done, {"methods": {"self-rewarding": {"n": 2}}}, (pairs,)))
    assert [job["rule"] for job in two] == ["build_actor_pairs"]


def test_a_value_that_other_params_had_before(done):
    """Snakemake compares params as a set: 5 is judge_pair_cap, and 4 remains batch_size."""
    changed = runs(done, {"dpo": {"measured_pairs": 5}})
    assert each({"train_dpo"}, *MODELS[2:]) <= changed


def test_every_rule_with_params_has_them_by_name(done):
    for job in dry_run(done, words=("--forceall",)).split("\nrule ")[1:]:
        assert "reason: Forced" in job
    metadata = [json.loads(path.read_text()) for path in (done / ".snakemake/metadata").rglob("*") if path.is_file()]
    assert len(metadata) > 100
    for record in metadata:
        assert any(param.startswith("'{") and '"code": ' in param for param in record["params"]), record["rule"]


# -- inputs and code


def test_the_meta_judges_template(done):
    with open(done / "config/smoke/meta_judge.txt", "a") as file:
        file.write("Be brief.\n")
    found = runs(done)
    assert {rule for rule, model in found if model == "m0"} == {"meta_judge", "measure_meta_judge"}
    assert {model for _, model in found} == {"m0", "meta-rewarding/m1", "meta-rewarding/m2"}


def test_the_judges_template(done):
    with open(done / "config/smoke/judge.txt", "a") as file:
        file.write("Be brief.\n")
    found = runs(done)
    assert ("build_eft", "data") in found
    assert ("train_sft", "m0") in found
    assert ("answer_arena", "m0") in found
    # M0 judges the seed's answers, and the seed judges people's replies; its answers are not made again
    judged = {"judge_rankings", "judge_agreement", "judge_answers", "score_arena"}
    assert {rule for rule, model in found if model == "seed"} == judged
    assert {rule for rule, model in found if model == "data"} == {"build_eft"}


def test_a_real_edit_in_elo(done):
    edit(done / "scripts/metarewarding/elo.py", "def fit(", "ADDED = 1\n\n\ndef fit(")
    found = runs(done)
    assert each({"fit_elo", "build_judge_pairs"}, "meta-rewarding/m1", "meta-rewarding/m2") <= found
    assert {model for _, model in found} == {"meta-rewarding/m1", "meta-rewarding/m2"}


def test_an_edit_of_how_pairs_are_selected_leaves_what_m0_answered_and_judged(done):
    with open(done / "scripts/metarewarding/pairs.py", "a") as file:
        file.write("\nADDED = 1\n")
    found = runs(done)
    assert each({"build_actor_pairs"}, *MODELS[2:]) <= found
    assert not each({"sample_responses", "judge_responses", "answer_arena", "train_sft"}, "seed", "m0") & found


def test_a_recipe_is_an_input_of_the_rules_that_read_it(done):
    edit(done / "config/trl/dpo_laptop.yaml", "weight_decay: 0.0", "weight_decay: 0.1")
    found = runs(done)
    assert each({"train_dpo"}, *MODELS[2:]) <= found
    assert {model for _, model in found} == set(MODELS[2:])
    edit(done / "config/accelerate/cpu.yaml", "num_machines: 1", "num_machines: 1 ")
    assert ("train_sft", "m0") in runs(done)


# -- why


def explained(folder, change):
    (folder / "change.yaml").write_text(yaml.safe_dump(change))
    run = subprocess.run(
        [why.sys.executable, "workflow/why.py", *SMOKE, "change.yaml"], cwd=folder, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def test_why_names_the_change_the_jobs_and_what_stays(done):
    said = explained(done, iterations("meta-rewarding", 2, rho=0.3))
    assert "rho of meta-rewarding, iteration 2: 0.32 -> 0.3" in said
    assert "methods.meta-rewarding.iterations[1].rho" in said
    jobs, stays = said.split("Runs, ")[1].split("Stays:")
    assert re.search(r"^  train_dpo +1  meta-rewarding/m2$", jobs, re.MULTILINE)
    assert "sample_responses" not in jobs
    assert re.search(r"^  m0 +weights, responses, judgments, meta_judgments", stays, re.MULTILINE)
    assert re.search(r"^  self-rewarding/m2 +weights", stays, re.MULTILINE)
    assert not re.search(r"^  meta-rewarding/m2 +weights", stays, re.MULTILINE)


def test_why_names_files_code_and_keys_of_the_whole_run(done):
    with open(done / "config/smoke/meta_judge.txt", "a") as file:
        file.write("Be brief.\n")
    edit(done / "scripts/metarewarding/alpaca.py", "import", "import os\nimport")  # of no rule that runs here
    edit(done / "scripts/build_actor_pairs.py", "@logged", "ADDED = 1\n\n\n@logged")
    said = explained(done, {"benchmarks": {"arena_laptop": {"bootstrap_rounds": 300}}})
    assert "changed file: config/smoke/meta_judge.txt" in said
    assert "code of build_actor_pairs" in said
    assert "alpaca" not in said
    assert "rounds of score_arena: 200 -> 300" in said


def test_why_also_names_what_follows_hide(done):
    change = iterations("meta-rewarding", 2, rho=0.3) | {"sampling": {"judgments": {"max_tokens": 20}}}
    said = explained(done, change)
    assert "max_tokens of judge_responses: 24 -> 20 (config: sampling.judgments.max_tokens)" in said
    assert "rho of meta-rewarding, iteration 2: 0.32 -> 0.3" in said.split("run anyway:")[1]


def test_why_says_that_nothing_runs(done):
    assert explained(done, {"engine": {"cpu_cache_gb": 3}}).startswith("Nothing to be done")


def test_a_bad_config_is_refused_in_words(done):
    (done / "change.yaml").write_text("sampling: {tempratur: 1}\n")
    words = [why.sys.executable, "workflow/why.py", *SMOKE, "change.yaml"]
    run = subprocess.run(words, cwd=done, capture_output=True, text=True)
    assert run.returncode != 0
    assert "config: sampling.tempratur: no such key" in run.stdout + run.stderr
    assert "Traceback" not in run.stdout + run.stderr


# -- provenance


def test_a_models_manifest_says_how_to_make_it_again(done):
    manifest = json.loads((done / RESULTS / "meta-rewarding/m2/manifest.json").read_text())
    assert manifest["target"] == f"{RESULTS}/meta-rewarding/m2/weights"
    assert manifest["config"]["methods"]["meta-rewarding"]["iterations"][1]["rho"] == 0.32
    assert manifest["config"]["model"] == {"source": "random", "seed": 0}
    assert set(manifest["git"] or {"commit", "dirty"}) == {"commit", "dirty"}
    assert manifest["packages"]["torch"] == manifest["versions"]["torch"]
    assert manifest["settings"]["seed"] == 0
    assert manifest["tokens"] > 0 < manifest["seconds"]
    assert manifest["host"]["cores"] > 0
    assert os.uname().nodename not in json.dumps(manifest["host"]).split('"')
    # the config of the manifest is a config file
    (done / "then.json").write_text(json.dumps(manifest["config"]))
    again = snakemake(done, "-n", manifest["target"], "--configfile", "then.json")
    assert "Nothing to be done" in again.stdout + again.stderr


def test_the_runs_manifest_holds_every_hash(done):
    report = json.loads((done / RESULTS / "report/manifest.json").read_text())
    assert set(report["models"]) == set(MODELS)
    m1, m2 = (report["models"][f"meta-rewarding/{name}"] for name in ("m1", "m2"))
    assert m2["trained_from_sha256"] == m1["weights_sha256"]
    for path, digest in (report["files_sha256"] | m2["data_sha256"]).items():
        assert hashlib.sha256((done / path).read_bytes()).hexdigest() == digest
    assert report["stages"]["train_dpo"]["jobs"] == 4


# -- determinism


def hashes(folder, what) -> dict[str, str]:
    """{path: sha256} of the JSONL files and weights under some folders of the results."""
    found = [path for name in what for path in (folder / RESULTS / name).rglob("*")]
    kept = [path for path in found if path.suffix in (".jsonl", ".safetensors")]
    assert kept
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in kept}


def test_a_second_run_from_scratch_is_the_same_byte_for_byte(finished_smoke, tmp_path):
    second = copy_project(tmp_path / "second")
    made = snakemake(second, f"{RESULTS}/meta-rewarding/m1/weights", *SMOKE)
    assert made.returncode == 0, made.stderr[-3000:]
    found = hashes(second, ["."])
    first = hashes(finished_smoke[0], ["."])
    assert len([path for path in found if path.endswith("model.safetensors")]) == 3
    assert found == {path: first[path] for path in found}


def test_the_number_of_shards_changes_no_row(done):
    """In float32 here; README says what holds elsewhere."""
    what = ("responses", "judgments", "meta_judgments")

    def rows():
        return {
            name: [line for path in sorted((done / RESULTS / "m0" / name).glob("?.jsonl")) for line in path.open()]
            for name in what
        }

    two = rows()
    for name in what:
        shutil.rmtree(done / RESULTS / "m0" / name)
    targets = [f"{RESULTS}/m0/{name}/0.jsonl" for name in what]
    (done / "change.yaml").write_text("sampling: {shards: 1}\n")
    made = snakemake(done, *targets, *SMOKE, "change.yaml")
    assert made.returncode == 0, made.stderr[-3000:]
    assert rows() == two
