"""From prompts to preference pairs, with an actor, a judge and meta-judges of known biases."""

import random
import re

import numpy as np
import pytest
from jobs import judgment, response
from scipy.special import expit

from benchmarks.judge_agreement import score
from metarewarding import judging, meta_judging
from metarewarding.engines import sampling
from metarewarding.errors import UserError
from metarewarding.evaluation.arena_laptop import by_prompt, win_rate
from metarewarding.records import write_json
from preferences.build_actor_pairs import actor_pairs, first_judgments, first_responses, why_none
from preferences.build_judge_pairs import judge_pairs
from preferences.check_pairs import check, collect, parse_rate
from preferences.fit_elo import elo_rows
from prompts.slice_prompts import slice_of

DECODING = sampling.Decoding(temperature=0.8, top_p=0.95, max_tokens=64)
JUDGE = "Judge.\nUser: {prompt}\n<response>{response}</response>"
META_JUDGE = "Compare.\nUser: {prompt}\nResponse: {response}\n[A]{judgment_a}[B]{judgment_b}[?]"

PROMPTS = [{"prompt_id": "p", "text": "Why?"}, {"prompt_id": "q", "text": "How?"}]

# What the actor answers, and how the judge judges each answer.
#   p/r0  scores 5, 5, 4     mean 14/3, variance 2/9
#   p/r1  scores 3, 1, 5     mean 3,    variance 8/3: the response that is meta-judged
#   p/r2  scores 2, 2, none  mean 2,    variance 0
#   q/r0  scores 4, 4, 4     q/r1 is the same text as q/r0; q/r2 scores 4, 4, 4: q gives no pair of either kind
ANSWERS = {"Why?": ["Because.", "It has its reasons.", "I do not know, sorry."], "How?": ["So.", "So.", "Like this."]}
JUDGMENTS = {
    "Because.": ["Right.\nScore: 5", "Short and right.\nScore: 5", "Too short.\nScore: 4"],
    "It has its reasons.": [
        "Fair, as it is on the topic.\nScore: 3",  # j0, of middle length
        "Poor: it is vague, and it says nothing that was not known.\nScore: 1",  # j1, the longest
        "Great.\nScore: 5",  # j2, the shortest
    ],
    "I do not know, sorry.": ["Of no use.\nScore: 2", "It is honest.\nScore: 2", "It is honest."],
    "So.": ["Fine.\nScore: 4", "Good.\nScore: 4", "Nice.\nScore: 4"],
    "Like this.": ["Fine.\nScore: 4", "Good.\nScore: 4", "Nice.\nScore: 4"],
}
J0, J1, J2 = (f"p/r1/j{k}" for k in range(3))


class World:
    """An engine that plays the three roles; ``prefers(first, second)`` is the meta-judge: "A", "B" or None."""

    def __init__(self, prefers):
        self.prefers = prefers

    def generate(self, requests):
        return [
            [sampling.Completion(text, len(text.split()), "stop") for text in self.answer(request)]
            for request in requests
        ]

    def answer(self, request):
        text = request.messages[-1]["content"]
        if text.startswith("Judge."):
            response = re.search("<response>(.*)</response>", text)[1]
            return JUDGMENTS[response][: request.n]
        if text.startswith("Compare."):
            winner = self.prefers(*re.search(r"\[A\](.*)\[B\](.*)\[\?\]", text, re.DOTALL).groups())
            return ["It is a matter of taste." if winner is None else f"Winner: Judgement {winner}"]
        return ANSWERS[text][: request.n]

    def usage(self):
        return 0, 0


def run(prefers):
    """Return (responses, judgments, meta-judgments) of the world with this meta-judge."""
    engine, texts = World(prefers), {row["prompt_id"]: row["text"] for row in PROMPTS}
    responses, _ = sampling.respond(engine, PROMPTS, 3, DECODING, seed=0)
    unlike = sampling.distinct(responses)
    judgments, _ = judging.judge(engine, texts, unlike, JUDGE, 3, DECODING, seed=0)
    verdicts, _ = meta_judging.meta_judge(engine, texts, unlike, judgments, META_JUDGE, DECODING, seed=0)
    return responses, judgments, verdicts


def elo_and_pairs(prefers, l2=1e-3, position_weights="iteration", seed=0, max_judgment_chars=None):
    """Return ({judgment id: Elo}, facts of the Elo scores, judge pairs, facts of the pairs)."""
    responses, judgments, verdicts = run(prefers)
    elo, elo_facts = elo_rows(judgments, verdicts, position_weights, l2)
    pairs, facts = judge_pairs(PROMPTS, responses, judgments, elo, JUDGE, max_judgment_chars, seed)
    return {row["judgment_id"]: row["elo"] for row in elo}, elo_facts, pairs, facts


def always_first(first, second):
    return "A"


def always_second(first, second):
    return "B"


def the_longer(first, second):
    return "A" if len(first) > len(second) else "B"


