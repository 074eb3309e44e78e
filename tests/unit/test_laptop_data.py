"""The laptop's data: enough of it, in the right form, and no instruction twice."""

from collections import Counter

from conftest import ROOT

from metarewarding import eft, judging
from metarewarding.records import Prompt, read_jsonl

LAPTOP = ROOT / "config/laptop"
TREES = list(eft.read_trees(LAPTOP / "trees.jsonl"))


def test_there_is_enough_and_no_instruction_stands_twice():
    prompts, arena = (read_jsonl(LAPTOP / name, Prompt) for name in ("prompts.jsonl", "arena.jsonl"))
    assert len(TREES) >= 48
    assert len(prompts) >= 64
    assert len(arena) >= 6
    texts = [row["text"] for row in prompts + arena] + [tree["prompt"]["text"] for tree in TREES]
    plain = [" ".join(text.lower().split()) for text in texts]
    assert len(set(plain)) == len(plain)


def test_every_tree_has_three_ranked_replies_judged_in_the_order_of_their_ranks():
    scores = Counter()
    for tree in TREES:
        replies = eft.ranked_replies(tree)
        assert [row["rank"] for row in replies] == [0, 1, 2]
        of_tree = [judging.parse_score(row["judgment"]) for row in replies]
        assert of_tree[0] > of_tree[1] > of_tree[2]
        scores.update(of_tree)
    assert set(scores) == {0, 1, 2, 3, 4, 5}
    assert max(scores.values()) < 2 * min(scores.values())  # no score that a judge could always give
