"""Prompt templates: checked for their placeholders, filled in one pass."""

import re
from pathlib import Path

import pytest
import yaml

from metarewarding.errors import UserError
from metarewarding.templates import check, fill, includes_rubric, load

CONFIG = Path(__file__).parents[2] / "config"
JUDGE = "User: {prompt}\n<response>{response}</response>"
META_JUDGE = "User: {prompt}\n{response}\nA: {judgment_a}\nB: {judgment_b}"


def content(template, **values):
    (message,) = fill(template, **values)
    assert message["role"] == "user"
    return message["content"]


# -- fill


def test_a_filled_template_is_one_user_turn():
    assert fill(JUDGE, prompt="Why?", response="So.") == [
        {"role": "user", "content": "User: Why?\n<response>So.</response>"}
    ]


def test_a_placeholder_may_stand_twice():
    assert content("{prompt} {prompt}", prompt="Why?") == "Why? Why?"


def test_placeholder_names_in_a_value_stay_text():
    assert (
        content(META_JUDGE, prompt="{response}", response="{judgment_a}", judgment_a="{judgment_b}", judgment_b="{x}")
        == "User: {response}\n{judgment_a}\nA: {judgment_b}\nB: {x}"
    )


@pytest.mark.parametrize("text", ["{", "}", "{}", "{{prompt}}", "{0}", "%s", "$prompt", "\\1", "\\g<0>", "{prompt!r}"])
def test_signs_of_other_template_languages_in_a_value_stay_text(text):
    assert content(JUDGE, prompt=text, response=text) == f"User: {text}\n<response>{text}</response>"


def test_other_braces_in_a_template_stay_text():
    assert content('{"a": 1} {} { prompt } {prompt}', prompt="Why?") == '{"a": 1} {} { prompt } Why?'


# -- check and load


def test_a_complete_template_is_returned_as_it_is():
    assert check(JUDGE, "judge", "judge.txt") == JUDGE
    assert check(META_JUDGE, "meta_judge", "meta.txt") == META_JUDGE


def test_a_missing_placeholder_is_named_with_its_file():
    with pytest.raises(UserError, match=r"judge\.txt.*lacks \{response\}"):
        check("User: {prompt}", "judge", "judge.txt")


def test_an_unknown_placeholder_is_named_with_its_file():
    with pytest.raises(UserError, match=r"judge\.txt.*unknown placeholder \{answer\}"):
        check(JUDGE + "{answer}", "judge", "judge.txt")


def test_all_faults_are_reported_at_once():
    with pytest.raises(UserError) as error:
        check("{prompt} {judgement_a} {judgment_b}", "meta_judge", "meta.txt")
    for fault in ("lacks {response}", "lacks {judgment_a}", "unknown placeholder {judgement_a}"):
        assert fault in str(error.value)


def test_a_judge_template_is_no_meta_judge_template():
    with pytest.raises(UserError, match="meta-judge template"):
        check(JUDGE, "meta_judge", "meta.txt")


def test_a_loaded_template_has_no_trailing_newline(tmp_path):
    path = tmp_path / "judge.txt"
    path.write_text(JUDGE + " é\n\n", encoding="utf-8")
    assert load(path, "judge") == JUDGE + " é"


def test_a_faulty_template_file_is_named(tmp_path):
    path = tmp_path / "judge.txt"
    path.write_text("Score it.")
    with pytest.raises(UserError, match=re.escape(str(path))):
        load(path, "judge")


# -- the rubric


def test_the_rubric_stands_where_the_template_includes_it(tmp_path):
    (tmp_path / "judge.txt").write_text("Rubric:\n{rubric}\n" + JUDGE)
    (tmp_path / "rubric.txt").write_text("- One point\n- Another {}\n")
    text = load([tmp_path / "judge.txt", tmp_path / "rubric.txt"], "judge")
    assert text == "Rubric:\n- One point\n- Another {}\n" + JUDGE
    assert includes_rubric(tmp_path / "judge.txt")
    assert not includes_rubric(tmp_path / "rubric.txt")


def test_a_template_that_includes_a_rubric_needs_one(tmp_path):
    (tmp_path / "judge.txt").write_text("{rubric} " + JUDGE)
    for files in (tmp_path / "judge.txt", [tmp_path / "judge.txt"]):
        with pytest.raises(UserError, match=r"judge\.txt.*templates\.rubric"):
            load(files, "judge")


def test_a_rubric_with_a_placeholder_is_refused(tmp_path):
    (tmp_path / "judge.txt").write_text("{rubric} " + JUDGE)
    (tmp_path / "rubric.txt").write_text("Read {prompt}.")
    with pytest.raises(UserError, match=r"rubric\.txt.*\{prompt\}"):
        load([tmp_path / "judge.txt", tmp_path / "rubric.txt"], "judge")


# -- the project's own


@pytest.mark.parametrize("role", ["judge", "meta_judge", "generate", "category"])
def test_the_projects_templates_are_complete(role):
    files = sorted(CONFIG.glob(f"*/{role}.txt"))
    assert files
    for file in files:
        load([file, CONFIG / "prompts/rubric.txt"], role)


@pytest.mark.parametrize(("suffix", "points"), [("", "5-point"), ("_10", "10-point")])
def test_the_judge_and_the_meta_judge_are_shown_the_same_rubric_word_for_word(suffix, points):
    rubric = CONFIG / f"prompts/rubric{suffix}.txt"
    bullets = rubric.read_text().rstrip("\n")
    assert [line[:2] for line in bullets.split("\n")] == ["- "] * 5
    for role in ("judge", "meta_judge"):
        text = load([CONFIG / f"prompts/{role}{suffix}.txt", rubric], role)
        assert text.count(f"\n\n{bullets}\n\n") == 1
        assert points in text


def test_the_paper_and_its_ten_point_study_take_the_rubric_of_their_templates():
    paper, study = (yaml.safe_load((CONFIG / name).read_text()) for name in ("paper.yaml", "studies/ten-points.yaml"))
    assert paper["templates"]["rubric"] == "config/prompts/rubric.txt"
    assert study["templates"]["rubric"] == "config/prompts/rubric_10.txt"


def test_the_projects_templates_put_what_is_shared_first():
    # requests of one response then share their beginning, which the engine keeps
    for file in CONFIG.glob("*/meta_judge.txt"):
        places = [
            file.read_text().index("{" + name + "}") for name in ("prompt", "response", "judgment_a", "judgment_b")
        ]
        assert places == sorted(places), file
    for file in CONFIG.glob("*/judge.txt"):
        text = file.read_text()
        assert text.index("{prompt}") < text.index("{response}"), file
