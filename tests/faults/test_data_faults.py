"""Broken or edited prompts, trees and rows get one message each, with the file and the line."""

import gzip
import json

import pytest
from jobs import judgment, response, write

from metarewarding import eft
from metarewarding.errors import UserError
from metarewarding.prompt_checks import check_prompts
from metarewarding.records import (
    Elo,
    Judgment,
    MetaJudgment,
    Pair,
    Prompt,
    Response,
    Reward,
    Turn,
    read_json,
    read_jsonl,
)
from metarewarding.shards import check_known, read_shards
from metarewarding.tree_checks import check_trees


def refused(call, *arguments) -> str:
    with pytest.raises(UserError) as error:
        call(*arguments)
    assert "\n" not in str(error.value)
    return str(error.value)


def prompt(identity, text="Why?"):
    return json.dumps({"prompt_id": identity, "text": text}).encode()


GOOD = prompt("a")
PROMPTS = [
    (prompt(""), "the prompt_id is empty"),
    (prompt("p" * 300), "has 300 characters"),
    (prompt("p" * 201), "has 201 characters"),
    (prompt("a b"), "blanks and control characters"),
    (prompt("a\nb"), "control characters are not allowed"),
    (prompt("a\x00b"), "control characters are not allowed"),
    (prompt("a\x1b[31m"), "control characters are not allowed"),
    (prompt("a\x7f"), "control characters are not allowed"),
    (prompt("a\u202eb"), "control characters are not allowed"),
    (prompt("a\u2028b"), "control characters are not allowed"),
    (prompt("\ufeffa"), "control characters are not allowed"),
    (prompt("a\u2060b"), "control characters are not allowed"),
    (prompt("../a"), "contains a slash"),
    (prompt("b/r0"), "contains a slash"),
    (prompt("a"), "occurs twice (also in line 1)"),
    (prompt("b", " \n"), "has no text"),
    (prompt("b", ""), "has no text"),
    (b'{"prompt_id": null, "text": "x"}', "the field 'prompt_id' is null"),
    (b'{"prompt_id": 3, "text": "x"}', "the field 'prompt_id' is 3"),
    (b'{"prompt_id": "b"}', "the field 'text' is missing"),
    (b'{"prompt_id": "b", "text": ["x"]}', "the field 'text'"),
    (b'{"prompt_id": "b", "text": "\\ud800"}', "surrogate"),
    (b'{"prompt_id": "b", "text": "x"', "not a complete JSON object"),
    (b'{"prompt_id": "b", "text": "' + "é".encode("latin-1") + b'"}', "not UTF-8 text"),
    (b'{"prompt_id": "b", "text": ' + b"[" * 100_000, "nested too deeply"),
    (b"[]", "a JSON object was expected"),
    (b"null", "a JSON object was expected"),
    (b"\x00\x00\x00", "not a complete JSON object"),
]


@pytest.mark.parametrize(("line", "words"), PROMPTS, ids=range(len(PROMPTS)))
def test_a_broken_prompt_is_named_and_never_to_be_deleted(tmp_path, line, words):
    path = tmp_path / "prompts.jsonl"
    path.write_bytes(GOOD + b"\n" + line + b"\n")
    output = refused(check_prompts, path)
    assert str(path) in output
    assert words in output
    assert "delete" not in output  # it is the user's


WHOLE_FILES = [
    (gzip.compress(GOOD), "compressed with gzip"),
    (GOOD.decode().encode("utf-16"), "UTF-16"),
    (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "pointer of Git LFS"),
    (b"", "has no prompts"),
    (b"\n\n", "has no prompts"),
]


@pytest.mark.parametrize(("content", "words"), WHOLE_FILES, ids=[words for _, words in WHOLE_FILES])
def test_a_file_of_another_kind_is_named(tmp_path, content, words):
    path = tmp_path / "prompts.jsonl"
    path.write_bytes(content)
    assert words in refused(check_prompts, path)


