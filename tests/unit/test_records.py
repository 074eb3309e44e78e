"""JSONL files are complete or absent, and a bad line is reported with file, line and field."""

import json
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metarewarding import row_checks
from metarewarding.errors import UserError
from metarewarding.records import (
    Elo,
    Judgment,
    MetaJudgment,
    Pair,
    Prompt,
    RankedReply,
    Response,
    read_json,
    read_jsonl,
    replacing,
    unique_by,
    write_json,
    write_jsonl,
)

JUDGMENT = {
    "prompt_id": "p",
    "response_id": "p/r0",
    "judgment_id": "p/r0/j0",
    "text": "Score: 4",
    "score": 4.0,
    "finish_reason": "stop",
}
META_JUDGMENT = {
    "prompt_id": "p",
    "response_id": "p/r0",
    "first": "p/r0/j0",
    "second": "p/r0/j1",
    "text": "Winner: Judgement A",
    "winner": "first",
}


def numbered(number):
    return JUDGMENT | {"judgment_id": f"p/r0/j{number}"}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "rows.jsonl"


def lines(path, *rows):
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def refused(path, kind, *words):
    """Check that reading ``path`` fails with a message that contains the file and all ``words``."""
    with pytest.raises(UserError) as error:
        read_jsonl(path, kind)
    for word in (str(path), *words):
        assert word in str(error.value)


# -- what is wrong with a line


def test_good_rows_are_read_in_their_order(path):
    rows = [JUDGMENT, JUDGMENT | {"judgment_id": "p/r0/j1", "score": None}]
    assert read_jsonl(lines(path, *rows), Judgment) == rows


@pytest.mark.parametrize("field", list(JUDGMENT))
def test_a_missing_field_is_named_with_file_and_line(path, field):
    bad = {key: value for key, value in JUDGMENT.items() if key != field}
    refused(lines(path, JUDGMENT, bad), Judgment, "line 2", f"'{field}'", "missing")


@pytest.mark.parametrize("field", ["prompt_id", "response_id", "judgment_id", "text", "finish_reason"])
@pytest.mark.parametrize("value", [None, 3, ["p"], {"p": 1}, True])
def test_a_field_of_another_type_is_named_with_file_and_line(path, field, value):
    refused(lines(path, numbered(0), numbered(1), numbered(2) | {field: value}), Judgment, "line 3", f"'{field}'")


def test_a_score_may_be_null_or_any_number(path):
    rows = [numbered(i) | {"score": score} for i, score in enumerate((None, 4, 4.5, 0))]
    assert [row["score"] for row in read_jsonl(lines(path, *rows), Judgment)] == [None, 4, 4.5, 0]


@pytest.mark.parametrize("score", [True, False, "4", [4]])
def test_a_score_that_is_no_number_is_refused(path, score):
    refused(lines(path, JUDGMENT | {"score": score}), Judgment, "line 1", "'score'")


@pytest.mark.parametrize("tokens", [True, None, "3", 3.5])
def test_a_count_that_is_no_whole_number_is_refused(path, tokens):
    row = {"prompt_id": "p", "response_id": "p/r0", "text": "So.", "tokens": tokens, "finish_reason": "stop"}
    refused(lines(path, row), Response, "line 1", "'tokens'")


def test_an_elo_may_not_be_null(path):
    row = {"prompt_id": "p", "response_id": "p/r0", "judgment_id": "p/r0/j0", "elo": None}
    refused(lines(path, row), Elo, "line 1", "'elo'")


@pytest.mark.parametrize("winner", ["first", "second", None])
def test_a_winner_is_first_second_or_null(path, winner):
    row = META_JUDGMENT | {"winner": winner}
    assert read_jsonl(lines(path, row), MetaJudgment) == [row]


@pytest.mark.parametrize("winner", ["A", "third", "First", "", 1, True])
def test_any_other_winner_is_refused(path, winner):
    refused(lines(path, META_JUDGMENT | {"winner": winner}), MetaJudgment, "line 1", "'winner'")


