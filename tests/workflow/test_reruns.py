"""Which changes rerun which rules: dry-runs on the finished smoke run, and a few real runs."""

import hashlib
import json
import os
import re
import shutil
import subprocess
from importlib import metadata

import pytest
import why
import yaml
from conftest import ROOT, copy_project, snakemake

SMOKE = ("--configfile", "config/smoke.yaml")
RESULTS = "results/smoke"
OF_A_MODEL = {"train_dpo", "evaluate_model", "judge_answers", "score_benchmark", "judge_agreement"}
AFTER_EVALUATION = OF_A_MODEL - {"train_dpo"}
ACTOR_PAIRS = {"build_actor_pairs", "check_pairs"}
JUDGE_PAIRS = {"fit_elo", "build_judge_pairs"}
TRAINED = ("meta-rewarding/m1", "meta-rewarding/m2", "self-rewarding/m1")
MODELS = ("seed", "m0", *TRAINED)


@pytest.fixture
def done(finished_smoke, tmp_path):
    """Return a copy of the finished run that a test may change."""
    return shutil.copytree(finished_smoke[0], tmp_path / "project", symlinks=True)


@pytest.fixture(scope="module")
def same(finished_smoke, tmp_path_factory):
    """Return a copy of the finished run for tests that lay other settings over it, and change nothing."""
    return shutil.copytree(finished_smoke[0], tmp_path_factory.mktemp("same") / "project", symlinks=True)


def runs(folder, change=None, words=()) -> set[tuple[str, str]]:
    """Return {(rule, model in whose folder it writes)} of a dry-run with ``change`` laid over the smoke config.

    Whatever runs, the report follows; it is checked here and left out.
    """
    result = why.jobs(dry_run(folder, change, words))
    # an iteration's summary is the page's; it lies with the model
    of_page = (f"{RESULTS}/report/", "summarise_iteration")
    report = [job for job in result if job["output"][0].startswith(of_page[0]) or job["rule"] == of_page[1]]
    assert bool(result) == bool(report)
    return {(job["rule"], model_of(job["output"][0])) for job in result if job not in report}


def overlay(folder, change) -> tuple[str, ...]:
    if change is None:
        return ()
    (folder / "change.yaml").write_text(yaml.safe_dump(change))
    return ("change.yaml",)


def dry_run(folder, change=None, words=()) -> str:
    run = snakemake(folder, "-n", *words, *SMOKE, *overlay(folder, change))
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout + run.stderr


def really_run(folder, change, *words) -> None:
    run = snakemake(folder, *words, *SMOKE, *overlay(folder, change))
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]


def model_of(path: str) -> str:
    result = re.match(rf"{RESULTS}/(seed|m0|data|[a-z][a-z-]*/m\d+)/", path)
    assert result, path
    return result[1]


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def each(rules, *models):
    return {(rule, model) for rule in rules for model in models}


def iterations(method, number, **changes):
    """Return the smoke config's iterations of a method with some keys of one of them changed."""
    rounds = yaml.safe_load((ROOT / "config/smoke.yaml").read_text())["methods"][method]["iterations"]
    rounds[number - 1] |= changes
    return {"methods": {method: {"iterations": rounds}}}


# -- nothing: what must rerun nothing is changed all at once, and one dry-run looks at it


def reverse(value):
    if isinstance(value, dict):
        return {key: reverse(value[key]) for key in reversed(value)}
    of_dicts = isinstance(value, list) and value and isinstance(value[0], dict)
    return [reverse(item) for item in value] if of_dicts else value


def test_a_clone_with_copied_results_and_edits_that_change_nothing_runs_nothing(finished_smoke, tmp_path):
    """Time stamps, comments, docstrings, the order of keys; logs and Snakemake's measurements that are gone."""
    clone = copy_project(tmp_path / "clone")
    for path in clone.rglob("*"):
        if path.is_file():
            os.utime(path)
    for name in ("results", ".snakemake"):
        subprocess.run(["cp", "-a", finished_smoke[0] / name, clone / name], check=True)
    for path in [*(clone / "results").rglob("*.*")]:
        if path.is_file() and "weights" not in path.parts:
            path.write_bytes(path.read_bytes())  # another time stamp
    assert list((clone / RESULTS / "logs").rglob("*.tsv"))
    shutil.rmtree(clone / RESULTS / "logs")
    elo = clone / "scripts/metarewarding/elo.py"
    elo.write_text(elo.read_text().replace('"""', '"""Another sentence. ', 1) + "\n# a comment\n")
    script = clone / "scripts/sample/sample_and_judge.py"
    script.write_text("# a comment\n" + script.read_text())
    for name in ("config.yaml", "smoke.yaml"):
        path = clone / "config" / name
        path.write_text(yaml.safe_dump(reverse(yaml.safe_load(path.read_text())), sort_keys=False))
    assert runs(clone) == set()


