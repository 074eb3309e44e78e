"""config/smoke.yaml from end to end: real training and real sampling of a tiny random model."""

import json
import re
import shutil

import pytest
import yaml
from conftest import planned, snakemake
from stand_in import completion, judge_server

from metarewarding.records import Candidate, Judgment, MetaJudgment, Pair, Prompt, Response, SftExample, read_jsonl

SMOKE = ("--configfile", "config/smoke.yaml")


@pytest.fixture(scope="module")
def run(finished_smoke, tmp_path_factory):
    """Return the project with the finished results of the smoke config."""
    project = tmp_path_factory.mktemp("smoke") / "project"
    shutil.copytree(finished_smoke[0], project, symlinks=True)
    return project, finished_smoke[1]


@pytest.fixture(scope="module")
def results(run):
    return run[0] / "results/smoke"


def test_it_ends_with_a_page_and_prints_the_scoreboard(run, results):
    page = (results / "report/index.html").read_text()
    output = run[1].stdout + run[1].stderr
    for model in ("seed", "m0", "meta-rewarding/m2", "self-rewarding/m1"):
        assert model in page
        assert model in output
    assert "where the time went" in output
    assert "Page: results/smoke/report/index.html" in output
    assert re.search(r"^\d\d:\d\d:\d\d +\d+ of \d+ +\d+ s  meta_judge +m0 +shard 0$", output, re.MULTILINE)
    assert "In progress, M1 of M2." in (results / "report/iterations/meta-rewarding/m1.html").read_text()
    assert "\033[" not in output  # no colour in a file


def test_the_examples_are_consistent(results):
    look = json.loads((results / "meta-rewarding/m1/examples.json").read_text())["prompts"]
    pairs = {row["prompt_id"]: row for row in map(json.loads, (results / "meta-rewarding/m1/pairs/actor.jsonl").open())}
    assert len(look) == 6
    for prompt in look:
        texts = {response["role"]: response["text"] for response in prompt["responses"]}
        if prompt["prompt_id"] in pairs:
            assert texts["chosen"] == pairs[prompt["prompt_id"]]["chosen"][0]["content"]
        ids = {judgment["judgment_id"] for response in prompt["responses"] for judgment in response["judgments"]}
        assert set(prompt["ranking"]) <= ids
        assert {verdict["first"] for verdict in prompt["verdicts"]} <= set(prompt["ranking"])


@pytest.mark.slow
def test_snakemakes_own_report_carries_the_page_and_the_tables(run):
    built = snakemake(run[0], *SMOKE, "--report", "report.html")
    assert built.returncode == 0, built.stdout[-3000:] + built.stderr[-6000:]
    text = (run[0] / "report.html").read_text()
    for carried in ("index.html", "scoreboard.csv", "table_7.csv", "parse_rates.svg"):
        assert carried in text
    titles = json.loads((run[0] / "results/smoke/report/metrics.json").read_text())["titles"]
    assert titles["table_7"] == "Table 7 of the paper"
    for name in ("scoreboard", "table_7", "parse_rates"):
        assert json.dumps(titles[name]) in text


def test_both_methods_have_their_pairs(results):
    for model in ("meta-rewarding/m1", "meta-rewarding/m2", "self-rewarding/m1"):
        assert read_jsonl(results / model / "pairs/actor.jsonl", Pair)
        assert (results / model / "pairs/judge.jsonl").exists() == model.startswith("meta")
    assert not (results / "self-rewarding/m1/meta_judgments").exists()
    assert not (results / "meta-rewarding/m2/responses").exists()  # nothing trains on what the last model would say


def test_every_prompt_is_answered_and_every_answer_judged(results):
    prompts = [row["prompt_id"] for row in map(json.loads, (results / "data/prompts/1.jsonl").open())]
    responses = read_jsonl(results / "m0/responses/0.jsonl", Response)
    assert [row["prompt_id"] for row in responses] == [prompt for prompt in prompts for _ in range(4)]
    judged = {row["response_id"] for row in read_jsonl(results / "m0/judgments/0.jsonl", Judgment)}
    texts = {(row["prompt_id"], row["text"]) for row in responses}
    assert judged <= {row["response_id"] for row in responses}
    assert len(judged) == len(texts)


