"""EFT data: ranked replies, the split of prompts, and the judgments to train on."""

import gzip
import json
import os
from collections import Counter
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

from data.build_eft import build, sampled_judgments, too_few, written_judgments
from data.split_rankings import build as split_trees
from metarewarding import eft
from metarewarding.errors import UserError

ROOT = Path(__file__).parents[2]
TRUTH = Path(os.environ.get("TRUTH_DATA", ROOT.parent / "shared" / "truth")) / "oasst" / "en_100_tree.jsonl"


def reply(name, rank, **more):
    return {"message_id": name, "text": f"Reply {name}.", "role": "assistant", "lang": "en", "rank": rank} | more


def tree(*replies, name="t", **more):
    prompt = {"message_id": name, "text": f"Question {name}?", "role": "prompter", "lang": "en"}
    return {"message_tree_id": name, "prompt": prompt | {"replies": list(replies)} | more}


def usable_ids(*replies, machine_made=False, **more):
    """Return the message ids of the ranked replies of a tree, best first; ``more`` are keys of its prompt."""
    return [row["response_id"] for row in eft.ranked_replies(tree(*replies, **more), machine_made)]


def ranked(name, *ranks):
    return eft.ranked_replies(tree(*(reply(f"{name}-{i}", rank) for i, rank in enumerate(ranks)), name=name))


def without(message, *keys):
    return {key: value for key, value in message.items() if key not in keys}


# -- ranked_replies


def test_a_ranked_reply_is_a_row():
    assert eft.ranked_replies(tree(reply("a", 0))) == [
        {"prompt_id": "t", "response_id": "a", "prompt": "Question t?", "text": "Reply a.", "rank": 0}
    ]


def test_the_best_reply_stands_first():
    assert usable_ids(reply("c", 2), reply("a", 0), reply("b", 1)) == ["a", "b", "c"]


def test_a_written_judgment_comes_along():
    rows = eft.ranked_replies(tree(reply("a", 0, judgment="Good.\nScore: 4"), reply("b", 1, judgment=None)))
    assert [row.get("judgment") for row in rows] == ["Good.\nScore: 4", None]
    assert "judgment" not in rows[1]


@pytest.mark.parametrize(
    "bad",
    [
        reply("x", 1, deleted=True),
        reply("x", 1, synthetic=True),
        reply("x", 1, lang="de"),
        reply("x", 1, role="prompter"),
        reply("x", None),
        without(reply("x", 1), "rank"),
    ],
    ids=["deleted", "synthetic", "not English", "another role", "null rank", "no rank"],
)
def test_a_reply_that_does_not_count_is_left_out_alone(bad):
    assert usable_ids(reply("a", 0), bad, reply("b", 2)) == ["a", "b"]


@pytest.mark.parametrize(
    "more", [{"deleted": True}, {"synthetic": True}, {"lang": "es"}, {"role": "assistant"}], ids=" ".join
)
def test_a_prompt_that_does_not_count_leaves_its_replies_out(more):
    assert usable_ids(reply("a", 0), reply("b", 1), **more) == []


def test_synthetic_messages_count_where_that_is_asked_for():
    replies = reply("a", 0, synthetic=True), reply("b", 1), reply("c", 2, deleted=True, synthetic=True)
    assert usable_ids(*replies, machine_made=True) == ["a", "b"]
    assert usable_ids(*replies, machine_made=True, synthetic=True) == ["a", "b"]
    assert usable_ids(*replies) == ["b"]


def test_nulls_mean_not_so():
    assert usable_ids(reply("a", 0, deleted=None, synthetic=None, judgment=None), deleted=None, synthetic=None) == ["a"]
    assert usable_ids(replies=None) == []


def test_absent_keys_mean_not_so():
    bare = {"message_id": "a", "text": "Reply a.", "rank": 0}
    assert usable_ids(bare) == ["a"]
    assert eft.ranked_replies({"message_tree_id": "t", "prompt": {"text": "Why?", "replies": [bare]}}) != []
    assert eft.ranked_replies({"message_tree_id": "t", "prompt": {"text": "Why?"}}) == []