def never(first, second):
    return None


def actor(responses, judgments, rho=0.0, max_chosen_chars=None, truncated=False, k=None, n=None, prompts=None):
    prompts = prompts if prompts is not None else PROMPTS
    return actor_pairs(prompts, responses, judgments, rho, max_chosen_chars, truncated, k, n, None)


# -- the whole way: actor pairs


def test_the_actor_pair_is_the_best_and_the_worst_response():
    responses, judgments, _ = run(never)
    _, pairs, facts = actor(responses, judgments)
    assert pairs == [
        {
            "prompt_id": "p",
            "kind": "actor",
            "prompt": [{"role": "user", "content": "Why?"}],
            "chosen": [{"role": "assistant", "content": "Because."}],
            "rejected": [{"role": "assistant", "content": "I do not know, sorry."}],
            "chosen_id": "p/r0",
            "rejected_id": "p/r2",
            "chosen_by": pytest.approx(14 / 3),
            "rejected_by": 2,  # the unparsed judgment is no score
        }
    ]
    assert (facts["prompts"], facts["pairs"]) == (2, 1)
    assert facts["outcome"] == {"pair": 1, "all scores equal": 1}


def test_the_score_rows_hold_each_distinct_response_once():
    responses, judgments, _ = run(never)
    scores, _, facts = actor(responses, judgments)
    assert [(row["response_id"], row["score"], row["judgments"], row["length"]) for row in scores] == [
        ("p/r0", pytest.approx(14 / 3), 3, 8),
        ("p/r1", 3, 3, 19),
        ("p/r2", 2, 2, 21),
        ("q/r0", 4, 3, 3),
        ("q/r2", 4, 3, 10),
    ]
    assert (facts["responses"], facts["distinct_responses"], facts["scored_responses"]) == (6, 5, 5)


def test_the_order_of_responses_and_judgments_does_not_matter():
    responses, judgments, _ = run(never)
    _, expected, _ = actor(responses, judgments)
    for seed in range(10):
        shuffle = random.Random(seed).sample
        _, pairs, _ = actor(shuffle(responses, len(responses)), shuffle(judgments, len(judgments)))
        assert pairs == expected


def test_the_system_prompt_stands_in_the_actor_pair():
    responses, judgments, _ = run(never)
    _, pairs, _ = actor_pairs(PROMPTS, responses, judgments, 0, None, False, None, None, "Be brief.")
    assert pairs[0]["prompt"] == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?"}]


# -- the whole way: judge pairs


def test_only_the_most_disputed_response_is_meta_judged():
    _, _, verdicts = run(always_first)
    assert {row["response_id"] for row in verdicts} == {"p/r1"}
    assert len(verdicts) == 6


def test_a_meta_judge_that_always_takes_the_first_prefers_nothing():
    # 6 wins in the first place, 0 in the second: omega1 = 0 and omega2 = 1, and all battles weigh 0
    elo, elo_facts, pairs, facts = elo_and_pairs(always_first)
    assert (elo_facts["first_wins"], elo_facts["second_wins"]) == (6, 0)
    assert (elo_facts["omega1"], elo_facts["omega2"]) == (0, 1)
    assert elo == {J0: 0, J1: 0, J2: 0}
    assert pairs == []
    assert facts["outcome"] == {
        "all Elo scores equal (no verdict, or a draw)": 1,
        "no response with two differing scores and texts": 1,
    }


@pytest.mark.parametrize("bias", [always_first, always_second])
@pytest.mark.parametrize("weights", ["iteration", "response", "none"])
def test_a_position_is_no_preference_with_any_weights(bias, weights):
    # with equal weights each judgment gets 0.5 against each other one: a draw
    elo, _, pairs, _ = elo_and_pairs(bias, position_weights=weights)
    np.testing.assert_allclose(list(elo.values()), 0, atol=1e-9)
    assert pairs == []


def test_a_meta_judge_that_takes_the_longer_ranks_by_length():
    # Each pair is won by the longer in both orders: 3 wins in each place, omega1 = omega2 = 1/2, and the winner
    # of a pair has 1/2 + 1/2 = 1. Order j1, j0, j2, so Elo is (x, 0, -x) with s(-x) + s(-2x) = l2 x;
    # l2 = (s(-2) + s(-4)) / 2 gives x = 2.
    elo, elo_facts, (pair,), _ = elo_and_pairs(the_longer, l2=(expit(-2) + expit(-4)) / 2)
    assert (elo_facts["omega1"], elo_facts["omega2"]) == (0.5, 0.5)
    assert elo == {J1: pytest.approx(2), J0: pytest.approx(0, abs=1e-9), J2: pytest.approx(-2)}
    assert pair == {
        "prompt_id": "p",
        "kind": "judge",
        "prompt": [{"role": "user", "content": "Judge.\nUser: Why?\n<response>It has its reasons.</response>"}],
        "chosen": [{"role": "assistant", "content": JUDGMENTS["It has its reasons."][1]}],
        "rejected": [{"role": "assistant", "content": JUDGMENTS["It has its reasons."][2]}],
        "chosen_id": J1,
        "rejected_id": J2,
        "chosen_by": pytest.approx(2),
        "rejected_by": pytest.approx(-2),
    }