def test_a_kind_of_pair_that_does_not_exist_is_refused(path):
    row = {"prompt_id": "p", "kind": "critic", "prompt": [], "chosen": [], "rejected": []}
    row |= {"chosen_id": "a", "rejected_id": "b", "chosen_by": 1.0, "rejected_by": 0.0}
    refused(lines(path, row), Pair, "line 1", "'kind'")


def test_a_field_that_may_be_absent_is_checked_where_it_stands(path):
    row = {"prompt_id": "p", "response_id": "a", "prompt": "Why?", "text": "So.", "rank": 0}
    assert read_jsonl(lines(path, row), RankedReply) == [row]
    refused(lines(path, row | {"judgment": 4}), RankedReply, "line 1", "'judgment'")


@pytest.mark.parametrize("line", ["[1, 2]", '"text"', "3", "null"])
def test_a_line_that_is_no_object_is_refused(path, line):
    refused(lines(path, {"prompt_id": "p", "text": "Why?"}, line), Prompt, "line 2", "object")


def test_blank_lines_are_passed_over_and_counted(path):
    assert len(read_jsonl(lines(path, numbered(0), "", numbered(1)), Judgment)) == 2
    refused(lines(path, JUDGMENT, "", "oops"), Judgment, "line 3")


def test_a_truncated_last_line_is_named(path):
    whole = lines(path, numbered(0), numbered(1)).read_text()
    path.write_text(whole[:-10])
    refused(path, Judgment, "line 2")


def test_a_file_cut_off_inside_a_character_is_named(path):
    write_jsonl(path, [{"prompt_id": "p", "text": "Pourquoi ?"}, {"prompt_id": "q", "text": "naïveté"}])
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.rindex("é".encode()) + 1])  # the first of the two bytes of "é"
    refused(path, Prompt, "line 2")


def test_other_fields_are_let_through(path):
    row = {"prompt_id": "p", "text": "Why?", "source": "a list"}
    assert read_jsonl(lines(path, row), Prompt) == [row]


def test_an_empty_file_has_no_rows(path):
    path.write_text("")
    assert read_jsonl(path, Prompt) == []


# -- writing


def test_written_rows_are_read_back_and_counted(path):
    rows = [{"prompt_id": "p", "text": 'naïve "quotes"\nand lines\u2028'}, {"prompt_id": "q", "text": "雪"}]
    assert write_jsonl(path, rows) == 2
    assert read_jsonl(path, Prompt) == rows


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(st.text(max_size=30), max_size=4))
def test_any_text_survives_a_file(path, texts):
    rows = [{"prompt_id": str(i), "text": text} for i, text in enumerate(texts)]
    write_jsonl(path, rows)
    assert read_jsonl(path, Prompt) == rows


def test_missing_folders_are_made(tmp_path):
    write_jsonl(tmp_path / "a" / "b" / "rows.jsonl", [])
    assert (tmp_path / "a" / "b" / "rows.jsonl").read_text() == ""


def broken_rows():
    yield {"prompt_id": "p", "text": "Why?"}
    raise RuntimeError("midway")


def test_a_file_whose_rows_fail_midway_is_not_there(path):
    with pytest.raises(RuntimeError, match="midway"):
        write_jsonl(path, broken_rows())
    assert not path.exists()
    assert list(path.parent.glob("*.jsonl")) == []


def test_a_file_whose_rows_fail_midway_stays_what_it_was(path):
    write_jsonl(path, [{"prompt_id": "old", "text": "Why?"}])
    before = path.read_bytes()
    with pytest.raises(RuntimeError, match="midway"):
        write_jsonl(path, broken_rows())
    assert path.read_bytes() == before


def test_a_row_that_json_cannot_hold_leaves_no_file(path):
    with pytest.raises(TypeError):
        write_jsonl(path, [{"prompt_id": "p", "text": object()}])
    assert not path.exists()


