"""The requests of the three roles, their order and seeds, and the rows made from the answers."""

from itertools import groupby, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metarewarding.engines.sampling import (
    SEED_SPACING,
    Completion,
    Decoding,
    Request,
    chat,
    distinct,
    identity_seed,
    parse_facts,
    respond,
    rng,
    sample,
    shard,
)
from metarewarding.errors import UserError
from metarewarding.judging import judge
from metarewarding.meta_judging import meta_judge, select_for_meta_judging

DECODING = Decoding(temperature=0.8, top_p=0.95, max_tokens=64)
JUDGE = "Judge this.\nUser: {prompt}\n<response>{response}</response>"
META_JUDGE = (
    "Compare.\nUser: {prompt}\nResponse: {response}\nJudgment A: {judgment_a}\nJudgment B: {judgment_b}\nWinner?"
)


class Engine:
    """Answers by a function: ``answer(request)`` gives texts, or (text, tokens, finish reason), or none."""

    def __init__(self, answer):
        self.answer, self.received, self.tokens = answer, [], (7, 2)

    def generate(self, requests):
        self.received += requests
        self.tokens = (self.tokens[0] + 100, self.tokens[1] + 30)
        answers = [self.answer(request) for request in requests]
        return [[Completion(*(a if isinstance(a, tuple) else (a, 3, "stop"))) for a in row] for row in answers]

    def usage(self):
        return self.tokens


def prompts(*ids):
    return [{"prompt_id": name, "text": f"Tell me about {name}."} for name in ids]


def response(prompt_id, number, text=None):
    return {
        "prompt_id": prompt_id,
        "response_id": f"{prompt_id}/r{number}",
        "text": text if text is not None else f"answer {number} to {prompt_id}",
        "tokens": 3,
        "finish_reason": "stop",
    }


def judgments_of(row, *scores):
    """Return judgments of a response; each contains its number, so all texts differ."""
    return [
        {
            "prompt_id": row["prompt_id"],
            "response_id": row["response_id"],
            "judgment_id": f"{row['response_id']}/j{k}",
            "text": f"reasons {k} on {row['response_id']}\nScore: {score}",
            "score": score,
            "finish_reason": "stop",
        }
        for k, score in enumerate(scores)
    ]


def texts(*rows):
    return {row["prompt_id"]: f"Tell me about {row['prompt_id']}." for row in rows}


def request(name="a", n=1, seed=0):
    return Request(name, chat("Why?"), n, seed, DECODING)


def text_of_request(one):
    (message,) = one.messages
    return message["content"]


def first_wins(_):
    return ["Winner: Judgement A"]


# -- seeds


def test_a_seed_is_the_same_on_every_run():
    assert identity_seed(0, "response", "p1") == identity_seed(0, "response", "p1")


def test_seeds_differ_by_run_seed_stage_and_id():
    seeds = {
        identity_seed(seed, stage, identity)
        for seed in range(3)
        for stage in ("response", "judgment", "meta-judgment")
        for identity in ("p1", "p2", "p1/r0", "p1/r0/j0")
    }
    assert len(seeds) == 3 * 3 * 4


def test_seeds_of_different_requests_never_overlap():
    # the engine draws sample i with seed + i, and n is at most the spacing
    seeds = sorted(identity_seed(0, "response", f"p{i}") for i in range(5000))
    assert SEED_SPACING == 1024
    assert min(b - a for a, b in pairwise(seeds)) >= 1024
    assert all(seed % SEED_SPACING == 0 for seed in seeds)  # so that the line above is no matter of luck


def test_seeds_fit_what_engines_take():
    assert all(0 <= identity_seed(0, "response", str(i)) + SEED_SPACING < 2**63 for i in range(1000))


def test_a_draw_is_the_same_on_every_run_and_another_for_another_prompt():
    draws = [rng(0, "Elo ties", name).integers(2**60) for name in ("p1", "p1", "p2")]
    assert draws[0] == draws[1] != draws[2]
    assert rng(1, "Elo ties", "p1").integers(2**60) != draws[0]
    assert rng(0, "highest variance", "p1").integers(2**60) != draws[0]