def test_unparsed_presentations_leave_the_other_order_alone():
    # As above, but what shows j0 first is not read. Left: (j1, j0) and (j1, j2) won by the first, (j2, j0) and
    # (j2, j1) by the second: omega 1/2 each; B[j1, j0] = 1/2, B[j1, j2] = 1, B[j0, j2] = 1/2.
    # Elo (x, 0, -x) in the order j1, j0, j2 with s(-x) / 2 + s(-2x) = l2 x; x = 1 for l2 = s(-1) / 2 + s(-2).
    def prefers(first, second):
        return None if first.startswith("Fair") else the_longer(first, second)

    elo, elo_facts, (pair,), _ = elo_and_pairs(prefers, l2=expit(-1) / 2 + expit(-2))
    assert (elo_facts["presentations"], elo_facts["unparsed"]) == (6, 2)
    assert (elo_facts["first_wins"], elo_facts["second_wins"]) == (2, 2)
    assert elo == {J1: pytest.approx(1), J0: pytest.approx(0, abs=1e-9), J2: pytest.approx(-1)}
    assert (pair["chosen_id"], pair["rejected_id"]) == (J1, J2)


def first_but_for_j1(first, second):
    """Prefer the first, unless the second is j1: j1 always wins, the others win by position."""
    return "B" if second.startswith("Poor") else "A"


def test_position_bias_is_weighed_and_not_thrown_away():
    # 4 wins in the first place: (j0, j2), (j1, j0), (j1, j2), (j2, j0); 2 in the second: (j0, j1), (j2, j1).
    # omega1 = 1/3, omega2 = 2/3. B[j1, j0] = B[j1, j2] = 1/3 + 2/3, B[j0, j2] = B[j2, j0] = 1/3.
    # Elo j1 = 2y, j0 = j2 = -y with 2 s(-3y) = l2 2y; y = 1 for l2 = s(-3).
    elo, elo_facts, (pair,), _ = elo_and_pairs(first_but_for_j1, l2=expit(-3))
    assert (elo_facts["omega1"], elo_facts["omega2"]) == (pytest.approx(1 / 3), pytest.approx(2 / 3))
    assert elo == {J1: pytest.approx(2), J0: pytest.approx(-1), J2: pytest.approx(-1)}
    assert pair["chosen_id"] == J1


def test_a_tie_for_the_lowest_elo_is_drawn_by_the_seed():
    rejected = [elo_and_pairs(first_but_for_j1, seed=seed)[2][0]["rejected_id"] for seed in range(20)]
    assert set(rejected) == {J0, J2}
    assert rejected == [elo_and_pairs(first_but_for_j1, seed=seed)[2][0]["rejected_id"] for seed in range(20)]


def truncated(judgments, cut):
    return [row | {"finish_reason": "length" if row["judgment_id"] == cut else "stop"} for row in judgments]


def test_a_truncated_judgment_is_never_chosen_and_may_be_rejected():
    responses, judgments, verdicts = run(the_longer)  # order j1, j0, j2
    elo, _ = elo_rows(judgments, verdicts, "iteration", 1e-3)
    pairs, facts = judge_pairs(PROMPTS, responses, truncated(judgments, J1), elo, JUDGE, None, 0)
    assert pairs == []
    assert facts["outcome"]["the judgment of highest Elo may not be chosen (cut at the token limit)"] == 1
    (pair,), _ = judge_pairs(PROMPTS, responses, truncated(judgments, J2), elo, JUDGE, None, 0)
    assert (pair["chosen_id"], pair["rejected_id"]) == (J1, J2)


def test_a_meta_judge_that_is_never_read_gives_no_judge_pair():
    elo, elo_facts, pairs, _ = elo_and_pairs(never)
    assert (elo_facts["unparsed"], elo_facts["omega1"], elo_facts["omega2"]) == (6, 0.5, 0.5)
    assert set(elo.values()) == {0}
    assert pairs == []


@pytest.mark.parametrize("bias", [the_longer, first_but_for_j1])
def test_shuffled_rows_give_the_same_elo_and_the_same_pair(bias):
    responses, judgments, verdicts = run(bias)
    expected, expected_facts = elo_rows(judgments, verdicts, "iteration", 1e-3)
    expected_pairs, _ = judge_pairs(PROMPTS, responses, judgments, expected, JUDGE, None, 0)
    for seed in range(20):
        shuffle = random.Random(seed).sample
        elo, facts = elo_rows(shuffle(judgments, len(judgments)), shuffle(verdicts, len(verdicts)), "iteration", 1e-3)
        assert facts == expected_facts
        assert [row["judgment_id"] for row in elo] == [row["judgment_id"] for row in expected]
        np.testing.assert_allclose([row["elo"] for row in elo], [row["elo"] for row in expected], atol=1e-9)
        pairs, _ = judge_pairs(PROMPTS, responses, judgments, elo, JUDGE, None, 0)
        assert [(row["chosen_id"], row["rejected_id"]) for row in pairs] == [
            (row["chosen_id"], row["rejected_id"]) for row in expected_pairs
        ]


