"""EFT from an Open Assistant of the real shape: the counts of every step, from trees to the paper's 1,630 examples."""

import json
import random

import pytest
from conftest import ROOT
from plan import plan
from settings import load, resolve
from test_sampling import DECODING, Engine, text_of_request

from data.build_eft import build, sampled_judgments, too_few
from data.split_rankings import build as split_trees
from metarewarding import judging

ENGLISH, OTHERS, MACHINE_MADE = 3664, 5990, 192  # trees of the release: 9,846
TEMPLATE = "User: {prompt}\n<response>{response}</response>"
HELD_OUT = {"ift_prompts": 3200, "eval_prompts": 190, "comparison_prompts": 375}
REPLIES = {2: 15, 3: 45, 4: 35, 5: 5}  # share of the prompts with so many: 3.3 a prompt


@pytest.fixture(scope="module")
def trees(tmp_path_factory):
    drawn, path = random.Random(0), tmp_path_factory.mktemp("oasst") / "trees.jsonl"
    kinds = [("en", False)] * ENGLISH + [("es", False)] * OTHERS + [("en", True)] * MACHINE_MADE
    drawn.shuffle(kinds)
    with open(path, "w") as file:
        for i, (lang, machine_made) in enumerate(kinds):
            (count,) = drawn.choices(list(REPLIES), REPLIES.values())
            replies = [
                {"message_id": f"{i}-{k}", "text": f"rank {rank}", "role": "assistant", "lang": lang, "rank": rank}
                for k, rank in enumerate(drawn.sample(range(count), count))
            ]
            prompt = {"text": f"Question {i}?", "role": "prompter", "lang": lang, "synthetic": machine_made}
            file.write(json.dumps({"message_tree_id": str(i), "prompt": prompt | {"replies": replies}}) + "\n")
    return path


def annotator(step: float):
    """Return judgments with scores that fall by ``step`` a rank; most are 4, one in 20 has no score."""
    drawn = random.Random(0)

    def answer(request):
        rank = int(text_of_request(request).split("rank ")[1].split("<")[0])
        worth = drawn.gauss(4 - step * rank, 0.4)
        scores = [min(5, max(0, round(drawn.gauss(worth, 0.4)))) for _ in range(request.n)]
        return [f"Reasons {i}." + f"\nScore: {s}" * (drawn.random() > 0.05) for i, s in enumerate(scores)]

    return answer


def judge(candidates, answer):
    texts = {row["prompt_id"]: row["prompt"] for row in candidates}
    rows, _ = judging.judge(Engine(answer), texts, candidates, TEMPLATE, 11, DECODING, 0)
    return sampled_judgments(rows)[0]


def candidates_of(trees, **changes):
    parts, facts = split_trees(trees, 0, **HELD_OUT | changes)
    return [row for of_prompt in parts["train"] for row in of_prompt], facts


@pytest.fixture(scope="module")
def judged(trees):
    candidates, facts = candidates_of(trees)
    return candidates, judge(candidates, annotator(0.15)), facts


def test_the_papers_size_is_reached_and_every_step_is_counted(judged, monkeypatch):
    candidates, judgments, facts = judged
    assert facts["trees"] == ENGLISH + OTHERS + MACHINE_MADE
    assert facts["ranked_and_not_synthetic"]["prompts"] == ENGLISH
    assert facts["ranked"]["prompts"] == ENGLISH + MACHINE_MADE
    assert (facts["ift_prompts"], facts["eval_prompts"], facts["comparison_prompts"]) == (3200, 190, 375)
    assert facts["train_prompts"] == ENGLISH - 375
    assert facts["train_replies"] == len(candidates) == pytest.approx(3.3 * (ENGLISH - 375), rel=0.02)

    train, counts = build(candidates, judgments, 1, TEMPLATE, 0, "strict", 1630)
    assert len(train) == counts["train_examples"] == 1630
    assert counts["train_prompts_judged"] == ENGLISH - 375
    assert 572 < counts["train_prompts_accepted"] < 0.4 * (ENGLISH - 375)
    assert counts["train_replies_accepted"] == counts["train_judgments"]
    assert counts["train_judgments"] > counts["train_judgments_after_rebalancing"] > 1630  # 4 was thinned
    most, second = sorted(counts["train_scores"].values())[::-1][:2]
    assert most == pytest.approx(2 * second, rel=0.1)  # but for the draw of the 1,630

    monkeypatch.chdir(ROOT)
    (planned,) = [row for row in plan(resolve(load(["config/paper.yaml"])))["rows"] if row["stage"] == "annotate_eft"]
    assert planned["requests"] == pytest.approx(facts["train_replies"], rel=0.02)


def test_strict_acceptance_takes_fewer_than_loose(judged):
    candidates, judgments, _ = judged
    strict, loose = (
        build(candidates, judgments, 1, TEMPLATE, 0, rule)[1]["train_prompts_accepted"] for rule in ("strict", "loose")
    )
    assert strict < 0.7 * loose


def test_without_the_ift_prompts_too_few_examples_are_left(trees):
    candidates, facts = candidates_of(trees, exclude_ift_prompts=True, comparison_prompts=190)
    assert facts["train_prompts"] == ENGLISH - 190 - 3200 == 274
    train, counts = build(candidates, judge(candidates, annotator(0.5)), 1, TEMPLATE, 0, "strict", 1630)
    assert train == []
    assert counts["train_replies_accepted"] < 1630
    assert "eft.train_examples asks for 1630. Of 274 prompts, 274 have" in too_few(facts | counts, "seed", 1630)
