"""The judge's scores: read from what it wrote, averaged over the valid ones."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metarewarding.judging import mean_scores, parse_score, valid_scores, without_score

quick = settings(deadline=None, max_examples=200)


def judgment(response_id, number, score):
    return {
        "prompt_id": response_id.split("/")[0],
        "response_id": response_id,
        "judgment_id": f"{response_id}/j{number}",
        "text": f"Score: {score}",
        "score": score,
        "finish_reason": "stop",
    }


# -- parse_score


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("Score: 4", 4),
        ("score: 4", 4),
        ("SCORE: 4", 4),
        ("Score : 4", 4),
        ("Score:4", 4),
        ("Score: 0", 0),
        ("Score: 5", 5),
        ("Score: 4.", 4),
        ("Total score: 4", 4),
        ("**Score: 4**", 4),
        ("**Score:** 4", 4),
        ("**Score**: 4", 4),
        ("**Score:** **4**", 4),
        ("_Score: 4_", 4),
        ("__Score:__ 4", 4),
        ("*Score: 4*", 4),
        ("### Score: 4", 4),
        ("> Score: 4", 4),
        ("- Score: 4", 4),
        ("`Score: 4`", 4),
        ('"Score: 4"', 4),
        ("Score: [4]", 4),
        ("Score: <4>", 4),
        ("Score: (4)", 4),
        ("(Score: 4)", 4),
        ("Score: 4 points", 4),
        ("Score: 4 - excellent", 4),
        ("Score: 4\n", 4),
        ("Score: 4\r\n", 4),
    ],
)
def test_a_score_is_read_from_many_written_forms(text, score):
    assert parse_score(f"The response is useful.\n\n{text}") == score


@pytest.mark.parametrize(
    ("text", "score"),
    [("Score: 4.5", 4.5), ("Score: 4.75", 4.75), ("**Score:** 4.9", 4.9), ("Score: 4,5", 4.5), ("Score: 3.5.", 3.5)],
)
def test_decimals_are_kept(text, score):
    assert parse_score(text) == score


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("Score: 4/5", 4),
        ("Score: 4 / 5", 4),
        ("Score: 4.5/5", 4.5),
        ("Score: 4/5.0", 4),
        ("**Score:** 4/5 points", 4),
        ("Score: 4 out of 5", 4),
    ],
)
def test_the_scale_may_stand_beside_the_score(text, score):
    assert parse_score(text) == score


@pytest.mark.parametrize("text", ["Score: 6", "Score: 5.1", "Score: -1", "Score: 45", "Score: 100", "Score: 50/5"])
def test_a_score_outside_the_scale_is_none(text):
    assert parse_score(text) is None


@pytest.mark.parametrize(
    "text", ["Score: 4/10", "Score: 4/50", "Score: 8/10", "Score: 4 out of 10", "**Score:** 3/4", "Score: 80%"]
)
def test_another_scale_is_none(text):
    assert parse_score(text) is None


@pytest.mark.parametrize("text", ["Score: **4**/10", "Score: [4]/10", "**Score: 4** / 10", "Score: 4 (out of 10)"])
def test_another_scale_is_none_also_behind_marks(text):
    assert parse_score(text) is None


@pytest.mark.parametrize("text", ["Score: 3-4", "Score: 3 - 4", "Score: 3–4", "Score: 3.5-4"])
def test_a_range_is_none(text):
    assert parse_score(text) is None


@pytest.mark.parametrize("text", ["Score: 3 to 4", "Score: 3 or 4", "Score: 3—4"])
def test_a_range_in_words_is_none(text):
    assert parse_score(text) is None


@pytest.mark.parametrize("text", ["Score: **3**-4", "Score: [3]-[4]", "Score: **3** or **4**", "**Score: 3** - 4"])
def test_a_range_is_none_also_behind_marks(text):
    assert parse_score(text) is None


@pytest.mark.parametrize("text", ["Score: 1+1+1+1 = 4", "Score: 1 + 1 + 1 = 3"])
def test_a_sum_is_not_read_as_its_first_term(text):
    assert parse_score(text) != 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "The response is useful.",
        "Score:",
        "Score: four",
        "Score: <total points>",
        "Score: 4th",
        "I give it a 4.",
        "Scores: 4",
        "Underscore: 4",
        "score 4",
    ],
)
def test_a_text_without_a_score_line_is_none(text):
    assert parse_score(text) is None


def test_the_last_of_several_score_lines_counts():
    assert parse_score("Score: 2 for the facts.\nScore: 5 for the style.\nAll in all:\nScore: 3") == 3


def test_a_prompt_quoted_earlier_is_not_the_verdict():
    assert parse_score('I must end with "Score: <total points>", as in "Score: 1". It is good.\n\nScore: 4') == 4


def test_a_last_score_outside_the_scale_is_not_replaced_by_an_earlier_one():
    assert parse_score("Score: 3\nScore: 9") is None
    assert parse_score("Score: 3\nScore: 8/10") is None


@pytest.mark.parametrize("last", ["Score: 3-4", "Score: four", "Score: 80%", "Score: unclear"])
def test_a_last_score_line_without_a_score_is_not_replaced_by_an_earlier_one(last):
    assert parse_score(f'The prompt says "Score: 2".\n{last}') is None


def test_the_score_line_ends_at_its_end():
    # the list below the score line is no range "4 - 3"
    assert parse_score("Score: 4\n- 3 facts are right\n- the tone is friendly") == 4


def test_the_scale_can_be_another_one():
    assert parse_score("Score: 8/10", high=10) == 8
    assert parse_score("Score: 8", high=10) == 8
    assert parse_score("Score: 4/5", high=10) is None
    assert parse_score("Score: 0", low=1) is None
    assert parse_score("Score: 1", low=1) == 1


@quick
@given(
    st.integers(0, 500),
    st.sampled_from(["Score: {}", "**Score:** {}", "_Score: {}_", "Score: [{}]", "Score: {}/5", "Score: <{}>."]),
    st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="sS"), max_size=40),
)
def test_every_score_of_the_scale_reads_back_after_any_text(hundredths, form, before):
    # `before` holds no "s", so it names no score itself
    assert parse_score(f"{before}\n{form.format(hundredths / 100)}") == hundredths / 100


@quick
@given(st.text(max_size=80))
def test_any_text_gives_none_or_a_score_of_the_scale(text):
    for read in (parse_score(text), parse_score(f"Score: {text}")):
        assert read is None or 0 <= read <= 5


# -- without_score


@pytest.mark.parametrize(
    "text", ["It is good.\nScore: 4", "It is good.\n\n**Score:** 4/5\n", "Score: 2, it seems.\nIt is good.\nScore: 4"]
)
def test_without_score_leaves_the_reasons(text):
    assert without_score(text) == "It is good."


def test_without_score_keeps_a_text_that_has_none():
    assert without_score("It is good.\nIt scores well.") == "It is good.\nIt scores well."


def test_a_score_under_its_label_is_not_left():
    assert parse_score(without_score("It is good.\nScore:\n4")) is None


@pytest.mark.parametrize("line", ["_Score:_ 4", "__Score:__ 4/5", "Score: _4_", "**Score:** **4**", "Score: <4>"])
def test_a_score_in_marks_is_not_left(line):
    assert parse_score(line) == 4
    assert without_score(f"It is good.\n{line}") == "It is good."


@quick
@given(
    st.lists(st.sampled_from(["Score:", "**Score:**", " ", "\n", "4", "3.5", "/5", "good", "- ", "_"]), max_size=8).map(
        "".join
    )
)
def test_without_score_leaves_no_score_that_could_be_read(text):
    assert parse_score(without_score(text)) is None


# -- mean_scores


def test_the_mean_is_over_valid_scores_only():
    rows = [judgment("p/r0", 0, 4), judgment("p/r0", 1, None), judgment("p/r0", 2, 1.5)]
    assert mean_scores(rows) == {"p/r0": 2.75}  # (4 + 1.5) / 2; the unparsed one is no 0 and no -1


def test_one_valid_judgment_is_enough_for_a_mean():
    assert mean_scores([judgment("p/r0", 0, None), judgment("p/r0", 1, 3)]) == {"p/r0": 3}


def test_a_response_without_a_valid_score_is_absent():
    assert mean_scores([judgment("p/r0", 0, None), judgment("p/r1", 0, 2)]) == {"p/r1": 2}


def test_a_score_of_zero_is_a_score():
    assert mean_scores([judgment("p/r0", 0, 0), judgment("p/r0", 1, 3)]) == {"p/r0": 1.5}


def test_scores_are_joined_by_response_id_and_not_by_position():
    rows = [judgment("p/r1", 0, 1), judgment("p/r0", 0, 4), judgment("p/r1", 1, 2), judgment("p/r0", 1, 5)]
    assert mean_scores(rows) == {"p/r0": 4.5, "p/r1": 1.5}
    assert valid_scores(rows) == {"p/r1": [1, 2], "p/r0": [4, 5]}


def test_no_judgments_have_no_means():
    assert mean_scores([]) == {}