def test_only_replies_to_the_first_turn_count():
    deeper = reply("b", 0, role="prompter", replies=[reply("c", 0)])
    assert usable_ids(reply("a", 0, replies=[deeper])) == ["a"]


# -- read_trees


def test_trees_are_read_from_plain_and_zipped_files(tmp_path):
    trees = [tree(reply("a", 0), name="é"), tree(name="u")]
    text = "\n".join(json.dumps(one, ensure_ascii=False) for one in trees) + "\n\n"
    (tmp_path / "trees.jsonl").write_text(text, encoding="utf-8")
    with gzip.open(tmp_path / "trees.jsonl.gz", "wt", encoding="utf-8") as file:
        file.write(text)
    assert list(eft.read_trees(tmp_path / "trees.jsonl")) == trees
    assert list(eft.read_trees(tmp_path / "trees.jsonl.gz")) == trees


@pytest.mark.parametrize("line", ['{"message_tree_id": "t"', "[]", "{}", '{"message_tree_id": "t", "prompt": {}}', "3"])
def test_a_line_that_is_no_tree_is_named(tmp_path, line):
    path = tmp_path / "trees.jsonl"
    path.write_text(json.dumps(tree()) + "\n" + line + "\n")
    with pytest.raises(UserError, match=r"trees\.jsonl, line 2"):
        list(eft.read_trees(path))


def test_a_zipped_file_that_is_cut_off_is_named(tmp_path):
    path = tmp_path / "trees.jsonl.gz"
    with gzip.open(path, "wt") as file:
        file.writelines(json.dumps(tree(name=str(i))) + "\n" for i in range(100))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(UserError, match=r"trees\.jsonl\.gz"):
        list(eft.read_trees(path))


# -- split

REPLIES = [ranked(f"t{i:02}", 0, 1, 2) for i in range(12)]


def names(part):
    return [rows[0]["prompt_id"] for rows in part]


def split(replies=REPLIES, ift=3, held_out=4, seed=0, comparison=0, exclude=False, ids=None):
    return eft.split(
        replies,
        np.random.default_rng(seed),
        ift_prompts=ift,
        eval_prompts=held_out,
        comparison_prompts=comparison,
        exclude_ift_prompts=exclude,
        eval_ids=ids,
    )


def test_held_out_prompts_are_never_trained_on_and_no_prompt_is_lost():
    parts = split()
    assert [len(parts[name]) for name in ("ift", "train", "eval")] == [3, 8, 4]
    assert sorted(names(parts["train"]) + names(parts["eval"])) == names(REPLIES)


def test_demonstrations_come_from_prompts_that_are_trained_on_and_only_for_want_of_them_from_others():
    assert set(names(split()["ift"])) <= set(names(split()["train"]))
    parts = split(ift=10, comparison=5)
    assert (len(parts["train"]), len(parts["comparison"])) == (7, 5)
    assert set(names(parts["ift"])) >= set(names(parts["train"])) | set(names(parts["comparison"])[4:])


def test_ift_prompts_can_be_excluded():
    parts = split(exclude=True)
    assert [len(parts[name]) for name in ("ift", "train", "eval")] == [3, 5, 4]
    assert sorted(names(parts["ift"]) + names(parts["train"]) + names(parts["eval"])) == names(REPLIES)


def test_the_prompts_of_table_3_are_the_held_out_ones_and_others_that_are_not_trained_on():
    parts = split(comparison=6)
    assert names(parts["comparison"])[:4] == names(parts["eval"])
    assert len(set(names(parts["comparison"]))) == 6
    assert sorted(names(parts["train"]) + names(parts["comparison"])) == names(REPLIES)
    assert names(split(comparison=2)["comparison"]) == names(split()["eval"])[:2]