def test_a_judge_pair_whose_chosen_judgment_is_too_long_is_dropped():
    length = len(JUDGMENTS["It has its reasons."][1])
    _, _, kept, _ = elo_and_pairs(the_longer, max_judgment_chars=length)
    _, _, dropped, facts = elo_and_pairs(the_longer, max_judgment_chars=length - 1)
    assert (len(kept), len(dropped)) == (1, 0)
    assert facts["outcome"]["chosen too long"] == 1


def test_the_length_of_the_rejected_judgment_is_free():
    def the_shorter(first, second):
        return "A" if len(first) < len(second) else "B"

    _, _, (pair,), _ = elo_and_pairs(the_shorter, max_judgment_chars=len(JUDGMENTS["It has its reasons."][2]))
    assert (pair["chosen_id"], pair["rejected_id"]) == (J2, J1)


# -- position weights over several responses


def judged(prompt_id, *texts):
    """Return a response and its judgments."""
    response_id = f"{prompt_id}/r0"
    row = {"prompt_id": prompt_id, "response_id": response_id, "text": f"To {prompt_id}.", "finish_reason": "stop"}
    rows = [
        {
            "prompt_id": prompt_id,
            "response_id": response_id,
            "judgment_id": f"{response_id}/j{k}",
            "text": text,
            "score": float(k),
            "finish_reason": "stop",
        }
        for k, text in enumerate(texts)
    ]
    return row | {"tokens": 2}, rows


def verdict(prompt_id, first, second, winner):
    of = f"{prompt_id}/r0"
    return {
        "prompt_id": prompt_id,
        "response_id": of,
        "first": f"{of}/j{first}",
        "second": f"{of}/j{second}",
        "text": "",
        "winner": winner,
    }


TWO_RESPONSES = [
    verdict("a", 0, 1, "second"),
    verdict("a", 1, 0, "second"),
    verdict("b", 0, 1, "first"),
    verdict("b", 1, 0, None),
]


@pytest.mark.parametrize(
    ("scope", "weight"),
    [
        # wins of all rows: first 1, second 2, so omega1 = 2/3 for b's only win; it came in the first place
        ("iteration", 2 / 3),
        # wins of b alone: first 1, second 0, so omega1 = 0
        ("response", 0),
        ("none", 1 / 2),
    ],
)
def test_the_scope_of_the_position_weights(scope, weight):
    judgments = [row for name in "ab" for row in judged(name, "x", "y")[1]]
    elo, facts = elo_rows(judgments, TWO_RESPONSES, scope, 0.1)
    scores = {row["judgment_id"]: row["elo"] for row in elo}
    assert (facts["omega1"], facts["omega2"]) == (pytest.approx(2 / 3), pytest.approx(1 / 3))
    assert facts["responses"] == 2
    # a is a draw; b is (x, -x) with weight s(-2x) = l2 x
    assert scores["a/r0/j0"] == pytest.approx(0, abs=1e-9)
    x = scores["b/r0/j0"]
    assert scores["b/r0/j1"] == pytest.approx(-x)
    assert weight * expit(-2 * x) == pytest.approx(0.1 * x, abs=1e-9)
    assert (x > 0) == (weight > 0)


def test_responses_with_different_numbers_of_judgments_are_fitted_side_by_side():
    _, three = judged("a", "x", "y", "z")
    _, two = judged("b", "x", "y")
    verdicts = [verdict("a", 0, 1, "first"), verdict("b", 1, 0, "first"), verdict("a", 2, 1, "second")]
    elo, _ = elo_rows(three + two, verdicts, "none", 0.1)
    scores = {row["judgment_id"]: row["elo"] for row in elo}
    assert list(scores) == ["a/r0/j0", "a/r0/j1", "a/r0/j2", "b/r0/j0", "b/r0/j1"]
    # j0 beat j1 and j1 beat j2, each with 1/2
    assert scores["a/r0/j0"] > scores["a/r0/j1"] > scores["a/r0/j2"]
    alone, _ = elo_rows(two, verdicts[1:2], "none", 0.1)
    assert [scores["b/r0/j0"], scores["b/r0/j1"]] == pytest.approx([row["elo"] for row in alone])


