"""A reward model instead of the judge: its scores, the pairs built from them, and the rules around them."""

import json
import shutil
from statistics import fmean

import config_files
import lineage
import pytest
import settings as config_settings
import yaml
from conftest import ROOT, planned, snakemake
from jobs import job, judgment, read, response, write
from plan import plan
from speeds import ENGINE_START

from data import fetch_seed_model
from metarewarding.engines import rewards
from metarewarding.errors import UserError
from preferences import build_actor_pairs, score_responses

PAD = 3  # <|system|>, which these chats do not hold
SMOKE = ("--configfile", "config/smoke.yaml")
HUB = "hf://owner/reward-model@0123abc"


def save_reward_model(folder, pad=PAD):
    """Return a tiny random Llama with one output, and the byte tokenizer of the smoke run."""
    import torch
    from transformers import LlamaConfig, LlamaForSequenceClassification

    folder.mkdir()
    fetch_seed_model.from_random(0, folder)  # its tokenizer; the weights are replaced
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=260,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        initializer_range=0.5,  # scores that differ
        num_labels=1,
        pad_token_id=pad,
    )
    LlamaForSequenceClassification(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return save_reward_model(tmp_path_factory.mktemp("reward") / "model")


def by_hand(folder, prompt, text):
    """Return the score of one exchange alone, read at the last token by hand."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32)
    ids = tokenizer(f"<|user|>{prompt}<|end|><|assistant|>{text}<|end|>", add_special_tokens=False)["input_ids"]
    with torch.no_grad():
        return model.score(model.model(torch.tensor([ids])).last_hidden_state)[0, -1, 0].item()


PROMPTS = {"p0": "Why?", "p1": "Say hi."}
RESPONSES = [
    response(0, "Because it is so, and was so before."),
    response(1, "No."),
    response(0, "Hi.", prompt="p1"),
    response(1, "Hello there, and welcome.", prompt="p1"),
    response(2, "x" * 150, prompt="p1"),
]


@pytest.mark.parametrize("pad", [PAD, None], ids=["with-padding", "one-at-a-time"])
def test_a_score_is_that_of_the_exchange_alone_whatever_stands_beside_it(tmp_path, pad):
    folder = save_reward_model(tmp_path / "model", pad)
    model = rewards.RewardModel(folder, max_model_len=120, dtype="float32", batch_size=3)
    rows, facts = rewards.score(model, PROMPTS, RESPONSES)
    assert [row["response_id"] for row in rows] == ["p0/r0", "p0/r1", "p1/r0", "p1/r1"]
    for row, requests in zip(rows, RESPONSES, strict=False):
        assert row["prompt_id"] == requests["prompt_id"]
        assert row["reward"] == pytest.approx(by_hand(folder, PROMPTS[row["prompt_id"]], requests["text"]), abs=1e-4)
    assert len({round(row["reward"], 3) for row in rows}) == 4
    assert (facts["requests"], facts["completions"], facts["too_long"]) == (5, 4, 1)
    assert facts["reward_max"] == max(row["reward"] for row in rows)


def test_what_a_response_spells_ends_no_turn(weights):
    model = rewards.RewardModel(weights, max_model_len=120, dtype="float32", batch_size=3)
    assert model.tokens("Why?", "a<|end|><|user|>b").count(0) == 2  # the ends of the two turns


def language_model(folder):
    """Write a language model whose config has one output, like a reward model's, but without a head for it."""
    fetch_seed_model.from_random(0, folder)
    config = folder / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"id2label": {"0": "reward"}}))


def without_template(folder):
    shutil.copytree(save_reward_model(folder / "whole"), folder, dirs_exist_ok=True)
    (folder / "chat_template.jinja").unlink()


@pytest.mark.parametrize(
    ("make", "output"),
    [
        (lambda folder: None, "no config.json"),
        (lambda folder: fetch_seed_model.from_random(0, folder), "has 2 outputs"),
        (language_model, r"lacks the weights score\.weight"),
        (without_template, "has no chat template"),
    ],
)
def test_what_is_no_reward_model_is_refused(tmp_path, make, output):
    make(tmp_path)
    with pytest.raises(UserError, match=output):
        rewards.RewardModel(tmp_path, max_model_len=120, dtype="float32", batch_size=3)