def test_a_file_has_its_name_only_when_it_is_complete(path):
    with replacing(path) as file:
        file.write("half")
        file.flush()
        assert not path.exists()
    assert path.read_text() == "half"


def test_nothing_is_left_beside_a_complete_file(path):
    write_jsonl(path, [{"prompt_id": "p", "text": "Why?"}])
    assert [file.name for file in path.parent.iterdir()] == ["rows.jsonl"]


def test_json_survives_a_file(tmp_path):
    write_json(tmp_path / "stats.json", {"pairs": 3, "rate": None, "why": "zu früh"})
    assert read_json(tmp_path / "stats.json") == {"pairs": 3, "rate": None, "why": "zu früh"}


def test_truncated_json_is_named(tmp_path):
    path = tmp_path / "stats.json"
    path.write_text('{"pairs": ')
    with pytest.raises(UserError, match=re.escape(str(path))):
        read_json(path)


# -- ids


def test_rows_are_indexed_by_their_id():
    rows = [{"prompt_id": "p", "text": "x"}, {"prompt_id": "q", "text": "y"}]
    assert unique_by(rows, "prompt_id", "prompts") == {"p": rows[0], "q": rows[1]}


def test_an_id_that_stands_twice_is_named():
    rows = [{"prompt_id": "p", "text": "x"}, {"prompt_id": "p", "text": "y"}]
    with pytest.raises(UserError, match=r"prompts\.jsonl.*prompt_id 'p'"):
        unique_by(rows, "prompt_id", "prompts.jsonl")


def test_nan_is_no_number(path):
    path.write_text('{"prompt_id": "p", "text": NaN}\n')
    refused(path, Prompt, "line 1", "NaN")


# -- the fast decoder and json's


@pytest.fixture(params=["the installed decoder", "json alone"])
def decoder(request, monkeypatch):
    if request.param == "json alone":
        monkeypatch.setattr(row_checks, "_decode", row_checks._decode_json)


@pytest.mark.parametrize(
    "line", ['{"prompt_id": "p", "text": NaN}', '{"prompt_id": "p", "text": "Wh', "{} {}", "[1]", "7"]
)
def test_either_decoder_refuses_a_bad_line(path, decoder, line):
    refused(lines(path, {"prompt_id": "p", "text": "Why?"}, line), Prompt, "line 2")


def test_either_decoder_refuses_nan_where_a_number_belongs(path, decoder):
    line = json.dumps(JUDGMENT).replace("4.0", "NaN")
    refused(lines(path, JUDGMENT, line), Judgment, "line 2", "NaN must be a finite number")


@pytest.mark.parametrize("text", ["\u2028 and \x7f", "雪"])
def test_either_decoder_reads_the_same_row(path, decoder, text):
    row = {"prompt_id": "p", "text": text, "rank": 2**70}
    assert read_jsonl(lines(path, row), Prompt) == [row]


def test_half_of_a_surrogate_pair_is_refused(path, decoder):
    refused(lines(path, {"prompt_id": "p", "text": "\ud800"}), Prompt, "line 1", "surrogate")


def test_a_byte_order_mark_is_passed_over(path, decoder):
    path.write_bytes(b'\xef\xbb\xbf{"prompt_id": "p", "text": "Why?"}\n')
    assert read_jsonl(path, Prompt) == [{"prompt_id": "p", "text": "Why?"}]


def test_a_later_row_of_another_type_is_refused_however_many_were_good(path):
    good = [numbered(i) for i in range(50)]
    refused(lines(path, *good, numbered(50) | {"score": "4"}), Judgment, "line 51", "'score'")
    good = [META_JUDGMENT | {"second": f"p/r0/j{i}"} for i in range(1, 51)]
    refused(lines(path, *good, META_JUDGMENT | {"winner": "A"}), MetaJudgment, "line 51", "'winner'")