# -- shards


@settings(deadline=None, max_examples=200)
@given(st.integers(0, 60), st.integers(1, 70))
def test_shards_hold_every_row_exactly_once_in_order(n, shards):
    rows = list(range(n))
    parts = [shard(rows, i, shards) for i in range(shards)]
    assert [row for part in parts for row in part] == rows
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_shards_do_not_change_what_is_asked():
    pool = prompts(*(f"p{i}" for i in range(7)))
    engine = Engine(lambda request: ["x"] * request.n)
    whole, _ = respond(engine, pool, 2, DECODING, seed=5)
    requests = engine.received
    for shards in (1, 2, 3, 7, 9):
        engine = Engine(lambda request: ["x"] * request.n)
        rows = [row for i in range(shards) for row in respond(engine, shard(pool, i, shards), 2, DECODING, seed=5)[0]]
        assert rows == whole
        assert engine.received == requests


# -- sample


def test_completions_are_joined_by_request_id():
    engine = Engine(lambda request: [f"for {request.id}"])
    completions, _ = sample(engine, [request("b"), request("a")])
    assert {name: row[0].text for name, row in completions.items()} == {"a": "for a", "b": "for b"}


def test_facts_of_a_call():
    answers = {
        "a": [("x", 10, "stop"), ("y", 64, "length")],
        "b": [("z", 5, "stop"), ("z", 6, "stop")],
        "c": [],  # its prompt does not fit
    }
    _, facts = sample(Engine(lambda request: answers[request.id]), [request(name, n=2) for name in "abc"])
    assert facts["requests"] == 3
    assert facts["completions"] == 4
    assert facts["output_tokens"] == 85  # 10 + 64 + 5 + 6
    assert facts["truncated"] == 1
    assert facts["too_long"] == 1
    # what this call added, not what the engine counted before it
    assert (facts["prompt_tokens"], facts["cached_prompt_tokens"]) == (100, 30)
    assert facts["seconds"] >= 0


def test_without_requests_the_engine_is_not_asked():
    def never(_):
        raise AssertionError("asked")

    engine = Engine(never)
    completions, facts = sample(engine, [])
    assert (completions, engine.received, facts["requests"], facts["too_long"]) == ({}, [], 0, 0)


def test_two_requests_with_one_id_are_refused():
    with pytest.raises(ValueError, match="unique"):
        sample(Engine(first_wins), [request("a"), request("a")])


@pytest.mark.parametrize("n", [0, -1, SEED_SPACING + 1])
def test_more_samples_than_the_spacing_of_seeds_are_refused(n):
    with pytest.raises(ValueError, match="n must be between"):
        sample(Engine(first_wins), [request(n=n)])


def test_an_engine_that_loses_a_request_is_an_error():
    class Lossy(Engine):
        def generate(self, requests):
            return super().generate(requests)[:-1]

    with pytest.raises(ValueError, match="zip"):
        sample(Lossy(first_wins), [request("a"), request("b")])


def test_a_system_prompt_is_a_turn_of_its_own():
    assert chat("Why?") == [{"role": "user", "content": "Why?"}]
    assert chat("Why?", "Be brief.") == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Why?"},
    ]


# -- the actor


def test_responses_carry_the_ids_of_prompt_and_draw():
    engine = Engine(lambda request: [(f"{request.id} draw {k}", k + 1, "stop") for k in range(request.n)])
    rows, _ = respond(engine, prompts("p", "q"), 2, DECODING, seed=0)
    assert [(row["prompt_id"], row["response_id"], row["text"], row["tokens"]) for row in rows] == [
        ("p", "p/r0", "p draw 0", 1),
        ("p", "p/r1", "p draw 1", 2),
        ("q", "q/r0", "q draw 0", 1),
        ("q", "q/r1", "q draw 1", 2),
    ]