def test_what_the_workflow_made_may_be_deleted(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("METAREWARDING_CONFIG", raising=False)  # a test that loads the workflow leaves its own
    (tmp_path / "results").mkdir()
    (tmp_path / "results/a.jsonl").write_bytes(GOOD[:-3])
    (tmp_path / "own.jsonl").write_bytes(GOOD[:-3])
    assert "delete the file" in refused(read_jsonl, "results/a.jsonl", Prompt)
    assert "delete" not in refused(read_jsonl, "own.jsonl", Prompt)
    monkeypatch.setenv("METAREWARDING_CONFIG", json.dumps({"pathvars": {"results": "own"}}))
    assert "delete" not in refused(read_jsonl, "results/a.jsonl", Prompt)


# -- trees


def reply(identity="r0", rank=0, text="So."):
    return {"message_id": identity, "role": "assistant", "text": text, "lang": "en", "rank": rank}


def tree(*replies, identity="t", text="Why?", **prompt):
    return {"message_tree_id": identity, "prompt": {"text": text, "role": "prompter", "replies": replies, **prompt}}


TREES = [
    (tree(reply(rank="0"), reply("r1", "1")), "the rank of the reply 'r0' is '0', and must be a whole number"),
    (tree(reply(rank=1.0)), "is 1.0, and must be a whole number"),
    (tree(reply(rank=0.5)), "is 0.5, and must be a whole number"),
    (tree(reply(rank=True)), "is True, and must be a whole number"),
    (tree(reply(rank=-1)), "is -1; ranks begin at 0"),
    (tree(reply(rank=[0])), "must be a whole number"),
    (tree(reply(text=" ")), "the text of the ranked reply 'r0' is empty"),
    (tree(reply(text=None)), "the reply 'r0' has no text"),
    (tree(reply(text=3)), "the reply 'r0' has no text"),
    (tree(reply(), text=""), "the text of the prompt is empty"),
    (tree(reply(), text=None), "no prompt with a text"),
    (tree(reply(), reply(rank=1)), "the message_id 'r0' occurs twice"),
    (tree(reply(identity=None)), "the message_id is null"),
    (tree(reply(identity="")), "the message_id is empty"),
    (tree(reply(identity="a\nb")), "control characters are not allowed"),
    (tree(reply(identity="a/b")), "contains a slash"),
    (tree(reply(identity="r" * 300)), "has 300 characters"),
    (tree(reply(), identity=None), "the message_tree_id is null"),
    (tree(reply(), identity=7), "the message_tree_id is 7, and must be a string"),
    (tree(reply(), identity="t\x00"), "control characters are not allowed"),
    ({"prompt": {"text": "x"}}, "the field 'message_tree_id' is missing"),
    ({"message_tree_id": "t"}, "no prompt with a text"),
    ({"message_tree_id": "t", "prompt": "x"}, "no prompt with a text"),
    ({"message_tree_id": "t", "prompt": {"text": "x", "replies": {"a": 1}}}, "replies must be a list"),
    ({"message_tree_id": "t", "prompt": {"text": "x", "replies": ["a"]}}, "replies must be a list"),
    (3, "a JSON object was expected"),
]


@pytest.mark.parametrize(("row", "words"), TREES, ids=range(len(TREES)))
def test_a_broken_tree_is_named_with_file_and_line(tmp_path, row, words):
    path = write(tmp_path / "trees.jsonl", tree(reply(), identity="first"), row)
    output = refused(list, eft.read_trees(path))
    assert f"{path}, line 2" in output
    assert words in output


LINE = json.dumps(tree(reply())).encode() + b"\n"
TREE_FILES = [
    ("trees.jsonl", gzip.compress(LINE), "give it a name that ends in .gz"),
    ("trees.jsonl", LINE.decode().encode("utf-16"), "UTF-16"),
    ("trees.jsonl", LINE + LINE.replace(b"So.", b"\xe9"), "line 2: not UTF-8 text"),
    ("trees.jsonl", LINE + LINE.replace(b"So.", b"\\udc00"), "line 2: contains half of a surrogate pair"),
    ("trees.jsonl", LINE + b"[" * 100_000, "line 2: nested too deeply"),
    ("trees.jsonl", LINE.replace(b'"rank": 0', b'"rank": NaN'), "NaN must be a finite number"),
    ("trees.jsonl.gz", LINE, "broken or cut off"),
    ("trees.jsonl.gz", gzip.compress(LINE * 100)[:-10], "broken or cut off"),
    ("trees.jsonl.gz", gzip.compress(LINE * 100)[:40] + b"\x00" * 40, "broken or cut off"),
]


@pytest.mark.parametrize(("name", "content", "words"), TREE_FILES, ids=range(len(TREE_FILES)))
def test_a_file_of_trees_that_cannot_be_read_is_named(tmp_path, name, content, words):
    path = tmp_path / name
    path.write_bytes(content)
    output = refused(list, eft.read_trees(path))
    assert str(path) in output
    assert words in output


@pytest.mark.parametrize(
    ("trees", "words"),
    [
        ([tree(reply(rank=1), reply("r1", 2))], "no reply has rank 0. Ranks begin at 0"),
        ([tree(reply()), tree(reply("r1"))], "the tree 't' occurs twice"),
        ([tree(reply()), tree(reply(), identity="u")], "the message_id 'r0' is in two trees"),
        ([], "has no message trees"),
    ],
)
def test_what_is_wrong_with_trees_together_is_named(trees, words):
    assert words in refused(check_trees, trees, "trees.jsonl")


def test_trees_with_deleted_and_unranked_replies_pass():
    deleted = reply("r2", 5, "") | {"deleted": True}
    check_trees([tree(reply(), reply("r1", 1), reply("r3", None, ""), deleted)], "trees.jsonl")


# -- rows that were edited by hand


def shard(tmp_path, rows, kind="judgments", **facts):
    folder = tmp_path / kind
    folder.mkdir(exist_ok=True)
    unparsed = sum(row.get("score", row.get("winner")) is None for row in rows)
    (folder / "0.stats.json").write_text(json.dumps({"completions": len(rows), "unparsed": unparsed, **facts}))
    return write(folder / "0.jsonl", *rows)


JUDGMENTS = [judgment(0, 0, 4), judgment(0, 1, None), judgment(1, 0, 2)]
EDITS = [
    ([], "the file has 0 rows, and 0.stats.json says 3"),
    (JUDGMENTS[:2], "has 2 rows"),
    ([*JUDGMENTS, JUDGMENTS[0]], "occurs twice (also in line 1)"),
    ([*JUDGMENTS, judgment(0, 2, 1)], "has 4 rows"),
    ([JUDGMENTS[0] | {"score": 99}, *JUDGMENTS[1:]], "has the score 99, and the highest is 5"),
    ([JUDGMENTS[0] | {"score": -1}, *JUDGMENTS[1:]], "is -1, and must be at least 0"),
    ([JUDGMENTS[0] | {"score": None}, *JUDGMENTS[1:]], "2 rows without a score"),
    ([JUDGMENTS[0] | {"judgment_id": "p0/r9/j0"}, *JUDGMENTS[1:]], "is not one of the response_id 'p0/r0'"),
    ([JUDGMENTS[0] | {"response_id": "p0/r9"}, *JUDGMENTS[1:]], "is not one of the response_id 'p0/r9'"),
    ([JUDGMENTS[0] | {"judgment_id": ""}, *JUDGMENTS[1:]], "the judgment_id is empty"),
    ([JUDGMENTS[0] | {"prompt_id": "a\nb"}, *JUDGMENTS[1:]], "control characters are not allowed"),
    ([JUDGMENTS[0] | {"score": "4"}, *JUDGMENTS[1:]], "the field 'score'"),
    ([{key: value for key, value in JUDGMENTS[0].items() if key != "text"}, *JUDGMENTS[1:]], "'text' is missing"),
]


@pytest.mark.parametrize(("rows", "words"), EDITS, ids=[words[:40] for _, words in EDITS])
def test_an_edited_file_of_judgments_is_refused(tmp_path, rows, words):
    path = shard(tmp_path, JUDGMENTS, max_score=5)
    assert len(read_shards([path], Judgment)) == 3
    write(path, *rows)
    output = refused(read_shards, [path], Judgment)
    assert str(path) in output
    assert words in output


@pytest.mark.parametrize("count", [0, 1, 3])
def test_an_edited_file_of_responses_is_refused(tmp_path, count):
    rows = [response(k, f"text {k}") for k in range(3)]
    path = shard(tmp_path, rows[:2], "responses")
    write(path, *rows[:count])
    assert f"has {count} rows" in refused(read_shards, [path], Response)


def test_a_row_in_two_shards_is_refused(tmp_path):
    paths = [shard(tmp_path, JUDGMENTS), write(tmp_path / "1.jsonl", JUDGMENTS[0])]
    assert "is also in an earlier shard" in refused(read_shards, paths, Judgment)


def test_rows_of_unknown_responses_are_refused():
    output = refused(check_known, JUDGMENTS, "response_id", {"p0/r0"}, "judgments", "the responses")
    assert "the response_id 'p0/r1' is not in the responses" in output


META = {
    "prompt_id": "p0",
    "response_id": "p0/r0",
    "first": "p0/r0/j0",
    "second": "p0/r0/j1",
    "text": "",
    "winner": None,
}
PAIR = {"prompt_id": "p0", "kind": "actor", "prompt": [], "chosen": [], "rejected": []}
PAIR |= {"chosen_id": "p0/r0", "rejected_id": "p0/r1", "chosen_by": 1.0, "rejected_by": 0.0}
ROWS = [
    (MetaJudgment, META, META, "occurs twice"),
    (MetaJudgment, META, META | {"first": "p0/r1/j0"}, "is not one of the response_id"),
    (MetaJudgment, META, META | {"second": "x"}, "is not one of the response_id"),
    (MetaJudgment, META, META | {"winner": "A"}, "the field 'winner'"),
    (Pair, PAIR, PAIR, "occurs twice"),
    (Pair, PAIR, PAIR | {"kind": "both"}, "the field 'kind'"),
    (Pair, PAIR, PAIR | {"kind": "judge", "chosen_id": "\x00"}, "control characters are not allowed"),
    (Response, response(0, "a"), response(0, "b"), "occurs twice"),
    (Response, response(0, "a"), response(1, "b") | {"tokens": -1}, "must be at least 0"),
    (
        Reward,
        {"prompt_id": "p", "response_id": "p/r0", "reward": 1.0},
        {"prompt_id": "p", "response_id": "p/r0", "reward": 2.0},
        "occurs twice",
    ),
    (
        Elo,
        {"prompt_id": "p", "response_id": "p/r0", "judgment_id": "p/r0/j0", "elo": 0.0},
        {"prompt_id": "p", "response_id": "p/r0", "judgment_id": "q/r0/j0", "elo": 0.0},
        "is not one of the response_id",
    ),
    (
        Turn,
        {"prompt_id": "p", "turn": 1, "text": "", "tokens": 0, "finish_reason": "stop"},
        {"prompt_id": "p", "turn": 0, "text": "", "tokens": 0, "finish_reason": "stop"},
        "must be at least 1",
    ),
]


@pytest.mark.parametrize(("kind", "good", "bad", "words"), ROWS, ids=range(len(ROWS)))
def test_an_edited_row_is_named(tmp_path, kind, good, bad, words):
    path = write(tmp_path / "rows.jsonl", good, bad)
    output = refused(read_jsonl, path, kind)
    assert f"{path}, line 2" in output
    assert words in output


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"3", b"\xff", b'{"a": 1}', b"[" * 100_000])
def test_a_stats_file_that_cannot_be_read_is_named(tmp_path, content):
    path = tmp_path / "0.stats.json"
    path.write_bytes(content)
    assert str(path) in refused(read_json, path, ("completions",))