def test_held_out_prompts_can_be_named():
    parts = split(ids=["t07", "t02", "t07"], comparison=3)
    assert names(parts["eval"]) == ["t07", "t02"]
    assert names(parts["comparison"])[:2] == ["t07", "t02"]
    assert len(parts["train"]) == 9
    with pytest.raises(UserError, match=r"eft\.eval_ids: 1 ids.*'t99'"):
        split(ids=["t07", "t99"])
    with pytest.raises(UserError, match=r"eft\.eval_ids: 1 ids.*'one'"):
        split([*REPLIES, ranked("one", 0)], ids=["one"])


def test_the_split_depends_on_the_seed_and_not_on_the_order_of_the_trees():
    assert split(comparison=6) == split(comparison=6)
    assert split(comparison=6) == split(REPLIES[::-1], comparison=6)
    assert names(split()["eval"]) != names(split(seed=1)["eval"])


def test_held_out_prompts_keep_all_their_replies():
    assert all(len(rows) == 3 for rows in split()["eval"])


def test_demonstrations_are_prompts_with_a_best_reply():
    # half of the prompts have lost their rank 0
    replies = [ranked(f"t{i:02}", *((0, 1) if i % 2 else (1, 2))) for i in range(12)]
    for seed in range(5):
        parts = split(replies, ift=3, held_out=3, seed=seed)
        assert [rows[0]["rank"] for rows in parts["ift"]] == [0] * 3
        assert len(parts["train"]) == 9


def test_prompts_with_one_reply_are_neither_trained_on_nor_held_out():
    replies = [ranked(f"t{i:02}", *((0, 1) if i % 2 else (0,))) for i in range(12)]
    parts = split(replies, ift=0, held_out=2)
    assert {len(rows) for rows in parts["train"] + parts["eval"]} == {2}
    assert (len(parts["train"]), len(parts["eval"])) == (4, 2)


def test_prompts_without_a_ranked_reply_are_passed_over():
    assert split([[], *REPLIES, []]) == split()


@pytest.mark.parametrize(
    ("ift", "held_out", "comparison", "exclude"),
    [(13, 1, 0, False), (0, 12, 0, False), (0, 13, 0, False), (0, 2, 12, False), (0, 2, 13, False), (6, 6, 0, True)],
)
def test_too_few_prompts_are_refused(ift, held_out, comparison, exclude):
    with pytest.raises(UserError, match=f"eft.ift_prompts {ift}, eft.eval_prompts {held_out}, .*prompts {comparison} "):
        split(ift=ift, held_out=held_out, comparison=comparison, exclude=exclude)
    assert split(ift=6, held_out=5, comparison=5, exclude=True)["train"]


# -- accepted


@pytest.mark.parametrize(
    ("scores", "ranks", "strict", "loose"),
    [
        ([5, 3, 1], [0, 1, 2], True, True),
        ([5, 1], [0, 1], True, True),
        ([5, 5, 1], [0, 1, 2], False, True),  # the top pair is tied, not inverted
        ([4, 5, 1], [0, 1, 2], False, False),  # Spearman 0.5, but the top pair is inverted
        ([5, 1, 3], [0, 1, 2], False, True),  # Spearman 0.5, and only the lower pair is inverted
        ([4, 3, 3.5], [0, 1, 2], False, True),
        ([5, 4, 1, 2], [0, 1, 2, 3], False, True),
        ([5, 4, 2, 1], [0, 1, 2, 3], True, True),
        ([5, 1, 3], [1, 2, 0], False, False),  # the second reply scores 5, the first 3
        ([3, 1, 5], [1, 2, 0], True, True),
        ([1, 3, 5], [0, 1, 2], False, False),
        ([3, 1, 5], [0, 1, 2], False, False),  # Spearman -0.5
        # ranks by score 3, 1, 2, 4 and by people 4, 3, 2, 1: Spearman 1 - 6 * (1 + 4 + 0 + 9) / 60 = -0.4
        ([3, 1, 2, 4], [0, 1, 2, 3], False, False),
        # ranks by score 3, 1, 4, 2 and by people 4, 3, 2, 1: 1 - 6 * (1 + 4 + 4 + 1) / 60 = 0; the top pair is right
        ([3, 1, 4, 2], [0, 1, 2, 3], False, False),
        ([4, 4, 4], [0, 1, 2], False, False),  # no order at all
        ([4.499999999999999, 4.5, 1], [0, 1, 2], False, True),  # the top pair is tied, but for rounding
        ([5], [0], False, False),
        ([5, 3], [0, 0], False, False),  # people order nothing
        # two replies that people put first together may be scored in any order
        ([3, 5, 1], [0, 0, 1], True, True),
        ([5, 3, 1], [0, 0, 1], True, True),
    ],
)
def test_judgments_are_accepted_when_they_order_the_replies_as_people_do(scores, ranks, strict, loose):
    assert eft.accepted(scores, ranks) is strict
    assert eft.accepted(scores, ranks, "loose") is loose