def test_slices_of_iterations_are_disjoint(results):
    slices = [{json.loads(line)["prompt_id"] for line in (results / f"data/prompts/{t}.jsonl").open()} for t in (1, 2)]
    assert not slices[0] & slices[1]


def test_each_model_differs_from_its_parent_and_says_how_it_came_about(results):
    manifests = {}
    for path in set(results.rglob("manifest.json")) - {results / "report/manifest.json"}:
        manifests[str(path.parent.relative_to(results))] = json.loads(path.read_text())
    hashes = [manifest["weights_sha256"]["model.safetensors"] for manifest in manifests.values()]
    assert len(manifests) == len(set(hashes)) == 5
    assert manifests["meta-rewarding/m2"]["trained_from"].endswith("meta-rewarding/m1/weights")
    assert manifests["self-rewarding/m1"]["trained_from"].endswith("m0/weights")


def test_judge_pairs_train_what_was_judged(results):
    ids = {row["first"] for row in read_jsonl(results / "m0/meta_judgments/0.jsonl", MetaJudgment)}
    for pair in read_jsonl(results / "meta-rewarding/m1/pairs/judge.jsonl", Pair):
        assert {pair["chosen_id"], pair["rejected_id"]} <= ids
        assert pair["chosen_by"] > pair["rejected_by"]


def test_no_checkpoint_and_no_partial_file_is_left(results):
    assert not [path for path in results.rglob("*") if "checkpoint" in path.name or path.name.endswith(".partial")]


def test_every_job_left_a_log(results):
    logs = list((results / "logs").rglob("*.log"))
    assert len(logs) > 40
    form = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d INFO (\w+): ")
    for log in logs:
        rules = set(form.findall(log.read_text()))
        assert rules == {log.relative_to(results / "logs").parts[0].removesuffix(".log")}, log


def test_every_stats_file_names_its_rule_and_the_plans_stages_are_rules(results):
    result = {path: json.loads(path.read_text()) for path in results.rglob("*.stats.json")}
    assert len(result) > 20
    assert all(facts["rule"] for facts in result.values())
    plan = json.loads((results / "report/plan.json").read_text())
    of_plan = {results / name: row["stage"] for row in plan["rows"] for name in row["files"]}
    assert {path: json.loads(path.read_text())["rule"] for path in of_plan} == of_plan
    sampled = {path for path, facts in result.items() if "process_seconds" in facts}
    assert sampled <= set(of_plan)


def test_snakemake_measured_the_jobs_that_load_a_model(results):
    plan = json.loads((results / "report/plan.json").read_text())
    for row in plan["rows"]:
        if row["stage"] in ("sample_and_judge", "meta_judge", "evaluate_model", "train_sft", "train_dpo"):
            assert row["measured"]["cpu_seconds"] > 1
            assert row["measured"]["max_memory_mb"] > 100
    assert "CPU time" in (results / "report/index.html").read_text()


def test_a_second_run_does_nothing(run):
    assert not planned(run[0], *SMOKE)


@pytest.mark.slow
def test_a_deleted_shard_is_redone_and_comes_out_the_same(run, results):
    project, _ = run
    shard = results / "m0/responses/0.jsonl"
    before = shard.read_bytes()
    shard.unlink()
    shard.with_name("0.completions.jsonl").unlink()
    jobs = planned(project, *SMOKE)
    assert jobs["sample_and_judge"] >= 1
    again = snakemake(project, "results/smoke/m0/responses/0.jsonl", *SMOKE)
    assert again.returncode == 0, again.stderr
    assert shard.read_bytes() == before
    assert json.loads((results / "m0/responses/0.stats.json").read_text())["from_store"] == 0
    # the shard is what it was, so nothing that follows has to be done again: only the page, which shows seconds
    assert set(planned(project, *SMOKE)) <= {
        "write_plan",
        "write_manifest",
        "write_report",
        "summarise_iteration",
        "write_iteration_report",
    }