def test_elo_rows_carry_their_ids():
    elo, _ = elo_rows(judged("a", "x", "y")[1], [verdict("a", 1, 0, "first")], "none", 0.1)
    assert [(row["prompt_id"], row["response_id"], row["judgment_id"]) for row in elo] == [
        ("a", "a/r0", "a/r0/j0"),
        ("a", "a/r0", "a/r0/j1"),
    ]


def test_without_verdicts_there_are_no_elo_scores():
    elo, facts = elo_rows(judged("a", "x", "y")[1], [], "iteration", 1e-3)
    assert elo == []
    assert (facts["presentations"], facts["omega1"], facts["omega2"]) == (0, 0.5, 0.5)


def test_a_judgment_id_that_stands_twice_is_refused():
    _, rows = judged("a", "x", "y")
    with pytest.raises(UserError, match="a/r0/j0"):
        elo_rows([*rows, rows[0]], [], "iteration", 1e-3)


def test_judgments_with_the_same_text_are_no_judge_pair():
    row, rows = judged("p", "alike", "other", "alike")
    elo = [judgment | {"elo": value} for judgment, value in zip(rows, (2.0, 0.0, -2.0), strict=True)]
    pairs, facts = judge_pairs(PROMPTS[:1], [row], rows, elo, JUDGE, None, 0)
    assert pairs == []
    assert facts["outcome"] == {"same text on both sides": 1}


def test_braces_in_prompt_and_response_stay_in_the_judge_pair():
    row, rows = judged("p", "good", "bad")
    row["text"] = "{prompt}"
    elo = [judgment | {"elo": value} for judgment, value in zip(rows, (1.0, -1.0), strict=True)]
    (pair,), _ = judge_pairs([{"prompt_id": "p", "text": "{response}"}], [row], rows, elo, JUDGE, None, 0)
    assert pair["prompt"][0]["content"] == "Judge.\nUser: {response}\n<response>{prompt}</response>"


# -- actor pairs: what is dropped, and why


def sampled(*responses):
    """Return the rows (responses, judgments) of one prompt from (text, scores[, finish_reason]) of each response."""
    rows, judgments = [], []
    for k, (text, scores, *ended) in enumerate(responses):
        row = {"prompt_id": "p", "response_id": f"p/r{k}", "text": text, "tokens": 1}
        rows.append(row | {"finish_reason": ended[0] if ended else "stop"})
        judgments += [
            {
                "prompt_id": "p",
                "response_id": f"p/r{k}",
                "judgment_id": f"p/r{k}/j{n}",
                "text": "",
                "score": value,
                "finish_reason": "stop",
            }
            for n, value in enumerate(scores)
        ]
    return rows, judgments


def ids_of(responses, **options):
    """Return ((chosen, rejected) or None, the outcome's reason) of one prompt."""
    _, pairs, facts = actor(*sampled(*responses), prompts=PROMPTS[:1], **options)
    (reason,) = facts["outcome"]
    return ((pairs[0]["chosen_id"], pairs[0]["rejected_id"]) if pairs else None), reason


def test_rho_lets_length_decide_within_the_tiers():
    # rho 0.25, scores 1 to 5: top tier from 4, bottom tier up to 2
    responses = [("x" * 50, [5]), ("x" * 10, [4]), ("x" * 90, [2]), ("x" * 60, [1])]
    assert ids_of(responses, rho=0.25) == (("p/r1", "p/r2"), "pair")
    assert ids_of(responses, rho=0) == (("p/r0", "p/r3"), "pair")


def test_length_is_counted_in_characters():
    # 3 characters, but 9 bytes
    assert ids_of([("雪雪雪", [5]), ("abcd", [5]), ("no", [1])]) == (("p/r0", "p/r2"), "pair")


def test_an_actor_pair_whose_chosen_response_is_too_long_is_dropped():
    responses = [("x" * 2500, [5]), ("y" * 3000, [1])]
    assert ids_of(responses, max_chosen_chars=2500) == (("p/r0", "p/r1"), "pair")
    assert ids_of(responses, max_chosen_chars=2499) == (None, "chosen too long")


def test_a_dropped_pair_is_not_replaced_by_the_next_best():
    assert ids_of([("x" * 30, [5]), ("y", [4]), ("z", [1])], max_chosen_chars=20) == (None, "chosen too long")


def test_a_truncated_response_is_never_chosen():
    assert ids_of([("cut", [5], "length"), ("whole answer", [5]), ("bad", [1])]) == (("p/r1", "p/r2"), "pair")


def test_a_truncated_response_may_be_rejected():
    assert ids_of([("good", [5]), ("cut", [1], "length")]) == (("p/r0", "p/r1"), "pair")


def test_a_truncated_response_may_be_chosen_where_that_is_asked_for():
    responses = [("cut", [5], "length"), ("whole answer", [5]), ("bad", [1])]
    assert ids_of(responses, truncated=True) == (("p/r0", "p/r2"), "pair")


