"""A judge's server that fails in every way: which requests are retried, what stops the run, which replies are kept."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from conftest import ROOT
from stand_in import completion, judge_server

from metarewarding.errors import UserError
from metarewarding.judges.call import _retry_after, estimate
from metarewarding.judges.client import ask
from metarewarding.judges.store import read_store

KEY = "sk-very-secret-key"


def requests(count, **changes):
    return [
        {"id": f"q{i}", "messages": [{"role": "user", "content": f"Rate {i}."}], "temperature": 0.0, "max_tokens": 20}
        | changes
        for i in range(count)
    ]


def number(body):
    return body["messages"][-1]["content"].removeprefix("Rate ").rstrip(".")


def echo(body, before):
    return f"[[{number(body)}]]"


@pytest.fixture
def store(tmp_path):
    return tmp_path / "replies" / "judge.jsonl"


def ask_fast(todo, judge, store, tries=4):
    return ask(todo, judge, store, tries, first_wait=0.01)


def refused(todo, judge, store, tries=4):
    with pytest.raises(UserError) as error:
        ask_fast(todo, judge, store, tries)
    assert KEY not in str(error.value)
    return str(error.value)


# -- what comes back and what is kept


def test_replies_come_by_id_and_are_kept_raw(store, monkeypatch, caplog):
    caplog.set_level("INFO", "metarewarding")
    monkeypatch.setenv("JUDGE_KEY", KEY)

    def unhurried(body, before):  # long enough for the next request to come meanwhile
        time.sleep(0.05)
        return echo(body, before)

    with judge_server(unhurried) as server:
        replies, facts = ask_fast(requests(20), server.judge(api_key_env="JUDGE_KEY"), store)
    assert list(replies) == [f"q{i}" for i in range(20)]
    assert all(replies[f"q{i}"]["text"] == f"[[{i}]]" for i in range(20))
    assert set(server.keys) == {f"Bearer {KEY}"}
    assert 2 <= server.most_at_once <= 4
    assert server.bodies[0] | {"messages": []} == {
        "model": "judge-1",
        "messages": [],
        "temperature": 0.0,
        "max_tokens": 20,
    }
    rows = read_store(store)
    assert sorted(row["id"] for row in rows) == sorted(replies)
    row = rows[0]
    assert (row["judge"], row["model"], row["served_model"]) == ("stand-in", "judge-1", "judge-1-2024")
    assert (row["prompt_tokens"], row["output_tokens"], row["finish_reason"]) == (100, 10, "stop")
    assert len(row["request_sha256"]) == 64
    assert row["date"].startswith("20")
    assert (facts["asked"], facts["from_store"], facts["retries"]) == (20, 0, 0)
    assert (facts["prompt_tokens"], facts["output_tokens"]) == (2000, 200)
    assert facts["cost"] == pytest.approx((2000 * 10 + 200 * 30) / 1e6)
    assert "20 requests to ask, about 37 prompt tokens (characters / 4)" in caplog.text
    assert KEY not in caplog.text + store.read_text()


def test_no_key_is_sent_to_a_server_that_wants_none(store):
    with judge_server(echo) as server:
        ask_fast(requests(1), server.judge(), store)
    assert server.keys == [None]


def test_only_what_is_not_in_the_store_is_asked(store):
    with judge_server(echo) as server:
        first, _ = ask_fast(requests(3), server.judge(), store)
        again, facts = ask_fast(
            requests(5), server.judge(api_key_env="JUDGE_KEY_THAT_IS_NOT_SET") | {"api_key_env": None}, store
        )
        assert len(server.bodies) == 5
        assert (facts["asked"], facts["from_store"]) == (2, 3)
        assert facts["prompt_tokens"] == 500  # what the whole store has cost
        assert {key: again[key] for key in first} == first
        ask_fast(requests(1, max_tokens=30), server.judge(), store)  # another body under the same id
        assert len(server.bodies) == 6
        ask_fast(requests(5), server.judge(), store)
        assert len(server.bodies) == 6


def test_a_store_that_has_all_needs_neither_key_nor_server(store):
    with judge_server(echo) as server:
        judge = server.judge()
        ask_fast(requests(3), judge, store)
    replies, facts = ask_fast(requests(3), judge | {"api_key_env": "JUDGE_KEY_THAT_IS_NOT_SET"}, store)
    assert (len(replies), facts["asked"]) == (3, 0)
    assert ask_fast([], judge, store)[0] == {}


def test_a_line_that_a_kill_cut_off_is_asked_again_and_spoils_no_other(store):
    with judge_server(echo) as server:
        ask_fast(requests(3), server.judge(concurrency=1), store)
        whole = store.read_bytes()
        store.write_bytes(whole[:-40])  # inside the third line
        replies, facts = ask_fast(requests(4), server.judge(concurrency=1), store)
        assert (len(replies), facts["asked"], facts["from_store"]) == (4, 2, 2)
        assert len(ask_fast(requests(4), server.judge(), store)[0]) == 4
        assert len(server.bodies) == 5


def test_half_a_character_and_no_content_are_texts_too(store):
    with judge_server(lambda body, before: completion("\ud83d" if number(body) == "0" else None, body)) as server:
        replies, _ = ask_fast(requests(2), server.judge(), store)
        assert replies["q1"]["text"] == ""
        replies["q0"]["text"].encode()
        assert ask_fast(requests(2), server.judge(), store)[0] == replies


def test_ids_are_unique(store):
    with pytest.raises(ValueError, match="unique"):
        ask(requests(1) * 2, {"model": "m", "name": "n"}, store)


# -- faults that pass


@pytest.mark.parametrize(
    "fault",
    [
        (429, "slow down"),
        (500, "oops"),
        (503, "busy"),
        (529, "overloaded"),
        (200, '{"choices": [{"mess'),
        (200, "<html>gateway</html>"),
        (200, '{"error": "no"}'),
        (200, '{"choices": []}'),
        (200, '{"choices": [{"message": null}]}'),
        (200, "[]"),
        "drop",
    ],
    ids=str,
)
def test_faults_that_pass_are_tried_again(store, fault):
    with judge_server(lambda body, before: fault if before < 2 else echo(body, before)) as server:
        replies, facts = ask_fast(requests(3), server.judge(), store)
    assert [row["text"] for row in replies.values()] == ["[[0]]", "[[1]]", "[[2]]"]
    assert (facts["retries"], len(server.bodies), len(read_store(store))) == (6, 9, 3)


def test_a_connection_that_hangs_is_given_up_and_tried_again(store):
    with judge_server(lambda body, before: "hang" if before == 0 else echo(body, before)) as server:
        start = time.monotonic()
        replies, facts = ask_fast(requests(2), server.judge(timeout_s=0.3), store)
        assert time.monotonic() - start < 2
    assert (len(replies), facts["retries"]) == (2, 2)


def test_the_server_says_how_long_to_wait(store):
    with judge_server(lambda body, before: (429, "slow", {"Retry-After": "0.7"}) if not before else "ok") as server:
        start = time.monotonic()
        ask_fast(requests(1), server.judge(), store)
        assert time.monotonic() - start > 0.7


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("", 0), ("7", 7), ("-1", 0), ("soon", 0), ("1e9", 600), ("Wed, 21 Oct 2015 07:28:00 GMT", 0)],
)
def test_retry_after(header, seconds):
    assert _retry_after(header) == seconds


def test_a_fault_that_stays_ends_with_one_message_and_keeps_what_was_paid_for(store):
    with judge_server(lambda body, before: (500, "the disk is full") if number(body) == "3" else "ok") as server:
        output = refused(requests(6), server.judge(concurrency=1), store)
        assert len([body for body in server.bodies if number(body) == "3"]) == 4
    for words in ("'stand-in'", "'q3' in 4 tries", "500", "the disk is full", str(store)):
        assert words in output
    assert {row["id"] for row in read_store(store)} == {"q0", "q1", "q2"}


def test_a_server_out_of_reach_ends_with_one_message(store):
    with judge_server(echo) as server:
        judge = server.judge(base_url="http://127.0.0.1:9/v1")
    assert "ConnectError" in refused(requests(2), judge, store, tries=2)
    assert "benchmarks.judges.stand-in.base_url" in refused(requests(1), judge | {"base_url": "localhost/v1"}, store)


# -- faults that stop


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "the environment variable JUDGE_KEY (benchmarks.judges.stand-in.api_key_env)"),
        (403, "benchmarks.judges.stand-in.api_key_env"),
        (404, "benchmarks.judges.stand-in.base_url"),
        (400, "benchmarks.judges.stand-in.model"),
        (422, "benchmarks.judges.stand-in.model"),
    ],
)
def test_faults_that_do_not_pass_stop_at_once(store, monkeypatch, caplog, status, words):
    caplog.set_level("INFO", "metarewarding")
    monkeypatch.setenv("JUDGE_KEY", KEY + "\n")
    reply = status, f"the key {KEY} will not do"
    with judge_server(lambda body, before: reply if number(body) == "2" else "ok") as server:
        output = refused(requests(40), server.judge(api_key_env="JUDGE_KEY", concurrency=2), store)
        assert len(server.bodies) < 6
    for expected in ("'stand-in'", str(status), "the key *** will not do", words, str(store)):
        assert expected in output
    assert len(read_store(store)) == len(server.answered) >= 2
    assert "40 requests to ask" in caplog.text
    assert KEY not in caplog.text


def test_a_key_that_a_reply_repeats_is_not_kept(store, monkeypatch):
    monkeypatch.setenv("JUDGE_KEY", KEY)
    with judge_server(lambda body, before: f"Your key is {KEY}.") as server:
        replies, _ = ask_fast(requests(1), server.judge(api_key_env="JUDGE_KEY"), store)
    assert replies["q0"]["text"] == "Your key is ***."
    assert KEY not in store.read_text()


def test_a_used_up_account_is_not_waited_for(store):
    reply = 429, '{"error": {"code": "insufficient_quota"}}'
    with judge_server(lambda body, before: reply) as server:
        assert "has no credit left" in refused(requests(9), server.judge(concurrency=1), store)
        assert len(server.bodies) == 1


@pytest.mark.parametrize("key", [None, "", "  ", "two\nlines", "schlüssel-geheim"])
def test_an_invalid_key_is_reported_before_the_first_call(store, monkeypatch, key):
    monkeypatch.delenv("JUDGE_KEY", raising=False)
    if key is not None:
        monkeypatch.setenv("JUDGE_KEY", key)
    with judge_server(echo) as server:
        output = refused(requests(2), server.judge(api_key_env="JUDGE_KEY"), store)
        assert server.bodies == []
    assert "JUDGE_KEY (benchmarks.judges.stand-in.api_key_env)" in output
    assert not key or not key.strip() or key not in output


def test_logprobs_are_asked_for_and_kept(store):
    with judge_server(echo) as server:
        replies, _ = ask_fast(requests(2, top_logprobs=5), server.judge(), store)
        assert (server.bodies[0]["logprobs"], server.bodies[0]["top_logprobs"]) == (True, 5)
    assert replies["q0"]["logprobs"]["content"][0]["token"] == "m"


@pytest.mark.parametrize("logprobs", [None, {"content": None}, {"content": []}])
def test_a_model_without_logprobs_stops_and_its_reply_answers_nothing(store, logprobs):
    with judge_server(lambda body, before: completion("m", body, logprobs)) as server:
        for calls in (1, 2):
            output = refused(requests(9, top_logprobs=5), server.judge(concurrency=1), store)
            assert "judge-1 gives no log-probabilities" in output
            assert "benchmarks.judges.stand-in.model" in output
            assert len(server.bodies) == len(read_store(store)) == calls


# -- cost


def test_the_estimate():
    judge = {"price_in": 10.0, "price_out": 30.0}
    todo = requests(2, messages=[{"role": "system", "content": "x" * 30}, {"role": "user", "content": "y" * 50}])
    assert estimate(todo, judge) == {
        "requests": 2,
        "prompt_tokens": 40,
        "most_output_tokens": 40,
        "cost_low": pytest.approx(0.0004),
        "cost_high": pytest.approx(0.0016),
    }


def test_the_ceiling_stops_before_the_first_call(store):
    todo = requests(10, messages=[{"role": "user", "content": "x" * 4000}])
    with judge_server(echo) as server:
        output = refused(todo, server.judge(max_cost=0.09), store)  # ten times a thousand tokens: 0.10 dollars
        assert server.bodies == []
        assert "benchmarks.judges.stand-in.max_cost is 0.09" in output
        ask_fast(todo[:1], server.judge(max_cost=0.09), store)


def test_the_ceiling_counts_what_was_paid_before(store):
    with judge_server(lambda body, before: "ok") as server:  # each costs 0.0013 dollars
        ask_fast(requests(4), server.judge(max_cost=0.0053), store)
        more = requests(5, messages=[{"role": "user", "content": "x" * 80}], id="other")[:1]  # 0.0002 at least
        assert "0.0052 paid before" in refused(more, server.judge(max_cost=0.0053), store)
        assert len(server.bodies) == 4
        assert len(ask_fast(requests(4), server.judge(max_cost=0.001), store)[0]) == 4  # what is paid for stays usable


def test_the_ceiling_stops_while_running(store):
    with judge_server(lambda body, before: "ok") as server:
        output = refused(requests(20), server.judge(max_cost=0.0039, concurrency=1), store)
        assert len(server.bodies) == len(read_store(store)) == 3
        assert "benchmarks.judges.stand-in.max_cost" in output
        # reached with the last reply: nothing is left to stop
        ask_fast(requests(4), server.judge(max_cost=0.0052, concurrency=1), store)


def test_a_server_that_counts_no_tokens_is_counted_by_characters(store):
    with judge_server(lambda body, before: completion("x" * 40, body, usage=None)) as server:
        _, facts = ask_fast(requests(1), server.judge(), store)
    assert (facts["prompt_tokens"], facts["output_tokens"]) == (1, 10)


# -- killed

CODE = """
import json, sys
sys.path.insert(0, "scripts")
from metarewarding.judges.client import ask
todo, judge, store = json.loads(sys.argv[1])
print(len(ask(todo, judge, store)[0]))
"""


@pytest.mark.slow
def test_killed_half_way_and_resumed_asks_for_no_verdict_twice(store):
    """A kill loses at most what was under way: at 4 at once, no more than 4 replies are asked for again."""

    def script(body, before):
        time.sleep(0.02)
        return echo(body, before)

    with judge_server(script) as server:
        command = [sys.executable, "-c", CODE, json.dumps([requests(150), server.judge(), str(store)])]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 30
        while len(read_store(store)) < 40 and time.monotonic() < deadline:
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        time.sleep(0.2)  # what was under way ends at the server
        kept = {row["id"] for row in read_store(store)}
        questions = len(server.bodies)
        assert 40 <= len(kept) < 150
        assert questions - len(kept) <= 4
        run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        assert run.stdout.splitlines()[-1] == "150"
        later = {f"q{number(body)}" for body in server.bodies[questions:]}
        assert not later & kept
        assert len(server.bodies) == questions + 150 - len(kept)
    assert len(read_store(store)) == 150


class Tokenizer:
    """A token a character."""

    def __init__(self):
        self.added_tokens_decoder = {}

    def apply_chat_template(self, messages, **options):
        return {"input_ids": list(messages[0]["content"])}


def test_a_request_that_a_local_judge_has_no_room_for_gets_no_verdict_and_is_not_asked(store, caplog):
    todo = requests(2, max_tokens=10)
    todo[1]["messages"] = [{"role": "user", "content": "x" * 21}]
    with judge_server(echo) as server:
        judge = server.judge(tokenizer=Tokenizer(), weights="abc", max_model_len=30)
        replies, facts = ask_fast(todo, judge, store)
    assert {key: reply["text"] for key, reply in replies.items()} == {"q0": "[[0]]", "q1": ""}
    assert (facts["asked"], facts["from_store"], facts["too_long"]) == (1, 0, 1)
    assert "benchmarks.judges.stand-in.max_model_len" in caplog.text


def test_other_weights_under_the_same_name_are_asked_again(store):
    with judge_server(echo) as server:
        for weights, questions in (("abc", 2), ("abc", 0), ("def", 2)):
            judge = server.judge(tokenizer=Tokenizer(), weights=weights, max_model_len=100)
            assert ask_fast(requests(2), judge, store)[1]["asked"] == questions


def test_a_judge_on_this_machine_is_not_asked_through_a_proxy(store, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with judge_server(echo) as server:
        replies, _ = ask_fast(requests(1), server.judge(), store, tries=1)
    assert replies["q0"]["text"] == "[[0]]"