def test_a_row_that_was_cut_off_is_named(run, results, tmp_path):
    project = tmp_path / "project"
    shutil.copytree(run[0], project, symlinks=True)
    responses = project / "results/smoke/m0/responses/0.jsonl"
    responses.write_text(responses.read_text()[:-40])
    output = snakemake(project, "results/smoke/m0/meta_judgments/0.jsonl", *SMOKE)
    assert output.returncode != 0
    text = output.stdout + output.stderr
    assert "results/smoke/m0/responses/0.jsonl, line" in text
    assert "Traceback" not in text


@pytest.mark.slow
def test_a_model_can_write_the_eft_judgments_and_the_prompts(run):
    """The trained M0 as annotator and as the writer of new prompts, each in a study of its own."""
    project, weights = run[0], "results/smoke/m0/weights"
    (project / "other.yaml").write_text(
        yaml.safe_dump(
            {
                # so small an annotator seldom orders three replies exactly as people did
                "eft": {"annotator": weights, "acceptance": "loose", "train_examples": None},
                "prompts": {
                    "source": "generate",
                    "per_iteration": 2,
                    "generation": {
                        "model": weights,
                        "size": 6,
                        "rounds": 5,
                        "per_round": 4,
                        "min_words": 1,
                        "max_rouge_l": 1.0,
                    },
                },
                "pathvars": {"results": "results/other"},
            }
        )
    )
    data = project / "results/other/data"
    targets = ("results/other/data/eft/train.jsonl", "results/other/data/prompts/pool/1.jsonl")
    built = snakemake(project, *targets, *SMOKE, "other.yaml")
    assert built.returncode == 0, built.stdout[-3000:] + built.stderr[-6000:]
    facts = json.loads((data / "eft/stats.json").read_text())
    assert facts["annotator"] == weights
    assert facts["judgments"] == 3 * facts["train_replies"]
    assert 0 < facts["train_prompts_accepted"] <= facts["train_prompts_judged"] <= facts["train_prompts"]
    examples = read_jsonl(data / "eft/train.jsonl", SftExample)
    sampled = read_jsonl(data / "eft/judgments/0.jsonl", Judgment)
    texts = {(row["response_id"], row["text"]): row["score"] for row in sampled}
    for row in examples:
        assert texts[row["response_id"], row["completion"][0]["content"]] == row["score"]
    generated = data / "prompts/generated/1"
    drawn = {path.name: path.read_bytes() for path in generated.glob("*.jsonl") if "completions" not in path.name}
    stats = json.loads((generated / "candidates.stats.json").read_text())
    assert len(read_jsonl(data / "prompts/pool/1.jsonl", Prompt)) == 6
    assert len(read_jsonl(generated / "candidates.jsonl", Candidate)) == stats["requests"] == 4 * stats["rounds"]
    again = snakemake(project, *targets, *SMOKE, "other.yaml")
    assert "Nothing to be done" in again.stdout + again.stderr

    # more rounds leave a full pool as it is; a filter is part of what the pool is
    change = yaml.safe_load((project / "other.yaml").read_text())
    for key, value, jobs in (("rounds", 9, 0), ("max_words", 99, 1)):
        change["prompts"]["generation"][key] = value
        (project / "changed.yaml").write_text(yaml.safe_dump(change))
        assert planned(project, *targets, *SMOKE, "changed.yaml")["generate_prompts"] == jobs

    # a job that was killed goes on from the completions that it has
    store = generated / "candidates.completions.jsonl"
    store.write_text("".join(store.read_text().splitlines(keepends=True)[:5]))
    for path in (*(generated / name for name in drawn), data / "prompts/pool/1.jsonl"):
        path.unlink()
    resumed = snakemake(project, *targets, *SMOKE, "other.yaml")
    assert resumed.returncode == 0, resumed.stdout[-3000:] + resumed.stderr[-6000:]
    assert {name: (generated / name).read_bytes() for name in drawn} == drawn
    assert json.loads((generated / "candidates.stats.json").read_text())["from_store"] == 5