def test_a_judge_that_scores_at_random_passes_one_order_in_six():
    orders = list(permutations([5, 3, 1]))
    assert sum(eft.accepted(order, [0, 1, 2]) for order in orders) == 1
    assert sum(eft.accepted(order, [0, 1, 2], "loose") for order in orders) == 2


# -- rebalance


def rows_of(counts):
    """Return rows with these scores, mixed."""
    rows = [{"response_id": f"{score}-{i}", "score": score} for score, count in counts.items() for i in range(count)]
    return [rows[i] for i in np.random.default_rng(9).permutation(len(rows))]


def rebalanced(counts, seed=0):
    rows = rows_of(counts)
    result = eft.rebalance(rows, np.random.default_rng(seed))
    place = {row["response_id"]: i for i, row in enumerate(rows)}
    places = [place[row["response_id"]] for row in result]
    assert places == sorted(places)  # the order stays
    return result


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({4: 20, 3: 5, 5: 4, 1: 1}, {4: 10, 3: 5, 5: 4, 1: 1}),
        ({4.5: 9, 2: 4}, {4.5: 8, 2: 4}),
        ({4: 10, 3: 5}, {4: 10, 3: 5}),  # no more than twice
        ({4: 5, 3: 5, 2: 1}, {4: 5, 3: 5, 2: 1}),
        ({4: 7}, {4: 7}),  # there is nothing to balance it with
        ({}, {}),
    ],
)
def test_the_most_common_score_is_thinned_to_twice_the_second(before, after):
    assert Counter(row["score"] for row in rebalanced(before)) == after


def test_which_rows_go_is_drawn_by_the_seed():
    assert rebalanced({4: 20, 3: 5}) == rebalanced({4: 20, 3: 5})
    assert rebalanced({4: 20, 3: 5}) != rebalanced({4: 20, 3: 5}, seed=1)


@pytest.mark.parametrize("count", [0, 1, 7, 9])
def test_so_many_examples_are_drawn_by_the_seed_and_keep_their_order(count):
    rows = rows_of({4: 9})

    def drawn(seed):
        return eft.cut(rows, count, np.random.default_rng(seed))

    assert len(drawn(0)) == count
    assert [row for row in rows if row in drawn(0)] == drawn(0) == drawn(0)
    assert (len({str(drawn(seed)) for seed in range(9)}) > 1) is (count in (1, 7))
    assert eft.cut(rows, None, np.random.default_rng(0)) == rows


# -- examples and build

TEMPLATE = "User: {prompt}\n<response>{response}</response>"


def test_an_example_is_the_judge_prompt_and_a_judgment():
    assert eft.examples(ranked("t", 0), {"t-0": [("Good.\nScore: 4", 4.0), ("Fair.\nScore: 3", 3.0)]}, TEMPLATE) == [
        {
            "prompt_id": "t",
            "response_id": "t-0",
            "prompt": [{"role": "user", "content": "User: Question t?\n<response>Reply t-0.</response>"}],
            "completion": [{"role": "assistant", "content": text}],
            "score": value,
        }
        for text, value in (("Good.\nScore: 4", 4.0), ("Fair.\nScore: 3", 3.0))
    ]