def test_other_ways_to_say_the_same_and_what_no_file_depends_on_run_nothing(same):
    """Defaults written out, numbers and lists written otherwise; memory, threads, gates, judges and methods unused."""
    change = iterations("meta-rewarding", 1, train_on=["judge", "actor"], rho=0, beta=0.1, position_weights="iteration")
    change["methods"]["unused"] = {"iterations": [{"train_on": ["actor"]}]}
    judge = {"model": "m", "base_url": "http://localhost/v1", "max_cost": 3}
    change |= {
        "sampling": {"judgments": {"max_score": 5.0}},
        "eft": {"trees_sha256": None},
        "prompts": {"path": ["config/smoke/prompts.jsonl"]},
        "dpo": {"learning_rate": 0.00010},
        "engine": {"gpu_memory_utilization": 0.5, "cpu_cache_gb": 2},
        "gates": {"min_parse_rate": 0.2},
        "resources": {"engine": {"threads": 2, "mem_mb": 9000}},
        "benchmarks": {"judges": {"unused": judge}},
    }
    assert runs(same, change) == set()


# -- the config


def test_rho_of_the_last_iteration(same):
    expected = each(ACTOR_PAIRS | OF_A_MODEL, "meta-rewarding/m2") | {("measure_sensitivity", "meta-rewarding/m1")}
    assert runs(same, iterations("meta-rewarding", 2, rho=0.3)) == expected


def test_rho_of_the_first_iteration(same):
    assert runs(same, iterations("meta-rewarding", 1, rho=0.3)) == (
        each(ACTOR_PAIRS | OF_A_MODEL, "meta-rewarding/m1", "meta-rewarding/m2")
        | each({"sample_and_judge", "meta_judge", "measure_meta_judge", "measure_sensitivity"}, "meta-rewarding/m1")
        | each(JUDGE_PAIRS, "meta-rewarding/m2")
        | {("measure_sensitivity", "m0")}
    )