def question_files(folder):
    """Write four questions of each benchmark in its published format, and prompts for the judge."""

    def rows(name, *values):
        (folder / name).write_text("".join(json.dumps(value) + "\n" for value in values))
        return str(folder / name)

    (folder / "utils.py").write_text('JUDGE_SETTINGS = {"arena-hard-v0.1": {"system_prompt": "Compare."}}\n')
    (folder / "template.yaml").write_text('prompt_template: "Q {QUESTION} A {ANSWER_A} B {ANSWER_B}"\n')
    reference = [{"instruction": f"Why {i}?", "output": "So.", "generator": "ref", "dataset": "d"} for i in range(4)]
    (folder / "reference.json").write_text(json.dumps(reference))
    turns = {"v1": "{question} {answer}", "v1-multi-turn": "{question_1} {answer_1} {question_2} {answer_2}"}
    prompts = [
        {"name": f"single-{kind}{name}", "system_prompt": "Rate.", "prompt_template": text + more}
        for name, text in turns.items()
        for kind, more in (("", ""), ("math-", " {ref_answer_1}" + " {ref_answer_2}" * ("multi" in name)))
    ]
    return {
        "alpaca_eval_reference": str(folder / "reference.json"),
        "arena_hard_questions": rows(
            "arena.jsonl", *({"uid": f"q{i}", "prompt": f"Do {i}.", "cluster": "c"} for i in range(4))
        ),
        "arena_hard_baseline": rows(
            "baseline.jsonl",
            *(
                {"uid": f"q{i}", "model": "base", "messages": [{"role": "assistant", "content": "Done."}]}
                for i in range(4)
            ),
        ),
        "arena_hard_judge_prompt": str(folder / "utils.py"),
        "arena_hard_judge_template": str(folder / "template.yaml"),
        "mt_bench_questions": rows(
            "mt.jsonl",
            *({"question_id": i, "category": c, "turns": ["One?", "Two?"]} for i, c in enumerate(["writing", "math"])),
        ),
        "mt_bench_references": rows("mt_ref.jsonl", {"question_id": 1, "choices": [{"turns": ["1", "2"]}]}),
        "mt_bench_judge_prompts": rows("mt_prompts.jsonl", *prompts),
    }


def published_answers(folder):
    """Write two models' answers and verdicts in the formats of alpaca_eval and Arena-Hard."""
    for name, preference in (("better", 1.9), ("worse", 1.1)):
        model = folder / "alpaca" / name
        (model / "weighted_alpaca_eval_gpt4_turbo").mkdir(parents=True)
        rows = [{"instruction": f"Why {i}?", "output": f"{name} {i}", "generator": name} for i in range(4)]
        (model / "model_outputs.json").write_text(json.dumps(rows))
        rows = [{"instruction": f"Why {i}?", "output_2": "x", "preference": preference} for i in range(4)]
        (model / "weighted_alpaca_eval_gpt4_turbo/annotations.json").write_text(json.dumps(rows))
    for part, row in (
        ("model_answer", {"model": "arena.v1", "messages": [{"role": "assistant", "content": "Yes."}]}),
        ("model_judgment/gpt-4", {"games": [{"score": "B>A"}, {"score": "A=B"}]}),
    ):
        (folder / "arena" / part).mkdir(parents=True)
        text = "".join(json.dumps(row | {"uid": f"q{i}", "question_id": f"q{i}"}) + "\n" for i in range(4))
        (folder / "arena" / part / "arena.v1.jsonl").write_text(text)
    return {"alpaca_eval": str(folder / "alpaca"), "arena_hard": str(folder / "arena")}