def test_a_prompt_is_one_request_with_n_samples():
    engine = Engine(lambda request: ["x"] * request.n)
    respond(engine, prompts("p", "q"), 7, DECODING, seed=0)
    assert [(one.id, one.n, one.decoding) for one in engine.received] == [("p", 7, DECODING), ("q", 7, DECODING)]
    assert [one.messages for one in engine.received] == [chat("Tell me about p."), chat("Tell me about q.")]


def test_the_system_prompt_reaches_the_actor():
    engine = Engine(lambda request: ["x"])
    respond(engine, prompts("p"), 1, DECODING, seed=0, system_prompt="Be brief.")
    assert engine.received[0].messages == chat("Tell me about p.", "Be brief.")


def test_a_prompt_is_data_and_no_template():
    engine = Engine(lambda request: ["x"])
    respond(engine, [{"prompt_id": "p", "text": "Fill {prompt} and {response}."}], 1, DECODING, seed=0)
    assert text_of_request(engine.received[0]) == "Fill {prompt} and {response}."


def test_a_response_keeps_how_it_ended():
    rows, facts = respond(Engine(lambda _: [("a", 64, "length"), ("b", 3, "stop")]), prompts("p"), 2, DECODING, seed=0)
    assert [row["finish_reason"] for row in rows] == ["length", "stop"]
    assert facts["truncated"] == 1


def test_prompts_that_do_not_fit_are_counted_and_give_no_responses():
    engine = Engine(lambda request: [] if request.id == "p" else ["x", "y"])
    rows, facts = respond(engine, prompts("p", "q"), 2, DECODING, seed=0)
    assert [row["response_id"] for row in rows] == ["q/r0", "q/r1"]
    assert facts["too_long"] == 1


def test_responses_with_the_same_text_are_one_response():
    rows = [response("p", 0, "x"), response("p", 1, "y"), response("p", 2, "x"), response("q", 0, "x")]
    assert [row["response_id"] for row in distinct(rows)] == ["p/r0", "p/r1", "q/r0"]


# -- the judge


def test_judgments_carry_the_ids_of_response_and_draw():
    engine = Engine(lambda request: [f"{request.id}\nScore: {k}" for k in range(request.n)])
    rows = [response("p", 0), response("p", 3), response("q", 1)]
    judged, _ = judge(engine, texts(*rows), rows, JUDGE, 2, DECODING, seed=0)
    assert [(row["prompt_id"], row["response_id"], row["judgment_id"], row["score"]) for row in judged] == [
        ("p", "p/r0", "p/r0/j0", 0),
        ("p", "p/r0", "p/r0/j1", 1),
        ("p", "p/r3", "p/r3/j0", 0),
        ("p", "p/r3", "p/r3/j1", 1),
        ("q", "q/r1", "q/r1/j0", 0),
        ("q", "q/r1", "q/r1/j1", 1),
    ]
    assert all(row["text"].startswith(row["response_id"]) for row in judged)


def test_the_judge_sees_the_prompt_that_the_response_belongs_to():
    engine = Engine(lambda request: ["Score: 3"])
    rows = [response("q", 0, "about q"), response("p", 0, "about p")]
    judge(engine, texts(*rows), rows, JUDGE, 1, DECODING, seed=0)
    assert {one.id: text_of_request(one) for one in engine.received} == {
        "p/r0": "Judge this.\nUser: Tell me about p.\n<response>about p</response>",
        "q/r0": "Judge this.\nUser: Tell me about q.\n<response>about q</response>",
    }


def test_the_responses_of_a_prompt_stand_side_by_side():
    rows = [response(name, k) for name in ("p", "q", "o") for k in range(3)]
    engine = Engine(lambda request: ["Score: 3"] * request.n)
    judge(engine, texts(*rows), rows, JUDGE, 11, DECODING, seed=0)
    assert [one.n for one in engine.received] == [11] * 9  # one request a response
    assert len(list(groupby(one.id.split("/")[0] for one in engine.received))) == 3