def test_truncated_responses_are_counted():
    rows, judgments = sampled(
        ("cut", [5], "length"), ("cut", [5], "length"), ("cut too", [4], "length"), ("whole", [1])
    )
    _, _, facts = actor(rows, judgments, prompts=PROMPTS[:1])
    # of the distinct ones
    assert (facts["truncated_responses"], facts["distinct_responses"], facts["responses"]) == (2, 3, 4)


def test_k_takes_the_first_distinct_responses():
    responses = [("x", [3]), ("x", [3]), ("y", [2]), ("z", [5])]
    assert ids_of(responses, k=2) == (("p/r0", "p/r2"), "pair")
    assert ids_of(responses, k=3) == (("p/r3", "p/r2"), "pair")
    assert [row["response_id"] for row in first_responses(sampled(*responses)[0], 2)["p"]] == ["p/r0", "p/r2"]


def test_n_takes_the_first_judgments_by_their_ids():
    # means of the first two: 5 and 3; of all three: 10/3 and 11/3
    responses = [("x", [5, 5, 0]), ("y", [3, 3, 5])]
    assert ids_of(responses, n=2) == (("p/r0", "p/r1"), "pair")
    assert ids_of(responses) == (("p/r1", "p/r0"), "pair")
    _, judgments = sampled(*responses)
    assert first_judgments(judgments[::-1], 2) == [row for row in judgments[::-1] if row["judgment_id"][-2:] != "j2"]
    _, many = sampled(("x", list(range(12))))
    assert [row["judgment_id"] for row in first_judgments(many, 11)] == [f"p/r0/j{k}" for k in range(11)]


def test_an_unparsed_judgment_among_the_first_n_is_not_made_up_for():
    # the first two of r0 are 5 and unparsed: mean 5, although a third (0) was drawn
    scores, _, _ = actor(*sampled(("x", [5, None, 0]), ("y", [3, 3, 3])), n=2, prompts=PROMPTS[:1])
    assert [(row["score"], row["judgments"]) for row in scores] == [(5, 1), (3, 2)]


def test_a_response_without_a_valid_judgment_is_not_the_worst():
    assert ids_of([("x", [5]), ("y", [None, None]), ("z", [3])]) == (("p/r0", "p/r2"), "pair")


NOT_TO_BE_CHOSEN = "no response of the top tier may be chosen (empty, or cut at the token limit)"


@pytest.mark.parametrize(
    ("responses", "rho", "reason"),
    [
        ([], 0, "fewer than two scored responses"),
        ([("x", [5])], 0, "fewer than two scored responses"),
        ([("x", [5]), ("y", [None])], 0, "fewer than two scored responses"),
        ([("x", [5]), ("x", [3])], 0, "all responses identical"),
        ([("x", [4, 2]), ("y", [3, 3])], 0, "all scores equal"),
        ([("x", [5], "length"), ("y", [1])], 0, NOT_TO_BE_CHOSEN),
        ([(" ", [5]), ("y", [1])], 0, NOT_TO_BE_CHOSEN),
    ],
)
def test_why_a_prompt_gave_no_actor_pair(responses, rho, reason):
    # a prompt without any response is counted too
    assert ids_of(responses, rho=rho) == (None, reason)


def test_why_none_tells_a_forbidden_choice_from_one_response_on_both_sides():
    # rho 1, all in both tiers. The longest is the only one that may be chosen, so chosen and rejected are the same.
    assert why_none([5, 1], [False, True], 1) == "shortest of the best is longest of the worst"


# -- gates

GATES = {
    "min_parse_rate": 0.8,
    "min_meta_parse_rate": 0.5,
    "max_truncated": 0.2,
    "min_actor_pairs": 10,
    "min_judge_pairs": 5,
}
GOOD = {
    "actor": {
        "pairs": 10,
        "prompts": 20,
        "outcome": {"pair": 10, "all scores equal": 10},
        "distinct_responses": 100,
        "truncated_responses": 20,
    },
    "judge": {"pairs": 5, "prompts": 20, "outcome": {"pair": 5, "chosen too long": 15}},
    "judgments": {"texts": 100, "parse_rate": 0.8},
    "meta_judgments": {"texts": 100, "parse_rate": 0.5},
}


def faulty(section, **values):
    return GOOD | {section: GOOD[section] | values}


def test_counts_on_the_gates_pass():
    check(GOOD, GATES, "meta-rewarding/m1")


@pytest.mark.parametrize(
    ("stats", "words"),
    [
        (faulty("judgments", parse_rate=0.79), ["gates.min_parse_rate", "79.0%"]),
        (faulty("meta_judgments", parse_rate=0.49), ["gates.min_meta_parse_rate", "49.0%"]),
        (faulty("actor", pairs=9), ["9 actor pairs from 20 prompts", "gates.min_actor_pairs", "all scores equal: 10"]),
        (faulty("judge", pairs=4), ["4 judge pairs from 20 prompts", "gates.min_judge_pairs", "chosen too long: 15"]),
        (faulty("actor", truncated_responses=21), ["gates.max_truncated", "21%", "sampling.responses.max_tokens"]),
    ],
)
def test_counts_outside_a_gate_are_refused_with_the_gates_name(stats, words):
    with pytest.raises(UserError) as error:
        check(stats, GATES, "meta-rewarding/m1")
    for word in ("meta-rewarding/m1", *words):
        assert word in str(error.value)
    assert str(error.value).count("\n- ") == 1