def verdict_of(body, before):
    """Return a judge's reply that always prefers the first of two, rates 7, and knows one category."""
    if body.get("logprobs"):
        likely = [{"token": "m", "logprob": -0.1}, {"token": "M", "logprob": -2.3}]
        return completion("m", body, {"content": [{"token": "m", "logprob": -0.1, "top_logprobs": likely}]})
    if body["messages"][0]["content"].endswith("Category:"):
        return "**Cooking**"
    return "[[A>B]]" if body["messages"][0]["content"] == "Compare." else "Rating: [[7]]"


@pytest.mark.slow
def test_the_benchmarks_with_a_judge_behind_an_api(run, results, tmp_path):
    """AlpacaEval, Arena-Hard, MT-Bench and table 3 for the seed and M0, by a server on the loopback address."""
    project = run[0]
    benchmarks = ("alpaca_eval", "arena_hard", "mt_bench", "judge_vs_gpt4")
    with judge_server(verdict_of) as server:
        judge = {key: value for key, value in server.judge(max_cost=100.0).items() if key != "name"}
        change = {
            "benchmarks": {
                "run": list(benchmarks),
                "judges": {"stand-in": judge},
                "files": question_files(tmp_path),
                "calibration": published_answers(tmp_path),
                **{benchmark: {"judge": "stand-in"} for benchmark in benchmarks},
                "alpaca_eval": {"judge": "stand-in", "categories": "judge"},
            }
        }
        (project / "judged.yaml").write_text(yaml.safe_dump(change))
        targets = [f"results/smoke/{m}/benchmarks/{b}/score.json" for m in ("seed", "m0") for b in benchmarks]
        targets.append("calibrate_judge")
        built = snakemake(project, *targets, *SMOKE, "judged.yaml")
        assert built.returncode == 0, built.stdout[-3000:] + built.stderr[-6000:]
        requests = len(server.bodies)
        for model in ("seed", "m0"):
            for benchmark in benchmarks:
                score = json.loads((results / model / "benchmarks" / benchmark / "score.json").read_text())
                assert (score["judge"], score["judge_model"]) == ("stand-in", "judge-1")
        # a settings' change that asks nothing new costs nothing: the replies are kept
        (results / "m0/benchmarks/arena_hard/verdicts.jsonl").unlink()
        again = snakemake(project, *targets, *SMOKE, "judged.yaml")
        assert again.returncode == 0, again.stdout[-3000:] + again.stderr[-6000:]
        assert len(server.bodies) == requests
    shifts = {row["model"]: row for row in json.loads((results / "published/calibration.json").read_text())["rows"]}
    assert [shifts[name]["published"] for name in ("better", "worse")] == pytest.approx([90, 10])
    # B>A in the first game and a draw in the second: won and drawn
    assert (shifts["arena.v1"]["published"], shifts["arena.v1"]["substitute"]) == (75, 50)
    assert shifts["arena.v1"]["shift"] == -25
    assert shifts["better"]["judge"] == "stand-in"
    # always the first: every game is a draw over both orders, and so is every pair of table 3
    scores = {b: json.loads((results / "m0/benchmarks" / b / "score.json").read_text()) for b in benchmarks}
    assert scores["arena_hard"]["score"] == 50
    assert scores["mt_bench"]["average"] == 7
    assert scores["alpaca_eval"]["n"] == 4
    assert scores["alpaca_eval"]["categories"]["Cooking"]["n"] == 4
    assert sum(body["messages"][0]["content"].endswith("Category:") for body in server.bodies) == 4  # for both models
    assert scores["judge_vs_gpt4"]["gpt4_chosen"]["pairs"] == 0
    assert scores["judge_vs_gpt4"]["self_chosen"]["pairs"] == scores["judge_vs_gpt4"]["self_chosen"]["ties"]