def test_a_response_that_looks_like_a_template_is_judged_as_text():
    engine = Engine(lambda request: ["Score: 3"])
    row = response("p", 0, "{prompt} {response} {judgment_a} {}")
    judge(engine, texts(row), [row], JUDGE, 1, DECODING, seed=0)
    assert "<response>{prompt} {response} {judgment_a} {}</response>" in text_of_request(engine.received[0])


def test_a_judgment_without_a_score_has_none_and_is_counted():
    engine = Engine(lambda request: ["Score: 4", "I like it.", "Score: 9", "Score: 2"])
    judged, facts = judge(engine, texts(response("p", 0)), [response("p", 0)], JUDGE, 4, DECODING, seed=0)
    assert [row["score"] for row in judged] == [4, None, None, 2]
    assert (facts["unparsed"], facts["parse_rate"]) == (2, 0.5)


def test_the_judges_scale_can_be_another_one():
    engine = Engine(lambda request: ["Score: 9"])
    judged, _ = judge(engine, texts(response("p", 0)), [response("p", 0)], JUDGE, 1, DECODING, seed=0, high=10)
    assert judged[0]["score"] == 9


def test_responses_that_do_not_fit_are_counted_and_give_no_judgments():
    engine = Engine(lambda request: [] if request.id == "p/r0" else ["Score: 3"])
    rows = [response("p", 0), response("p", 1)]
    judged, facts = judge(engine, texts(*rows), rows, JUDGE, 1, DECODING, seed=0)
    assert [row["response_id"] for row in judged] == ["p/r1"]
    assert (facts["too_long"], facts["unparsed"], facts["parse_rate"]) == (1, 0, 1)


def test_a_response_to_an_unknown_prompt_is_named():
    with pytest.raises(UserError, match=r"'q/r0'.*'q'"):
        judge(Engine(first_wins), texts(response("p", 0)), [response("q", 0)], JUDGE, 1, DECODING, seed=0)


# -- which response is meta-judged


def test_the_response_of_highest_variance_of_each_prompt_is_selected():
    rows = [response("p", 0), response("p", 1), response("q", 0), response("q", 1)]
    judgments = [
        *judgments_of(rows[0], 3, 4),
        *judgments_of(rows[1], 1, 5),  # the widest of p
        *judgments_of(rows[2], 2, 4),  # the widest of q
        *judgments_of(rows[3], 4, 4),
    ]
    assert select_for_meta_judging(rows, judgments, seed=0) == {"p": "p/r1", "q": "q/r0"}


def test_unparsed_judgments_add_no_variance():
    rows = [response("p", 0), response("p", 1)]
    judgments = [*judgments_of(rows[0], 3, 3.5, 3), *judgments_of(rows[1], 5, None, None)]
    assert select_for_meta_judging(rows, judgments, seed=0) == {"p": "p/r0"}


def test_a_prompt_whose_judgments_all_agree_is_not_meta_judged():
    rows = [response("p", 0), response("p", 1), response("q", 0)]
    judgments = [*judgments_of(rows[0], 3, 3), *judgments_of(rows[1], 5), *judgments_of(rows[2], None, None)]
    assert select_for_meta_judging(rows, judgments, seed=0) == {}


def test_a_tie_for_the_highest_variance_depends_on_seed_and_prompt_alone():
    names = [f"p{i}" for i in range(40)]
    rows = [response(name, k) for name in names for k in range(2)]
    judgments = [judgment for row in rows for judgment in judgments_of(row, 2, 4)]
    selected = select_for_meta_judging(rows, judgments, seed=0)
    assert {response_id[-2:] for response_id in selected.values()} == {"r0", "r1"}
    # another shard layout: the second half alone
    assert select_for_meta_judging(rows[40:], judgments, seed=0) == {name: selected[name] for name in names[20:]}
    assert select_for_meta_judging(rows, judgments, seed=1) != selected


# -- the meta-judge


