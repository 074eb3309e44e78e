"""Properties of every parser and reader: any bytes and any text give a value or a UserError."""

import gzip
import json
import math

import config_text
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metarewarding import eft, judging, meta_judging, records, templates
from metarewarding.engines.completions import CompletionStore
from metarewarding.engines.sampling import Completion, Decoding
from metarewarding.errors import UserError
from metarewarding.jobs import model_check
from metarewarding.row_checks import id_fault
from metarewarding.shards import read_shards
from metarewarding.tree_checks import tree_fault

KINDS = [
    records.Prompt,
    records.Candidate,
    records.Response,
    records.Judgment,
    records.Reward,
    records.MetaJudgment,
    records.Score,
    records.Elo,
    records.Pair,
    records.SftExample,
    records.RankedReply,
    records.Question,
    records.Turn,
]
quick = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
TEXT = st.text(st.characters(codec=None), max_size=60)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10)
JSON = st.recursive(SCALARS, lambda of: st.lists(of, max_size=3) | st.dictionaries(st.text(max_size=8), of, max_size=4))
LINES = st.lists(JSON, max_size=4).map(lambda rows: "\n".join(map(json.dumps, rows)).encode())
NEAR_SCORES = st.lists(
    st.sampled_from(
        [
            "Score: ",
            "score",
            "**",
            "5",
            "4.5",
            "/5",
            "\n",
            " ",
            "-",
            "99",
            "points",
            "Score: <",
            "nan",
            "1e9",
            "[[",
            "]]",
            "：",
        ]
    ),
    max_size=12,
).map("".join)
NEAR_WINNERS = st.lists(
    st.sampled_from(["Winner: ", "Judgement A", "Judgment B", "[", "]", "**", "\n", "|", "A", "B", " or ", "tie", "`"]),
    max_size=12,
).map("".join)


@quick
@given(text=TEXT | NEAR_SCORES, high=st.sampled_from([5, 10]))
def test_a_score_is_none_or_lies_in_its_range(text, high):
    score = judging.parse_score(text, high=high)
    assert score is None or (math.isfinite(score) and 0 <= score <= high)


@quick
@given(text=TEXT | NEAR_WINNERS)
def test_a_winner_is_a_b_or_none(text):
    assert meta_judging.parse_winner(text) in ("A", "B", None)


@quick
@given(text=NEAR_SCORES)
def test_a_judgment_without_its_score_has_none(text):
    assert isinstance(judging.without_score(text), str)


def value_or_user_error(call, *arguments):
    try:
        return call(*arguments)
    except UserError:
        return None


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@settings(quick, max_examples=25)
@given(content=st.binary(max_size=200) | LINES)
def test_any_file_of_rows_is_read_or_refused(tmp_path, kind, content):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(content)
    value_or_user_error(records.read_jsonl, path, kind)
    if kind.__name__ in ("Response", "Judgment", "MetaJudgment", "Reward"):
        value_or_user_error(read_shards, [path], kind)


def fields(kind):
    return st.fixed_dictionaries(dict.fromkeys(kind.__annotations__, SCALARS))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@settings(quick, max_examples=25)
@given(data=st.data())
def test_rows_of_the_right_fields_and_any_values_are_read_or_refused(tmp_path, kind, data):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in data.draw(st.lists(fields(kind), max_size=3))))
    value_or_user_error(records.read_jsonl, path, kind)


@quick
@given(rows=st.lists(st.text(st.characters(codec="utf-8"), max_size=30), max_size=5))
def test_what_is_written_is_read_again(tmp_path, rows):
    path = tmp_path / "rows.jsonl"
    written = [{"prompt_id": f"p{i}", "text": text} for i, text in enumerate(rows)]
    records.write_jsonl(path, written)
    assert records.read_jsonl(path, records.Prompt) == written