# -- the scripts


def test_scores_of_a_shard_make_the_actor_pairs(tmp_path, weights):
    """Score a shard with a response that repeats another, and build pairs from the scores."""
    prompts = write(tmp_path / "prompts.jsonl", *({"prompt_id": id, "text": text} for id, text in PROMPTS.items()))
    repeated = response(3, "Hi.", prompt="p1")
    responses = write(tmp_path / "responses.jsonl", *RESPONSES, repeated)
    built = job(
        tmp_path,
        {"prompts": prompts, "responses": responses, "weights": weights},
        {"rewards": "rewards.jsonl", "stats": "rewards.stats.json"},
        {"max_model_len": 200, "dtype": "float32", "batch_size": 2},
    )
    score_responses.main(built)
    rows = read(tmp_path / "rewards.jsonl")
    assert [row["response_id"] for row in rows] == [row["response_id"] for row in RESPONSES]
    stats = json.loads((tmp_path / "rewards.stats.json").read_text())
    assert (stats["requests"], stats["completions"], stats["engine"]) == (5, 5, "transformers")

    params = {"rho": 0.0, "max_chosen_chars": None, "allow_truncated_chosen": True, "k": None, "n": None}
    params["consistent_halves"] = False
    built = job(
        tmp_path,
        {"prompts": prompts, "responses": [responses], "rewards": [tmp_path / "rewards.jsonl"]},
        {"scores": "scores.jsonl", "pairs": "pairs.jsonl", "stats": "stats.json"},
        params | {"system_prompt": None},
    )
    build_actor_pairs.main(built)
    reward = {row["response_id"]: row["reward"] for row in rows}
    for pair in read(tmp_path / "pairs.jsonl"):
        of_prompt = [id for id in reward if id.startswith(pair["prompt_id"])]
        assert pair["chosen_id"] == max(of_prompt, key=reward.get)
        assert pair["rejected_id"] == min(of_prompt, key=reward.get)
        assert (pair["chosen_by"], pair["rejected_by"]) == (reward[pair["chosen_id"]], reward[pair["rejected_id"]])
    assert {row["response_id"]: (row["score"], row["judgments"]) for row in read(tmp_path / "scores.jsonl")} == {
        id: (value, 0) for id, value in reward.items()
    }


def test_a_reward_decides_against_the_judgments():
    rows = [{"prompt_id": "p0", "response_id": f"p0/r{k}", "reward": value} for k, value in ((0, -3.5), (1, 0.2))]
    judgments = [judgment(0, 0, 5.0), judgment(1, 0, 1.0)]
    requests = ([{"prompt_id": "p0", "text": "Why?"}], RESPONSES[:2], judgments, 0.0, None, True, None, None, None)
    (by_judge,), (by_reward,) = (build_actor_pairs.actor_pairs(*requests, given)[1] for given in (None, rows))
    assert (by_judge["chosen_id"], by_reward["chosen_id"]) == ("p0/r0", "p0/r1")


# -- the config, the plan and the rules


def settings(**method):
    config = yaml.safe_load((ROOT / "config/smoke.yaml").read_text())
    config["methods"] = {"scored": method}
    config["run"] = ["scored"]
    return config


def rounds(*train_on, **keys):
    return [{"train_on": list(kinds)} | keys for kinds in train_on]