def test_all_faults_are_reported_at_once():
    stats = faulty("judgments", parse_rate=0.1) | {"actor": GOOD["actor"] | {"pairs": 0, "truncated_responses": 90}}
    with pytest.raises(UserError) as error:
        check(stats, GATES, "meta-rewarding/m1")
    assert str(error.value).count("\n- ") == 3


def test_an_iteration_without_judge_training_needs_no_judge_pairs():
    check({key: GOOD[key] for key in ("actor", "judgments")}, GATES, "self-rewarding/m1")


def test_stats_files_are_pooled_over_shards(tmp_path):
    # 30 of 40 and 59 of 60 were read: 89 of 100, not the mean of the shards' rates
    shards = [{"completions": 40, "unparsed": 10}, {"completions": 60, "unparsed": 1}]
    for i, facts in enumerate(shards):
        write_json(tmp_path / f"{i}.stats.json", facts)
    write_json(tmp_path / "actor.json", GOOD["actor"])
    stats = collect(tmp_path / "actor.json", None, [tmp_path / "0.stats.json", tmp_path / "1.stats.json"], [])
    assert stats == {"actor": GOOD["actor"], "judgments": {"texts": 100, "parse_rate": pytest.approx(0.89)}}
    assert parse_rate(shards) == pytest.approx(0.89)
    assert parse_rate([{"completions": 0, "unparsed": 0}]) is None


# -- slices of the prompt pool

POOL = [{"prompt_id": f"p{i:02}", "text": f"Question {i}?"} for i in range(23)]


def slices(seed=0, pool=POOL):
    return [[row["prompt_id"] for row in slice_of(pool, t, 7, seed)] for t in (1, 2, 3)]


def test_slices_share_no_prompt():
    names = [name for part in slices() for name in part]
    assert [len(part) for part in slices()] == [7, 7, 7]
    assert len(set(names)) == 21
    assert set(names) < {row["prompt_id"] for row in POOL}


def test_slices_depend_on_the_seed_and_not_on_the_order_of_the_pool():
    assert slices() == slices(pool=POOL[::-1])
    assert slices() == slices()
    assert slices() != slices(seed=1)


def test_a_slice_is_drawn_and_not_the_head_of_the_pool():
    assert set(slices()[0]) != {row["prompt_id"] for row in POOL[:7]}


def test_the_whole_pool_can_be_used():
    assert sorted(row["prompt_id"] for row in slice_of(POOL, 1, 23, 0)) == [row["prompt_id"] for row in POOL]


def test_more_iterations_than_the_pool_has_prompts_for_are_refused():
    with pytest.raises(UserError, match=r"iteration 4.*28.*23.*prompts\.per_iteration"):
        slice_of(POOL, 4, 7, 0)


# -- the arena


def test_the_win_rate_counts_ties_half_over_shared_prompts():
    # a won, b tied, c lost, d won; e and f were scored on one side only: (1 + 0.5 + 0 + 1) / 4
    model = {"a": 5, "b": 3, "c": 1, "d": 4.5, "e": 5}
    seed = {"f": 5, "d": 4, "c": 3, "b": 3, "a": 4}
    result = win_rate(model, seed, 200, np.random.default_rng(0))
    assert result["win_rate"] == pytest.approx(62.5)
    assert (result["n"], result["wins"], result["ties"], result["losses"]) == (4, 2, 1, 1)
    assert result["mean_score"] == pytest.approx(3.375)  # (5 + 3 + 1 + 4.5) / 4
    assert result["baseline_mean_score"] == pytest.approx(3.5)  # (4 + 3 + 3 + 4) / 4
    assert 0 <= result["ci_low"] <= 62.5 <= result["ci_high"] <= 100


def test_the_interval_is_that_of_the_bootstrap():
    # one win and one loss: a round gives 0, 50 or 100 with 1/4, 1/2, 1/4, so 2.5 % and 97.5 % are 0 and 100
    result = win_rate({"a": 2, "b": 1}, {"a": 1, "b": 2}, 1000, np.random.default_rng(0))
    assert (result["win_rate"], result["ci_low"], result["ci_high"]) == (50, 0, 100)


def test_the_interval_of_equal_outcomes_has_a_width():
    # Wilson's interval of n wins out of n: from n / (n + 1.96^2) to 1
    certain = win_rate({"a": 2, "b": 2}, {"a": 1, "b": 1}, 1000, np.random.default_rng(0))
    assert (certain["ci_low"], certain["ci_high"]) == pytest.approx((100 * 2 / (2 + 1.959964**2), 100), abs=1e-3)


