"""Checks of the results of `envs/run snakemake`, the laptop run.

Not collected with the other tests: run it after the laptop run, `envs/run pytest tests/e2e/laptop_run.py`.
"""

import hashlib
import json
import re
from pathlib import Path

import pytest
from browser import check, chromium
from conftest import ROOT, planned
from settings import load

from metarewarding.records import Elo, Judgment, MetaJudgment, Pair, Response, read_jsonl

RESULTS = ROOT / "results"
ITERATIONS = [f"meta-rewarding/m{t}" for t in (1, 2, 3, 4)]
MODELS = ["seed", "m0", *ITERATIONS]

if not (RESULTS / "report/index.html").is_file():
    pytest.exit(f"{RESULTS}/report/index.html is not there: run `envs/run snakemake` first", returncode=1)


def read(path):
    return json.loads((RESULTS / path).read_text())


def test_the_judge_learns_its_form():
    rates = {model: read(f"{model}/benchmarks/judge_agreement/score.json")["parse_rate"] for model in MODELS}
    assert rates["m0"] >= 0.8
    assert rates["seed"] < rates["m0"]


@pytest.mark.parametrize("model", ITERATIONS)
def test_every_iteration_has_actor_pairs_and_the_first_two_judge_pairs(model):
    pairs = read_jsonl(RESULTS / model / "pairs/actor.jsonl", Pair)
    assert pairs
    stats = read(f"{model}/pairs/stats.json")
    assert stats["actor"]["pairs"] == len(pairs)
    assert sum(stats["actor"]["outcome"].values()) == stats["actor"]["prompts"]
    assert (RESULTS / model / "pairs/judge.jsonl").exists() == (model in ITERATIONS[:2])
    if model in ITERATIONS[:2]:
        assert len(read_jsonl(RESULTS / model / "pairs/judge.jsonl", Pair)) == stats["judge"]["pairs"] > 0


def test_every_model_differs_from_the_one_before():
    hashes = [hashlib.sha256((RESULTS / m / "weights/model.safetensors").read_bytes()).hexdigest() for m in MODELS]
    assert len(set(hashes)) == len(MODELS)
    for model, digest in zip(MODELS, hashes, strict=True):
        assert read(f"{model}/manifest.json")["weights_sha256"]["model.safetensors"] == digest


def test_dpo_starts_at_the_reference_and_moves_the_pairs_apart():
    for model in ITERATIONS:
        log = read(f"{model}/training.json")["log"]
        first = next(entry["loss"] for entry in log if "loss" in entry)
        assert first == pytest.approx(0.6931, abs=0.02)  # ln 2: policy and reference are the same model
        last = [row for row in read(f"{model}/training.json")["epochs"] if row["epoch"] == 1]
        assert all(row["margin"] > 0 for row in last if row["set"] == "trained")


@pytest.mark.parametrize("model", ["m0", *ITERATIONS[:3]])
def test_ids_join_across_the_files_of_a_model(model):
    responses = {row["response_id"]: row for row in read_jsonl(RESULTS / model / "responses/0.jsonl", Response)}
    judgments = {row["judgment_id"]: row for row in read_jsonl(RESULTS / model / "judgments/0.jsonl", Judgment)}
    assert {row["response_id"] for row in judgments.values()} <= set(responses)
    sampled = load([])
    assert len(responses) == sampled["prompts"]["per_iteration"] * sampled["sampling"]["responses"]["n"]
    if model in ("m0", ITERATIONS[0]):
        rows = read_jsonl(RESULTS / model / "meta_judgments/0.jsonl", MetaJudgment)
        shown = {(row["first"], row["second"]) for row in rows}
        assert len(shown) == len(rows) > 0
        assert all((second, first) in shown for first, second in shown)
        for first, second in shown:
            assert judgments[first]["response_id"] == judgments[second]["response_id"]
            assert judgments[first]["text"] != judgments[second]["text"]


def test_elo_rows_are_the_judgments_that_met():
    for t, parent in ((1, "m0"), (2, "meta-rewarding/m1")):
        rated = {row["judgment_id"] for row in read_jsonl(RESULTS / f"meta-rewarding/m{t}/elo.jsonl", Elo)}
        met = {row["first"] for row in read_jsonl(RESULTS / parent / "meta_judgments/0.jsonl", MetaJudgment)}
        assert rated == met


def test_the_page_shows_the_runs_numbers_and_says_what_they_are_worth():
    page = (RESULTS / "report/index.html").read_text()
    for model in MODELS:
        assert f">{model}</th>" in page
    assert "It does not show the paper" in page
    assert f"{100 * read('m0/benchmarks/judge_agreement/score.json')['parse_rate']:.0f}" in page
    for table in (5, 7):  # what is always measured
        assert re.search(rf"<h3[^>]*>Table {table}:", page)
    assert "This run is not the paper's configuration" in page


def test_the_page_opens_in_a_browser_without_a_fault():
    with chromium() as browser:
        check(browser, RESULTS / "report/index.html")


def test_a_second_run_does_nothing():
    assert not planned(ROOT)


def test_a_deleted_shard_is_redone_with_what_follows():
    shard = RESULTS / "meta-rewarding/m2/judgments/0.jsonl"
    aside = Path(f"{shard}.aside")
    shard.rename(aside)
    try:
        jobs = planned(ROOT)
    finally:
        aside.rename(shard)
    assert jobs["sample_and_judge"] == 2  # M2's, and M3's after it
    assert jobs["train_dpo"] == 2
    assert "meta_judge" not in jobs


def test_self_rewarding_would_reuse_the_samples_of_m0():
    jobs = planned(ROOT, "results/self-rewarding/m4/weights")
    assert jobs["sample_and_judge"] == 3
    assert "train_sft" not in jobs
