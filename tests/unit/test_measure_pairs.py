"""Which pairs are held out, capped and measured, and the measurements."""

import math
import random

import pytest

from metarewarding.training import measure_pairs


def pair(prompt, kind):
    chats = {side: [{"role": "assistant", "content": text}] for side, text in (("chosen", "abc"), ("rejected", "a"))}
    ids = {"chosen_id": f"p{prompt}/{kind}/a", "rejected_id": f"p{prompt}/{kind}/b"}
    return {"prompt_id": f"p{prompt}", "kind": kind, "tokens": [4, 2]} | ids | chats


PAIRS = [pair(prompt, kind) for kind in ("actor", "judge") for prompt in range(20)]


def ids(pairs):
    return {row["chosen_id"] for row in pairs}


@pytest.mark.parametrize(
    ("prompts", "share", "count"), [(20, 0, 0), (20, 0.1, 2), (20, 0.001, 1), (3, 0.99, 2), (1, 0.5, 0), (0, 0.5, 0)]
)
def test_some_prompts_are_held_out_and_never_all(prompts, share, count):
    assert len(measure_pairs.held_out_prompts({f"p{i}" for i in range(prompts)}, share, seed=0)) == count


def test_both_pairs_of_a_prompt_are_on_one_side():
    trained, measured = measure_pairs.split(PAIRS, seed=0, held_out=0.25)
    held_out = {row["prompt_id"] for row in measured}
    assert len(held_out) == 5
    assert len(measured) == 10
    assert not held_out & {row["prompt_id"] for row in trained}
    assert len(trained) == 30


def test_draws_depend_on_the_seed_and_not_on_the_order_of_rows():
    def drawn(pairs, seed):
        trained, measured = measure_pairs.split(pairs, seed, max_judge_pairs=5, held_out=0.1, measured_pairs=4)
        return ids(trained), ids(measured)

    shuffled = random.Random(0).sample(PAIRS, len(PAIRS))
    assert drawn(PAIRS, 0) == drawn(shuffled, 0)
    assert drawn(PAIRS, 0) != drawn(PAIRS, 1)


def test_the_cap_is_for_judge_pairs_that_are_trained_on():
    trained, measured = measure_pairs.split(PAIRS, seed=0, max_judge_pairs=5, held_out=0.1, measured_pairs=50)
    assert [row["kind"] for row in trained] == ["actor"] * 18 + ["judge"] * 5
    assert ids(row for row in measured if row["set"] == "trained") == ids(trained)
    assert len(measured) == 18 + 5 + 2 * 2


def test_the_cap_alone_measures_nothing():
    trained, measured = measure_pairs.split(PAIRS, seed=0, max_judge_pairs=100)
    assert (trained, measured) == (PAIRS, [])


def test_a_summary_is_worked_out_by_hand():
    pairs = [pair(i, "actor") | {"set": "trained"} for i in range(2)]
    # rewards at beta 0.1: (1, 0) and (0, 0)
    (row,) = measure_pairs.summarise(1, pairs, [[-10, -30], [-5, -6]], [[-20, -30], [-5, -6]], 0.1, {1: (0.5, 1)})
    assert row["loss"] == pytest.approx((math.log(1 + math.exp(-1)) + math.log(2)) / 2)
    assert (row["accuracy"], row["margin"], row["pairs"]) == (0.75, 0.5, 2)
    assert (row["chosen_reward"], row["rejected_reward"]) == (0.5, 0)
    assert (row["chosen_logp"], row["rejected_logp"]) == (-7.5, -18)
    assert (row["chosen_characters"], row["rejected_characters"]) == (3, 1)
    assert (row["chosen_tokens"], row["rejected_tokens"]) == (4, 2)
    assert (row["kl"], row["kl_pairs"]) == (1.5 / 6, 1)


def test_a_large_margin_has_a_finite_loss():
    (row,) = measure_pairs.summarise(1, [pair(0, "judge") | {"set": "held_out"}], [[-9e4, 0]], [[0, 0]], 0.1, {})
    assert row["loss"] == pytest.approx(9000)
    assert row["kl"] is None
