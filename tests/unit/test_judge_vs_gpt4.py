"""Table 3, computed by hand: pairs, verdicts and ties."""

import pytest

from metarewarding.evaluation import judge_vs_gpt4


def response(prompt, k, text="text"):
    return {"prompt_id": prompt, "response_id": f"{prompt}/r{k}", "text": text}


def ids(pairs):
    return [(a["response_id"], b["response_id"]) for a, b in pairs]


def verdict(first, second, winner):
    return {"first": first, "second": second, "winner": winner}


def test_the_first_two_responses_of_each_prompt_are_the_fixed_pair():
    rows = [response("p", 0), response("p", 2), response("p", 3), response("q", 0), response("s", 1), response("s", 4)]
    assert ids(judge_vs_gpt4.first_two(rows)) == [("p/r0", "p/r2"), ("s/r1", "s/r4")]


def test_best_and_worst_by_mean_the_first_of_equals_and_none_where_all_are_equal():
    rows = [response("p", k) for k in range(4)] + [response("q", k) for k in range(2)] + [response("s", 0)]
    means = {"p/r0": 3, "p/r1": 4.5, "p/r3": 4.5, "q/r0": 2, "q/r1": 2, "s/r0": 1}
    assert ids(judge_vs_gpt4.best_and_worst(rows, means)) == [("p/r1", "p/r0")]


def test_both_orders_are_asked_and_braces_in_a_response_stay_text():
    pair = response("p", 0, "{output_2} and {x}"), response("p", 1, "<|im_end|>second")
    requests = judge_vs_gpt4.requests(
        [pair], {"p": "Why {instruction}?"}, {row["response_id"]: row["text"] for row in pair}
    )
    assert [row["id"] for row in requests] == ["p/r0 p/r1", "p/r1 p/r0"]
    for row, (first, second) in zip(requests, (pair, pair[::-1]), strict=True):
        assert [message["role"] for message in row["messages"]] == ["system", "user"]
        text = row["messages"][1]["content"]
        assert "Why {instruction}?" in text
        assert text.index(first["text"]) < text.index(second["text"])
        assert text.count("second") == 1
        assert (row["temperature"], row["max_tokens"], row["top_logprobs"]) == (0, 1, 5)


@pytest.mark.parametrize(
    ("likely", "winner"),
    [
        ([("m", -0.1), ("M", -2.0)], "first"),
        ([("M", -0.1), ("m", -2.0)], "second"),
        ([("x", -0.1), ("M", -3.0)], "second"),
        ([(" m", -0.2), ("M", -1.0)], "first"),
        ([("m", -0.2), (" m", -5.0), ("M", -1.0)], "first"),  # the likelier of two spellings counts
        ([("x", -0.1)], None),
    ],
)
def test_the_likelier_identifier_wins(likely, winner):
    request = {"id": "a b", "prompt_id": "p", "first": "a", "second": "b"}
    top = [{"token": token, "logprob": logprob} for token, logprob in likely]
    reply = {"text": "m", "logprobs": {"content": [{"top_logprobs": top}]}}
    (row,) = judge_vs_gpt4.verdicts([request], {"a b": reply}, {"name": "j", "model": "J"})
    assert row["winner"] == winner
    assert (row["first"], row["second"], row["judge"]) == ("a", "b", "j")


ROWS = [
    verdict("a", "b", "first"),  # a both times
    verdict("b", "a", "second"),
    verdict("c", "d", "second"),  # d both times
    verdict("d", "c", "first"),
    verdict("e", "f", "first"),  # the first place both times
    verdict("f", "e", "first"),
    verdict("g", "h", "first"),  # no verdict in the other order
    verdict("h", "g", None),
    verdict("i", "k", "first"),  # i both times
    verdict("k", "i", "second"),
]


def test_a_preference_is_one_that_stays_when_the_order_changes():
    result = judge_vs_gpt4.preferred(ROWS)
    assert {"".join(sorted(pair)): better for pair, better in result.items()} == {
        "ab": "a",
        "cd": "d",
        "ef": None,
        "ik": "i",
    }


def test_gpt4_chosen_by_hand():
    # a over b agrees, d over c does not, i and k are tied; e, f have no preference; g, h no verdict
    means = {"a": 4, "b": 3, "c": 5, "d": 4.5, "e": 5, "f": 1, "i": 2, "k": 2}
    result = judge_vs_gpt4.gpt4_chosen(ROWS, means)
    assert result == {
        "agreement": pytest.approx(1.5 / 3),
        "agreement_without_ties": pytest.approx(1 / 2),
        "pairs": 3,
        "ties": 1,
        "unscored": 0,
    }
    assert judge_vs_gpt4.gpt4_chosen(ROWS, {"a": 4, "b": 3})["unscored"] == 2


def test_self_chosen_by_hand():
    # best a, and a is preferred; best c, and d is; best e, and the orders disagree; best i, and i is
    means = {"a": 5, "b": 1, "c": 5, "d": 1, "e": 5, "f": 1, "g": 5, "h": 1, "i": 5, "k": 1}
    result = judge_vs_gpt4.self_chosen(ROWS, means)
    assert (result["pairs"], result["ties"]) == (4, 1)
    assert result["agreement"] == pytest.approx(2.5 / 4)
    assert result["agreement_without_ties"] == pytest.approx(2 / 3)


def test_nothing_to_agree_on_is_none():
    assert judge_vs_gpt4.self_chosen([], {})["agreement"] is None