def test_the_seed_against_itself_is_a_draw_without_a_width():
    seed = {"a": 2, "b": 5}
    itself = win_rate(seed, seed, 200, np.random.default_rng(0))
    assert (itself["ci_low"], itself["win_rate"], itself["ci_high"]) == (50, 50, 50)


def test_the_interval_narrows_with_the_number_of_prompts():
    # 200 wins and 200 losses: a standard error of 50 / sqrt(400) = 2.5, so about 50 - 4.9 to 50 + 4.9
    model = {str(i): i % 2 for i in range(400)}
    result = win_rate(model, dict.fromkeys(model, 0.5), 2000, np.random.default_rng(0))
    assert result["ci_low"] == pytest.approx(45.1, abs=1)
    assert result["ci_high"] == pytest.approx(54.9, abs=1)


def test_without_a_shared_prompt_there_is_no_win_rate():
    with pytest.raises(UserError, match="no prompt"):
        win_rate({"a": 1}, {"b": 1}, 100, np.random.default_rng(0))


def test_an_answers_score_is_the_mean_of_its_readable_verdicts():
    _, verdicts = sampled(("x", [4, None, 3]), ("y", [None]))
    assert by_prompt(verdicts[:3]) == {"p": 3.5}
    assert by_prompt(verdicts[3:]) == {}


# -- the judge against people


def ranked(prompt_id, *ranks):
    return [
        {"prompt_id": prompt_id, "response_id": f"{prompt_id}{i}", "prompt": "Why?", "text": "So.", "rank": rank}
        for i, rank in enumerate(ranks)
    ]


def scored(**scores):
    """Return judgments {reply id: its scores}."""
    return [
        {
            "prompt_id": name[0],
            "response_id": name,
            "judgment_id": f"{name}/j{k}",
            "text": "",
            "score": value,
            "finish_reason": "stop",
        }
        for name, values in scores.items()
        for k, value in enumerate(values)
    ]


def test_agreement_with_people_by_hand():
    # a: means 4, 3, 5 for ranks 0, 1, 2: 1 of 3 pairs right, Spearman -0.5. b: means 2, 2: one tie.
    replies = ranked("a", 0, 1, 2) + ranked("b", 0, 1)
    result = score(replies, scored(b1=[2], a2=[5], a1=[2, 4], a0=[3, 5], b0=[1, 3, None]))
    assert result["agreement"] == pytest.approx(1.5 / 4)
    assert result["agreement_without_ties"] == pytest.approx(1 / 3)
    assert result["spearman"] == pytest.approx(-0.5)
    assert (result["pairs"], result["ties"], result["prompts"]) == (4, 1, 2)
    assert (result["replies"], result["replies_without_score"]) == (5, 0)
    assert result["mean_score"] == pytest.approx(25 / 8)  # 2 + 5 + 2 + 4 + 3 + 5 + 1 + 3 over 8 readable scores
    assert (result["unparsed"], result["parse_rate"]) == (1, pytest.approx(8 / 9, abs=1e-4))


def test_replies_without_a_readable_score_are_left_out_and_counted():
    # a1 cannot be read and a2 was not judged (too long): only the pair (a0, a3) is left
    result = score(ranked("a", 0, 1, 2, 3), scored(a0=[5], a1=[None], a3=[1]))
    assert (result["agreement"], result["pairs"], result["replies_without_score"]) == (1, 1, 2)


def test_judgments_of_replies_that_nobody_ranked_are_refused():
    with pytest.raises(UserError, match="'x0'"):
        score(ranked("a", 0, 1), scored(a0=[5], a1=[4], x0=[1]))


# -- a consistency gate on actor pairs


@pytest.mark.parametrize(
    ("high", "low", "kept"),
    [
        ([4, 4, 5, 5], [1, 1, 2, 2], True),
        ([5, 2, 5, 2], [1, 3, 1, 3], False),  # the second half orders them the other way
        ([5, 3, 5, 3], [1, 3, 1, 3], False),  # or not at all
        ([5, None, 5, None], [1, 2, 1, 2], False),  # or has no score
    ],
)
def test_a_pair_must_be_confirmed_by_each_half_of_the_judgments(high, low, kept):
    prompts = [{"prompt_id": "p0", "text": "?"}]
    responses = [response(0, "better"), response(1, "worse!")]
    judgments = [judgment(r, j, score) for r, scores in enumerate((high, low)) for j, score in enumerate(scores)]
    requests = (prompts, responses, judgments, 0, None, False, None, None, None)
    assert len(actor_pairs(*requests)[1]) == 1
    _, pairs, facts = actor_pairs(*requests, consistent_halves=True)
    assert len(pairs) == kept
    assert facts["outcome"] == ({"pair": 1} if kept else {"halves of the judgments disagree": 1})