@pytest.mark.parametrize(
    ("change", "rules"),
    [
        ({"arena_laptop": {"judgments": 2}}, {"judge_answers", "score_benchmark"}),
        ({"arena_laptop": {"bootstrap_rounds": 300}}, {"score_benchmark"}),
        # one job answers and judges: how little of it reaches the engine is counted below
        ({"judge_agreement": {"judgments": 2}}, AFTER_EVALUATION),
        ({"held_out_preferences": {"judgments": 2}}, AFTER_EVALUATION),
        ({"held_out_preferences": {"subset": 2}}, AFTER_EVALUATION | {"prepare_preferences"}),
        ({"run": []}, {"evaluate_model", "judge_agreement"}),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_benchmark_settings(same, change, rules):
    result = {(rule, model) for rule, model in runs(same, {"benchmarks": change}) if rule != "prepare_preferences"}
    assert result == each(rules - {"prepare_preferences"}, *MODELS)


def test_repeats_of_the_meta_judge(same):
    """What is repeated is not trained on, but the job asks for both: the store answers for what is known."""
    result = runs(same, {"sampling": {"meta_judgments": {"repeats": 0.5}}})
    assert {("meta_judge", "m0"), ("measure_sensitivity", "m0")} <= result


def test_the_loss_of_dpo(same):
    assert runs(same, {"methods": {"self-rewarding": {"ld_alpha": 0.5}}}) == each(OF_A_MODEL, "self-rewarding/m1")


def test_regressions_add_their_own_rules_alone(same):
    result = runs(same, {"benchmarks": {"lm_eval": {"tasks": ["ifeval"]}}})
    assert result == each({"measure_regressions"}, *MODELS) | {("prepare_regressions", "data")}


def test_a_setting_of_the_judge(same):
    result = runs(same, {"sampling": {"judgments": {"max_tokens": 20}}})
    first = {"sample_and_judge", "meta_judge", "measure_meta_judge", "measure_sensitivity"}
    assert result == (
        each(AFTER_EVALUATION, *MODELS)
        | each(first, "m0", "meta-rewarding/m1")
        | each(ACTOR_PAIRS | {"train_dpo"}, *TRAINED)
        | each(JUDGE_PAIRS, "meta-rewarding/m1", "meta-rewarding/m2")
    )


def test_options_of_the_chat_template_make_another_seed(same):
    result = runs(same, {"model": {"template_options": {"enable_thinking": False}}})
    assert ("fetch_seed_model", "seed") in result
    assert {("train_sft", "m0"), *each({"train_dpo"}, *TRAINED), *each(AFTER_EVALUATION, *MODELS)} <= result


@pytest.mark.parametrize(
    ("change", "rules"),
    [
        ({"eft": {"acceptance": "loose"}}, {"build_eft"}),
        ({"eft": {"train_examples": 40}}, {"build_eft"}),
        ({"eft": {"exclude_ift_prompts": True}}, {"split_rankings", "build_eft", "prepare_preferences"}),
        (
            {"benchmarks": {"judge_vs_gpt4": {"prompts": 5}}},
            {"split_rankings", "build_eft", "prepare_preferences"},
        ),  # set aside
    ],
)
def test_eft_settings(same, change, rules):
    result = runs(same, change)
    assert {rule for rule, model in result if model == "data"} == rules
    assert ("train_sft", "m0") in result


def test_one_more_iteration(done):
    prompts = [{"prompt_id": f"more-{i}", "text": f"Tell me of thing {i}."} for i in range(6)]
    (done / "more.jsonl").write_text("".join(json.dumps(row) + "\n" for row in prompts))
    change = iterations("meta-rewarding", 2)
    change["methods"]["meta-rewarding"]["iterations"].append({"train_on": ["actor"], "rho": 0.32})
    change["prompts"] = {"path": ["config/smoke/prompts.jsonl", "more.jsonl"]}
    assert runs(done, change) == (
        each(ACTOR_PAIRS | OF_A_MODEL, "meta-rewarding/m3")
        | each({"sample_and_judge", "measure_sensitivity"}, "meta-rewarding/m2")
        | each({"build_prompts", "slice_prompts"}, "data")
    )


def test_an_ablation_that_starts_from_a_model_that_is_there(same):
    change = {
        "methods": {
            "ablation": {"starts_from": "meta-rewarding/m1", "iterations": [{"train_on": ["actor"], "rho": 0.1}]}
        },
        "run": ["meta-rewarding", "self-rewarding", "ablation"],
    }
    assert runs(same, change) == each(ACTOR_PAIRS | OF_A_MODEL, "ablation/m1")


@pytest.mark.slow
def test_fewer_judgments_of_a_method_without_judge_training(done):
    three = {"methods": {"self-rewarding": {"n": 3}}}
    assert runs(done, three) == each(ACTOR_PAIRS | OF_A_MODEL, "self-rewarding/m1")
    # and from one number to another, where nothing but the pairs has been made with the first
    pairs = f"{RESULTS}/self-rewarding/m1/pairs/actor.jsonl"
    really_run(done, three, pairs)
    assert why.jobs(dry_run(done, three, (pairs,))) == []
    two = why.jobs(dry_run(done, {"methods": {"self-rewarding": {"n": 2}}}, (pairs,)))
    assert [job["rule"] for job in two] == ["build_actor_pairs"]


def test_a_value_that_other_params_had_before(same):
    """Snakemake compares params as a set: 5 is max_judge_pairs, and 4 remains batch_size."""
    changed = runs(same, {"dpo": {"measured_pairs": 5}})
    assert each({"train_dpo"}, *TRAINED) <= changed


def test_every_rule_with_params_has_them_by_name(same):
    for job in dry_run(same, words=("--forceall",)).split("\nrule ")[1:]:
        assert "reason: Forced" in job
    metadata = [json.loads(path.read_text()) for path in (same / ".snakemake/metadata").rglob("*") if path.is_file()]
    assert len(metadata) > 90
    for record in (record for record in metadata if record["rule"] != "check_inputs"):  # which no param runs again
        assert any(param.startswith("'{") and '"code": ' in param for param in record["params"]), record["rule"]


# -- how many completions reach the engine when a job that does several things runs again


def drawn(folder, *names) -> dict[str, int]:
    """Return {stats file: completions that its job drew} of some files of the results."""
    facts = {name: json.loads((folder / RESULTS / f"{name}.stats.json").read_text()) for name in names}
    return {name: of["completions"] - of["from_store"] for name, of in facts.items()}


def test_a_first_run_draws_everything(same):
    """Each stats file of the finished run: nothing came from a store, but the judgments that two benchmarks share."""
    result = [json.loads(path.read_text()) for path in (same / RESULTS).rglob("*.stats.json")]
    requests = [facts for facts in result if "from_store" in facts]
    shared = [facts for facts in requests if facts["from_store"]]
    assert len(requests) == 2 * 2 + 2 + 4 * len(MODELS) + len(MODELS)
    assert all(facts["from_store"] == facts["completions"] for facts in shared)
    assert len(shared) == len(MODELS)


@pytest.mark.slow
def test_more_judgments_of_replies_and_benchmarks_taken_out_and_in_draw_only_what_is_new(done):
    seed = "seed/benchmarks"
    judgments, answers = f"{seed}/judge_agreement/judgments", f"{seed}/arena_laptop/answers"
    before = {name: (done / RESULTS / f"{name}.jsonl").read_text().splitlines() for name in (judgments, answers)}
    change = {"benchmarks": {"judge_agreement": {"judgments": 4}, "run": []}}
    really_run(done, change, f"{RESULTS}/{judgments}.jsonl")
    replies = len({json.loads(line)["response_id"] for line in before[judgments]})
    assert drawn(done, judgments) == {judgments: replies}
    after = (done / RESULTS / f"{judgments}.jsonl").read_text().splitlines()
    assert len(after) == 4 * replies
    assert set(before[judgments]) < set(after)

    del change["benchmarks"]["run"]  # and the arena again
    really_run(done, change, f"{RESULTS}/{answers}.jsonl")
    assert drawn(done, judgments, answers) == {judgments: 0, answers: 0}
    assert (done / RESULTS / f"{answers}.jsonl").read_text().splitlines() == before[answers]


@pytest.mark.slow
def test_another_template_of_the_judge_draws_no_response_and_no_answer_again(done):
    with open(done / "config/smoke/judge.txt", "a") as file:
        file.write("Be brief.\n")
    seed = "seed/benchmarks"
    kept, judged = (
        ("m0/responses/0", f"{seed}/arena_laptop/answers"),
        ("m0/judgments/0", f"{seed}/judge_agreement/judgments"),
    )
    before = [(done / RESULTS / f"{name}.jsonl").read_bytes() for name in kept]
    # M0 stays as it is, although it was trained on that template
    words = ("--allowed-rules", "sample_and_judge", "evaluate_model")
    really_run(done, None, *(f"{RESULTS}/{name}.jsonl" for name in judged), *words)
    assert drawn(done, *kept) == dict.fromkeys(kept, 0)
    assert [(done / RESULTS / f"{name}.jsonl").read_bytes() for name in kept] == before
    for name, count in drawn(done, *judged).items():
        assert count == json.loads((done / RESULTS / f"{name}.stats.json").read_text())["completions"] > 0


# -- inputs and code


def test_another_check_of_the_inputs_runs_nothing_after_it(done):
    with open(done / "scripts/data/check_inputs.py", "a") as file:
        file.write("\nADDED = 1\n")
    assert why.jobs(dry_run(done)) == []


@pytest.mark.slow
def test_a_check_of_a_node_that_is_done_again_or_changed_runs_nothing_after_it(done):
    edit(done / "workflow/rules/resources.smk", 'SETTINGS["engine"]["name"] == "vllm" and ', "")
    checks = [done / RESULTS / f"preflight/{kind}.txt" for kind in ("engine", "training")]
    for path in checks:
        path.parent.mkdir(exist_ok=True)
        path.write_text("checked\n")
    # Snakemake now has the checks, and who waits for them, on record
    really_run(done, None, "--touch", "--force", *(str(path.relative_to(done)) for path in checks))
    really_run(done, None, "--touch")
    assert why.jobs(dry_run(done)) == []
    for path in checks:
        path.write_text("checked again\n")
    with open(done / "scripts/preflight/check_node.py", "a") as file:
        file.write("\nADDED = 1\n")
    assert why.jobs(dry_run(done)) == []


def test_the_meta_judges_template(done):
    with open(done / "config/smoke/meta_judge.txt", "a") as file:
        file.write("Be brief.\n")
    result = runs(done)
    of_m0 = {rule for rule, model in result if model == "m0"}
    assert of_m0 == {"meta_judge", "measure_meta_judge", "measure_sensitivity"}
    assert {model for _, model in result} == {"m0", "meta-rewarding/m1", "meta-rewarding/m2"}


def test_the_judges_template(done):
    with open(done / "config/smoke/judge.txt", "a") as file:
        file.write("Be brief.\n")
    result = runs(done)
    assert ("build_eft", "data") in result
    assert ("train_sft", "m0") in result
    assert ("evaluate_model", "m0") in result
    # M0 judges the seed's answers, and the seed judges people's replies
    assert {rule for rule, model in result if model == "seed"} == AFTER_EVALUATION
    assert {rule for rule, model in result if model == "data"} == {"build_eft"}


def test_the_rubric_is_part_of_both_templates(done):
    with open(done / "config/smoke/rubric.txt", "a") as file:
        file.write("Be brief.\n")
    text = dry_run(done)
    result = {(job["rule"], model_of(job["output"][0])) for job in why.jobs(text) if "report/" not in job["output"][0]}
    assert {("build_eft", "data"), ("train_sft", "m0"), ("meta_judge", "m0"), ("evaluate_model", "seed")} <= result
    asking = ("build_eft:", "evaluate_model:", "sample_and_judge:", "judge_answers:", "meta_judge:")
    jobs = [job for job in re.split(r"\n(?:local)?rule ", text) if job.startswith(asking)]
    assert {job.split(":")[0] + ":" for job in jobs} == set(asking)
    assert all("config/smoke/rubric.txt" in job for job in jobs)


def test_a_real_edit_in_elo(done):
    edit(done / "scripts/metarewarding/elo.py", "def fit(", "ADDED = 1\n\n\ndef fit(")
    result = runs(done)
    assert each(JUDGE_PAIRS, "meta-rewarding/m1", "meta-rewarding/m2") <= result
    assert {rule for rule, model in result if model == "m0"} == {"measure_sensitivity"}  # reliability of Elo
    assert {model for _, model in result} == {"m0", "meta-rewarding/m1", "meta-rewarding/m2"}


@pytest.mark.slow
def test_an_edit_of_a_benchmarks_module_reruns_what_uses_that_part_of_it(done):
    modules = done / "scripts/metarewarding/evaluation"
    edit(modules / "mt_bench.py", "BENCHMARK = ", "ADDED = 1\nBENCHMARK = ")
    assert runs(done) == set()  # the report alone: it is not run
    edit(modules / "arena_laptop.py", '"judge": "m0"', '"judge": "M0"')
    assert runs(done) == each({"score_benchmark"}, *MODELS)
    edit(modules / "arena_laptop.py", 'category=""', 'category="-"')  # of its questions
    assert runs(done) == each(AFTER_EVALUATION, *MODELS)


def test_an_edit_of_how_pairs_are_selected_leaves_what_m0_answered_and_judged(done):
    with open(done / "scripts/metarewarding/pairs.py", "a") as file:
        file.write("\nADDED = 1\n")
    result = runs(done)
    assert each({"build_actor_pairs"}, *TRAINED) <= result
    assert not each({"sample_and_judge", "evaluate_model", "train_sft"}, "seed", "m0") & result


def test_a_recipe_is_an_input_of_the_rules_that_read_it(done):
    edit(done / "config/trl/dpo_laptop.yaml", "weight_decay: 0.0", "weight_decay: 0.1")
    result = runs(done)
    assert each({"train_dpo"}, *TRAINED) <= result
    assert {model for _, model in result} == set(TRAINED)
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


def test_why_names_the_change_the_jobs_and_what_stays(same):
    output = explained(same, iterations("meta-rewarding", 2, rho=0.3))
    assert "rho of meta-rewarding, iteration 2: 0.32 -> 0.3" in output
    assert "methods.meta-rewarding.iterations[1].rho" in output
    jobs, stays = output.split("Runs, ")[1].split("Stays:")
    assert re.search(r"^  train_dpo +1  meta-rewarding/m2$", jobs, re.MULTILINE)
    assert "sample_and_judge" not in jobs
    assert re.search(r"^  m0 +weights, responses, judgments, meta_judgments", stays, re.MULTILINE)
    assert re.search(r"^  self-rewarding/m1 +weights", stays, re.MULTILINE)
    assert not re.search(r"^  meta-rewarding/m2 +weights", stays, re.MULTILINE)


@pytest.mark.slow
def test_why_names_files_code_and_keys_of_the_whole_run(done):
    with open(done / "config/smoke/meta_judge.txt", "a") as file:
        file.write("Be brief.\n")
    # of no rule that runs here
    edit(done / "scripts/metarewarding/evaluation/arena_hard.py", "import", "import os\nimport")
    edit(done / "scripts/preferences/build_actor_pairs.py", "@logged", "ADDED = 1\n\n\n@logged")
    output = explained(done, {"benchmarks": {"arena_laptop": {"bootstrap_rounds": 300}}})
    assert "changed file: config/smoke/meta_judge.txt" in output
    assert "code of build_actor_pairs" in output
    assert "arena_hard" not in output
    assert "bootstrap_rounds of score_benchmark: 200 -> 300" in output


@pytest.mark.slow
def test_why_also_names_what_follows_hide(same):
    change = iterations("meta-rewarding", 2, rho=0.3) | {"sampling": {"judgments": {"max_tokens": 20}}}
    output = explained(same, change)
    assert "max_tokens of sample_and_judge: 24 -> 20 (config: sampling.judgments.max_tokens)" in output
    assert "rho of meta-rewarding, iteration 2: 0.32 -> 0.3" in output.split("run anyway:")[1]


@pytest.mark.slow
def test_why_says_that_nothing_runs(same):
    assert explained(same, {"engine": {"cpu_cache_gb": 3}}).startswith("Nothing to be done")


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
    assert manifest["packages"]["torch"] == metadata.version("torch")
    assert manifest["settings"]["seed"] == 0
    assert manifest["tokens"] > 0 < manifest["seconds"]
    assert manifest["host"]["cores"] > 0
    assert os.uname().nodename not in json.dumps(manifest["host"]).split('"')
    # the config of the manifest is a config file
    (done / "then.json").write_text(json.dumps(manifest["config"]))
    again = snakemake(done, "-n", manifest["target"], "--configfile", "then.json")
    assert "Nothing to be done" in again.stdout + again.stderr


def test_the_runs_manifest_holds_every_hash(same):
    report = json.loads((same / RESULTS / "report/manifest.json").read_text())
    assert set(report["models"]) == set(MODELS)
    m1, m2 = (report["models"][f"meta-rewarding/{name}"] for name in ("m1", "m2"))
    assert m2["trained_from_sha256"] == m1["weights_sha256"]
    for path, digest in (report["files_sha256"] | m2["data_sha256"]).items():
        assert hashlib.sha256((same / path).read_bytes()).hexdigest() == digest
    assert report["stages"]["train_dpo"]["jobs"] == 3


# -- determinism


def hashes(folder, what) -> dict[str, str]:
    """Return {path: sha256} of the JSONL files and weights under some folders of the results."""
    result = [path for name in what for path in (folder / RESULTS / name).rglob("*")]
    kept = [path for path in result if path.suffix in (".jsonl", ".safetensors")]
    assert kept
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in kept}


@pytest.mark.slow
def test_a_second_run_from_scratch_is_the_same_byte_for_byte(finished_smoke, tmp_path):
    second = copy_project(tmp_path / "second")
    built = snakemake(second, f"{RESULTS}/meta-rewarding/m1/weights", *SMOKE)
    assert built.returncode == 0, built.stderr[-3000:]
    result = hashes(second, ["."])
    first = hashes(finished_smoke[0], ["."])
    assert len([path for path in result if path.endswith("model.safetensors")]) == 3
    assert result == {path: first[path] for path in result}


@pytest.mark.slow
def test_the_number_of_shards_changes_no_row(done):
    """In float32 here; README says what holds elsewhere."""
    what = ("responses", "judgments", "meta_judgments")

    def rows():
        return {
            name: [line for path in sorted((done / RESULTS / "m0" / name).glob("?.jsonl")) for line in path.open()]
            for name in what
        }

    one = rows()
    for name in what:
        shutil.rmtree(done / RESULTS / "m0" / name)  # and the completions with them
    really_run(
        done, {"sampling": {"shards": 2}}, *(f"{RESULTS}/m0/{name}/{shard}.jsonl" for name in what for shard in (0, 1))
    )
    prompts = [
        {json.loads(line)["prompt_id"] for line in (done / RESULTS / f"m0/responses/{n}.jsonl").open()} for n in (0, 1)
    ]
    assert [len(of_shard) for of_shard in prompts] == [3, 3]
    assert rows() == one
    assert sum(drawn(done, "m0/responses/0", "m0/responses/1").values()) == len(one["responses"])