def test_a_ranked_reply_without_a_readable_judgment_is_named():
    rows = eft.ranked_replies(tree(reply("a", 0, judgment="Good.\nScore: 4"), reply("b", 1, judgment="No idea.")))
    assert written_judgments(rows[:1], "trees.jsonl") == {"a": [("Good.\nScore: 4", 4)]}
    with pytest.raises(UserError, match=r"trees\.jsonl.*'b'"):
        written_judgments(rows, "trees.jsonl")


def test_only_accepted_prompts_are_trained_on_and_held_out_ones_never(tmp_path):
    # In t0 to t4 the written scores follow the ranks, in t5 to t9 they are the other way round.
    path = tmp_path / "trees.jsonl"
    trees = [
        tree(*(reply(f"t{i}-{k}", k, judgment=f"Score: {2 - k if i < 5 else 1 + k}") for k in (0, 1)), name=f"t{i}")
        for i in range(10)
    ]
    path.write_text("".join(json.dumps(one) + "\n" for one in trees))
    wanted = {"ift_prompts": 2, "eval_prompts": 3, "comparison_prompts": 5}
    parts, facts = split_trees(path, seed=0, **wanted)
    candidates = [row for rows in parts["train"] for row in rows]
    train, of_build = build(candidates, written_judgments(candidates, path), 1, TEMPLATE, seed=0)
    trained = {row["prompt_id"] for row in train}
    assert (len(parts["ift"]), len(parts["eval"])) == (2, 3)
    rest = {f"t{i}" for i in range(10)} - set(names(parts["comparison"]))
    assert set(names(parts["train"])) == rest
    assert trained == rest & {f"t{i}" for i in range(5)}
    assert (facts["train_prompts"], facts["comparison_prompts"]) == (5, 5)
    assert of_build["train_prompts_judged"] == 5
    assert of_build["train_prompts_accepted"] == len(trained)
    assert facts["eval_replies"] == sum(map(len, parts["eval"])) == 6


# -- sampled judgments


def judgment(of_reply, j, score, reason="stop"):
    text = f"Text {of_reply} {j}." + (f"\nScore: {score}" if score is not None else "")
    return {
        "prompt_id": of_reply.rsplit("-", 1)[0],
        "response_id": of_reply,
        "judgment_id": f"{of_reply}/j{j}",
        "text": text,
        "score": score,
        "finish_reason": reason,
    }


def test_unparsed_and_truncated_judgments_are_neither_counted_nor_learned_from():
    rows = [
        judgment("t-0", 0, 4.0),
        judgment("t-0", 1, None),
        judgment("t-0", 2, 1.0, "length"),
        judgment("t-1", 0, None),
    ]
    judgments, facts = sampled_judgments(rows)
    assert judgments == {"t-0": [("Text t-0 0.\nScore: 4.0", 4.0)]}
    assert facts == {"judgments": 4, "judgments_unparsed": 2, "judgments_truncated": 1}


@pytest.mark.parametrize(
    ("scores", "count", "kept"),
    [
        ([1, 5, 3], 1, [3]),
        ([5, 4, 4, 3], 2, [4, 4]),
        ([2, 4], 1, [2]),  # equally near: the earlier drawn
        ([4.1, 4.7], 1, [4.1]),  # also where the mean, 4.4, is rounded
        ([5, 1, 1], 2, [1, 1]),  # mean 2.33
        ([1, 5, 3], None, [3, 1, 5]),
        ([4], 3, [4]),
    ],
)
def test_the_judgments_nearest_to_the_mean_are_learned_from(scores, count, kept):
    judgments = [(f"text {i}", score) for i, score in enumerate(scores)]
    assert [score for _, score in eft.nearest_to_mean(judgments, count)] == kept


def judged_replies():
    """Return replies whose means, 4 and 3, follow the ranks, although one judgment of the second reply is 5."""
    replies = [*ranked("t", 0, 1), *ranked("u", 0, 1), *ranked("v", 0, 1), *ranked("w", 0, 1, 2)]
    scores = {"t-0": [4, 4], "t-1": [5, 3, 1], "u-0": [2], "u-1": [3], "v-0": [5], "w-0": [5], "w-2": [1]}
    return replies, {key: [(f"{key} says {score}", float(score)) for score in values] for key, values in scores.items()}