@quick
@given(content=st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_stats_file_is_read_or_refused(tmp_path, content):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    result = value_or_user_error(records.read_json, path, ("completions",))
    assert result is None or "completions" in result


REPLIES = st.fixed_dictionaries({"message_id": SCALARS, "text": SCALARS, "rank": SCALARS, "deleted": st.booleans()})
TREES = st.fixed_dictionaries(
    {
        "message_tree_id": SCALARS,
        "prompt": JSON | st.fixed_dictionaries({"text": SCALARS, "replies": JSON | st.lists(REPLIES, max_size=3)}),
    }
)


@quick
@given(tree=TREES | JSON)
def test_a_tree_without_a_fault_can_be_used(tree):
    if tree_fault(tree) is None:
        rows = eft.ranked_replies(tree)
        assert all(type(row["rank"]) is int and row["rank"] >= 0 and row["text"].strip() for row in rows)


@quick
@given(content=st.binary(max_size=300), name=st.sampled_from(["t.jsonl", "t.jsonl.gz"]), packed=st.booleans())
def test_any_file_of_trees_is_read_or_refused(tmp_path, content, name, packed):
    path = tmp_path / name
    path.write_bytes(gzip.compress(content)[: len(content) + 9] if packed else content)
    value_or_user_error(lambda: list(eft.read_trees(path)))


@quick
@given(content=st.binary(max_size=200))
def test_any_weights_file_is_read_or_refused(tmp_path, content):
    path = tmp_path / "m.safetensors"
    path.write_bytes(content)
    assert model_check.read_header(path)


@quick
@given(header=JSON, data=st.binary(max_size=20))
def test_any_header_of_weights_is_read_or_refused(tmp_path, header, data):
    text, path = json.dumps(header).encode(), tmp_path / "m.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    assert isinstance(model_check.read_header(path), str | dict)


@quick
@given(content=st.binary(max_size=100) | TEXT.map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_yaml_file_is_read_or_refused_in_one_line(tmp_path, content):
    path = tmp_path / "a.yaml"
    path.write_bytes(content)
    output = ""
    try:
        config_text.load(path)
    except config_text.TextError as error:
        output = str(error)
    assert "\n" not in output
    assert not output or str(path) in output


@quick
@given(value=JSON)
def test_an_id_without_a_fault_is_short_and_plain(value):
    if id_fault(value) is None:
        assert value == value.strip()
        assert value.isprintable()
        assert 0 < len(value) <= 250


# -- the judge's templates

TEMPLATE = "Grade it.\nUser: {prompt}\n<response>{response}</response>\nScore:"
NEAR_TAGS = st.lists(
    st.sampled_from(["<", ">", "/", "response", " ", "Response", "\\", "b", "{prompt}", "\n", "</response>"]),
    max_size=15,
).map("".join)


@quick
@given(text=TEXT | NEAR_TAGS)
def test_a_response_cannot_end_its_frame(text):
    (message,) = templates.fill(TEMPLATE, prompt="Why?", response=text)
    assert message["content"].lower().count("</response>") == 1
    assert message["content"].lower().count("<response>") == 1


@quick
@given(text=TEXT)
def test_ordinary_text_stays_as_it_is(text):
    if "<" not in text:
        assert templates.neutral(text, {"response"}) == text


@quick
@given(texts=st.lists(NEAR_TAGS, min_size=2, max_size=2, unique=True))
def test_what_is_made_harmless_once_stays(texts):
    once = templates.neutral(texts[0], {"response"})
    assert templates.neutral(once, {"response"}) == once


# -- the completion store


@quick
@given(content=st.binary(max_size=300) | LINES)
def test_a_damaged_store_gives_nothing_or_what_it_held(tmp_path, content):
    path = tmp_path / "a.completions.jsonl"
    path.write_bytes(content)
    store = CompletionStore(path, {"model": "m"})
    key = store.key([1, 2], Decoding(1.0, 1.0, 4), 4, 0)
    store.add(key, Completion("text", 1, "stop"))
    store.file.close()
    assert CompletionStore(path, {"model": "m"}).get(key).text == "text"
    other = CompletionStore(path, {"model": "n"})
    assert other.get(other.key([1, 2], Decoding(1.0, 1.0, 4), 4, 0)) is None