def meta(judgments, answer=first_wins, rows=None, **options):
    """Return (engine, rows, facts) of a meta-judge that is given ``judgments`` of the responses ``rows``."""
    rows = rows if rows is not None else [response("p", 0)]
    engine = Engine(answer)
    verdicts, facts = meta_judge(engine, texts(*rows), rows, judgments, META_JUDGE, DECODING, seed=0, **options)
    return engine, verdicts, facts


def test_each_pair_of_judgments_is_asked_in_both_orders():
    engine, verdicts, facts = meta(judgments_of(response("p", 0), 3, 1, 5))
    assert [(row["first"][-2:], row["second"][-2:]) for row in verdicts] == [
        ("j0", "j1"),
        ("j0", "j2"),
        ("j1", "j0"),
        ("j1", "j2"),
        ("j2", "j0"),
        ("j2", "j1"),
    ]
    assert facts["requests"] == 6
    assert all(one.n == 1 for one in engine.received)
    assert len({one.seed for one in engine.received}) == 6


def test_the_first_judgment_is_shown_as_a_and_the_second_as_b():
    row = response("p", 0, "the answer")
    judgments = judgments_of(row, 3, 1)
    engine, verdicts, _ = meta(judgments, rows=[row])
    a, b = (judgment["text"] for judgment in judgments)
    assert [text_of_request(one) for one in engine.received] == [
        f"Compare.\nUser: Tell me about p.\nResponse: the answer\nJudgment A: {a}\nJudgment B: {b}\nWinner?",
        f"Compare.\nUser: Tell me about p.\nResponse: the answer\nJudgment A: {b}\nJudgment B: {a}\nWinner?",
    ]
    assert [(row["first"], row["second"]) for row in verdicts] == [("p/r0/j0", "p/r0/j1"), ("p/r0/j1", "p/r0/j0")]


@pytest.mark.parametrize(
    ("text", "winner"),
    [("Winner: Judgement A", "first"), ("Winner: Judgement B", "second"), ("Both are fine.", None)],
)
def test_a_verdict_names_the_place_that_won(text, winner):
    _, verdicts, facts = meta(judgments_of(response("p", 0), 3, 1), lambda _: [text])
    assert [row["winner"] for row in verdicts] == [winner, winner]
    assert all(row["text"] == text for row in verdicts)
    assert facts["parse_rate"] == (0 if winner is None else 1)


def test_unparsed_judgments_are_never_shown():
    engine, verdicts, _ = meta(judgments_of(response("p", 0), 3, None, 5))
    shown = {identity for row in verdicts for identity in (row["first"], row["second"])}
    assert shown == {"p/r0/j0", "p/r0/j2"}
    assert not any("reasons 1" in text_of_request(one) for one in engine.received)


def test_judgments_with_the_same_text_are_never_a_pair():
    judgments = judgments_of(response("p", 0), 3, 3, 5)
    judgments[1]["text"] = judgments[0]["text"]
    _, verdicts, _ = meta(judgments)
    # each of the two is compared with the third, in both orders
    assert {(row["first"][-2:], row["second"][-2:]) for row in verdicts} == {
        ("j0", "j2"),
        ("j2", "j0"),
        ("j1", "j2"),
        ("j2", "j1"),
    }


def test_judgments_with_the_same_score_and_other_texts_are_a_pair():
    _, verdicts, _ = meta(judgments_of(response("p", 0), 3, 3, 5))
    assert ("p/r0/j0", "p/r0/j1") in {(row["first"], row["second"]) for row in verdicts}