def test_mean_scores_decide_and_strict_acceptance_wants_a_score_of_every_reply():
    replies, judgments = judged_replies()
    train, facts = build(replies, judgments, 1, TEMPLATE, seed=0)
    assert [(row["response_id"], row["score"]) for row in train] == [("t-0", 4), ("t-1", 3)]
    assert (facts["train_prompts_judged"], facts["train_prompts_accepted"], facts["train_judgments"]) == (2, 1, 2)
    everything, _ = build(replies, judgments, None, TEMPLATE, seed=0)
    assert len(everything) == 2 + 3


def test_loose_acceptance_leaves_replies_without_a_score_out():
    train, facts = build(*judged_replies(), 1, TEMPLATE, 0, "loose")
    assert [(row["response_id"], row["score"]) for row in train] == [("t-0", 4), ("t-1", 3), ("w-0", 5), ("w-2", 1)]
    assert (facts["train_prompts_judged"], facts["train_prompts_accepted"], facts["train_judgments"]) == (3, 2, 4)


def test_train_examples_is_the_size_and_fewer_give_none():
    replies, judgments = judged_replies()
    sizes = {
        wanted: len(build(replies, judgments, None, TEMPLATE, 0, "strict", wanted)[0]) for wanted in (None, 1, 5, 6)
    }
    assert sizes == {None: 5, 1: 1, 5: 5, 6: 0}
    _, facts = build(replies, judgments, None, TEMPLATE, 0, "strict", 6)
    output = too_few(facts | {"train_prompts": 4}, "seed", 6)
    assert "EFT has 5 examples, and eft.train_examples asks for 6. Of 4 prompts, 2 have readable" in output
    assert "the scores order 1 of these as people did (eft.acceptance: strict), which gives 5 judgments" in output


# -- counts

needs_trees = pytest.mark.skipif(
    not TRUTH.is_file(),
    reason=f"needs Open Assistant's {TRUTH.name}: set TRUTH_DATA to a folder that holds it in oasst/",
)


def test_counts_by_hand():
    # three replies with ranks 0, 1, 1: two ordered pairs; two replies with ranks 1, 2: one; one reply alone: none
    counts = eft.count([ranked("a", 0, 1, 1), ranked("b", 1, 2), ranked("c", 0), []])
    assert counts == {"prompts": 2, "replies": 5, "ordered_pairs": 3, "ift": 2}


@needs_trees
def test_counts_of_a_hundred_real_trees():
    trees = list(eft.read_trees(TRUTH))
    counts = eft.count(eft.ranked_replies(one, synthetic=True) for one in trees)
    assert counts == {"prompts": 99, "replies": 330, "ordered_pairs": 438, "ift": 99}


@needs_trees
def test_a_hundred_real_trees_are_split_and_counted():
    parts, facts = split_trees(TRUTH, seed=0, ift_prompts=20, eval_prompts=10, comparison_prompts=15)
    assert facts["ranked"] == {"prompts": 99, "replies": 330, "ordered_pairs": 438, "ift": 99}
    assert len(parts["ift"]) == facts["ift_prompts"] == 20
    assert (facts["eval_prompts"], facts["comparison_prompts"]) == (10, 15)
    assert facts["train_prompts"] == facts["ranked_and_not_synthetic"]["prompts"] - 15 == 79
    assert facts["train_replies"] == sum(map(len, parts["train"]))
    assert facts["eval_replies"] == sum(map(len, parts["eval"]))


@needs_trees
def test_machine_made_replies_of_real_trees_are_left_out():
    # 5 of the 100 prompts are machine-made, and with them 17 of the 330 replies
    counts = eft.count(eft.ranked_replies(one) for one in eft.read_trees(TRUTH))
    assert (counts["prompts"], counts["replies"]) == (94, 313)