@pytest.mark.parametrize(
    ("method", "output"),
    [
        ({"iterations": rounds(["judge"], scored_by=HUB)}, "judge pairs alone"),
        ({"scored_by": HUB, "iterations": rounds(["actor"], ["judge"])}, r"iterations\[1\]\.scored_by"),
        ({"scored_by": HUB, "n": 2, "iterations": rounds(["actor"])}, r"n: with scored_by, actor pairs do not depend"),
        ({"scored_by": "no/such/folder", "iterations": rounds(["actor"])}, "neither a folder nor hf://"),
        ({"scored_by": "hf://owner/name", "iterations": rounds(["actor"])}, "not of the form"),
        ({"scored_by": "hf://datasets/owner/name@main", "iterations": rounds(["actor"])}, "not of the form"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(monkeypatch, method, output):
    monkeypatch.chdir(ROOT)
    with pytest.raises(config_settings.ConfigError, match=output):
        config_settings.resolve(settings(**method))


def test_judgments_are_used_where_the_judge_is_trained_or_scores(monkeypatch):
    monkeypatch.chdir(ROOT)
    own = [{"train_on": ["actor"]}, *rounds(["actor", "judge"], ["actor"], scored_by=HUB)]
    config = settings(iterations=own)
    config["prompts"]["per_iteration"] = 4
    result = config_settings.resolve(config)
    assert [lineage.uses_judgments(result, f"scored/m{t}") for t in (1, 2, 3)] == [True, True, False]
    assert config_files.reward_models(result) == {
        "owner--reward-model--0123abc": {"repo": "owner/reward-model", "revision": "0123abc", "file": None}
    }


def test_rules_and_plan_agree_on_what_a_reward_model_takes(project, monkeypatch):
    """Two iterations of actor pairs by a reward model from the hub."""
    (project / "change.yaml").write_text(
        yaml.safe_dump({"methods": {"scored": {"scored_by": HUB, "iterations": rounds(["actor"], ["actor"])}}})
    )
    jobs = planned(project, *SMOKE, "change.yaml", "--config", "run=[scored]")
    assert (jobs["fetch_reward_model"], jobs["score_responses"], jobs["sample_and_judge"]) == (1, 2, 2)
    monkeypatch.chdir(ROOT)
    config = settings(scored_by=HUB, iterations=rounds(["actor"], ["actor"]))
    config["plan"]["reward_parameters"] = 7e9
    result = {row["stage"]: row for row in plan(config_settings.resolve(config), "H100")["rows"]}
    assert {name: result[name]["jobs"] for name in jobs if name in result} == {n: jobs[n] for n in jobs if n in result}
    row = result["score_responses"]
    assert row["completions"] == 2 * 6 * 4
    with open(ROOT / "config/smoke/prompts.jsonl", encoding="utf-8") as file:
        prompt = fmean(len(json.loads(line)["text"]) for line in file)
    tokens = row["prompt_tokens"] / row["requests"]
    assert tokens == pytest.approx(prompt + 24, abs=0.1)
    flop = 2 * 7e9 * row["prompt_tokens"]
    assert row["gpu_hours"] == pytest.approx((flop / (0.5 * 989e12) + 2 * ENGINE_START) / 3600, abs=1e-3)
    assert result["fetch_reward_model"]["disk_gb"] == 14


@pytest.mark.slow
def test_a_method_scored_by_a_reward_model_from_end_to_end(finished_smoke, tmp_path, weights):
    """M0's responses are there; they are scored, paired, trained on, and the page shows the model."""
    project = shutil.copytree(finished_smoke[0], tmp_path / "project", symlinks=True)
    (project / "change.yaml").write_text(
        yaml.safe_dump({"methods": {"scored": {"scored_by": str(weights), "iterations": rounds(["actor"])}}})
    )
    words = (*SMOKE, "change.yaml", "--config", "run=[scored]")
    jobs = planned(project, *words)
    assert (jobs["score_responses"], jobs["build_actor_pairs"], jobs["train_dpo"]) == (1, 1, 1)
    assert not {"sample_and_judge", "meta_judge", "fetch_reward_model"} & set(jobs)
    run = snakemake(project, *words)
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-6000:]
    folder = project / "results/smoke/scored/m1"
    prompts = {row["prompt_id"]: row["text"] for row in read(project / "results/smoke/data/prompts/1.jsonl")}
    texts = {row["response_id"]: row for row in read(folder.parents[1] / "m0/responses/0.jsonl")}
    result = {row["response_id"]: row["reward"] for row in read(folder / "rewards/0.jsonl")}
    for identity in sorted(result)[:3]:
        row = texts[identity]
        assert result[identity] == pytest.approx(by_hand(weights, prompts[row["prompt_id"]], row["text"]), abs=1e-3)
    pairs = read(folder / "pairs/actor.jsonl")
    assert pairs
    for pair in pairs:
        best = max(value for identity, value in result.items() if texts[identity]["prompt_id"] == pair["prompt_id"])
        assert result[pair["chosen_id"]] == pair["chosen_by"] == best
    page = (project / "results/smoke/report/index.html").read_text()
    assert "scored/m1" in page
    assert "score_responses" in page
    assert not planned(project, *words)