def test_requests_are_sorted_by_prompt_response_and_the_judgment_shown_first():
    rows = [response(name, k) for name in ("q", "p") for k in range(2)]
    judgments = [judgment for row in rows for judgment in judgments_of(row, *range(3), *[2] * 9)]
    engine, _, _ = meta(judgments, rows=rows)
    shown = [tuple(one.id.split(" ")) for one in engine.received]
    assert len(shown) == 2 * 12 * 11
    # prompts side by side, within them all presentations with the same first judgment side by side
    assert len(list(groupby(first.split("/")[0] for first, _ in shown))) == 2
    assert len(list(groupby(first for first, _ in shown))) == 2 * 12
    # and judgments in the order in which they were drawn: j2 before j10
    drawn = [(int(first.rsplit("j", 1)[1]), int(second.rsplit("j", 1)[1])) for first, second in shown]
    assert drawn[: 12 * 11] == sorted(drawn[: 12 * 11])
    assert drawn[12 * 11 :] == sorted(drawn[12 * 11 :])


def test_only_the_selected_response_is_meta_judged():
    rows = [response("p", 0), response("p", 1)]
    _, verdicts, _ = meta([*judgments_of(rows[0], 3, 4), *judgments_of(rows[1], 1, 5)], rows=rows)
    assert {row["response_id"] for row in verdicts} == {"p/r1"}
    assert all(row["first"].startswith("p/r1/") and row["second"].startswith("p/r1/") for row in verdicts)


def test_without_a_disputed_response_nothing_is_asked():
    engine, verdicts, facts = meta(judgments_of(response("p", 0), 4, 4))
    assert (engine.received, verdicts, facts["requests"], facts["parse_rate"]) == ([], [], 0, None)


def test_text_that_looks_like_a_template_is_meta_judged_as_text():
    row = response("p", 0, "{judgment_a} {response} {prompt}")
    judgments = judgments_of(row, 3, 1)
    judgments[0]["text"] = "{judgment_b}\nScore: 3"
    engine, _, _ = meta(judgments, rows=[row])
    requests = text_of_request(engine.received[0])
    assert "Response: {judgment_a} {response} {prompt}\n" in requests
    assert "Judgment A: {judgment_b}\nScore: 3\n" in requests


def test_presentations_that_do_not_fit_are_counted_and_cast_no_verdict():
    _, verdicts, facts = meta(
        judgments_of(response("p", 0), 3, 1, 5),
        lambda request: [] if request.id.startswith("p/r0/j0 ") else ["Winner: Judgement B"],
    )
    # the other order of each pair stays
    assert [(row["first"][-2:], row["second"][-2:], row["winner"]) for row in verdicts] == [
        ("j1", "j0", "second"),
        ("j1", "j2", "second"),
        ("j2", "j0", "second"),
        ("j2", "j1", "second"),
    ]
    assert (facts["too_long"], facts["unparsed"], facts["parse_rate"]) == (2, 0, 1)


def test_the_meta_judge_sees_the_scores():
    engine, _, _ = meta(judgments_of(response("p", 0), 3, 1))
    assert all("Score: 3" in text_of_request(one) and "Score: 1" in text_of_request(one) for one in engine.received)


def test_stripped_scores_are_not_shown():
    engine, verdicts, _ = meta(judgments_of(response("p", 0), 3, 1), strip_scores=True)
    assert len(verdicts) == 2
    for one in engine.received:
        assert "Score" not in text_of_request(one)
        assert "reasons 0 on p/r0" in text_of_request(one)
        assert "reasons 1 on p/r0" in text_of_request(one)


def test_judgments_that_are_shown_alike_without_their_scores_are_never_a_pair():
    judgments = judgments_of(response("p", 0), 3, 1)
    for judgment in judgments:
        judgment["text"] = f"It is short.\nScore: {judgment['score']}"
    engine, verdicts, _ = meta(judgments, strip_scores=True)
    assert (engine.received, verdicts) == ([], [])


# -- parse_facts


@pytest.mark.parametrize(
    ("values", "unparsed", "rate"),
    [([], 0, None), ([1, 0, None, 2], 1, 0.75), ([None], 1, 0), ([0.0], 0, 1), (["first", None], 1, 0.5)],
)
def test_the_parse_rate_is_the_share_that_was_read(values, unparsed, rate):
    assert parse_facts(iter(values)) == {"unparsed": unparsed, "parse_rate": rate}
