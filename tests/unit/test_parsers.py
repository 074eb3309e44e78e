"""Parsing of what models write: one table of cases for scores, one for winners.

Each case names where it was seen or why it is plausible. "form" is the form that the prompts ask for; "issue" a form
that an audit of model outputs named; "seed" a form that SmolLM2-135M-Instruct wrote to this project's templates.
"""

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metarewarding.judging import parse_score, without_score
from metarewarding.meta_judging import parse_winner

quick = settings(deadline=None, max_examples=200)

SCORES = [
    # (text, score on the scale 0 to 5, where it was seen or why it is plausible)
    ("Score: 4", 4, "form"),
    ("Score: 0", 0, "the lowest score is a score"),
    ("Score: 5", 5, "the highest"),
    ("score: 4", 4, "small models drop the capital"),
    ("SCORE: 4", 4, "emphasis"),
    ("Score : 4", 4, "French typesetting"),
    ("Score:4", 4, "no space"),
    ("Score = 4", 4, "an equals sign for the colon"),
    ("Score → 4", 4, "an arrow for the colon"),
    ("Score - 4", 4, "issue"),
    ("Score – 4", 4, "a dash for the colon"),
    ("Score -- 4", 4, "a typed dash"),
    ("Score：4", 4, "issue: full-width colon of Chinese models"),
    ("Score: 4.", 4, "end of a sentence"),
    ("Score: 4\r\n", 4, "Windows line ends"),
    ("Final score: 4", 4, "label of the protocol"),
    ("Total score: 4", 4, "label of the protocol"),
    ("Total points: 4", 4, "issue: the placeholder's own words as label"),
    ("**Total points:** 4/5", 4, "the same in bold"),
    ("Total points awarded: 4", 4, "the same, longer"),
    ("**Final** Score: 4", 4, "half of the label in bold"),
    # marks
    ("**Score: 4**", 4, "Markdown"),
    ("**Score:** 4", 4, "Markdown"),
    ("**Score**: 4", 4, "Markdown"),
    ("**Score:** **4**", 4, "Markdown"),
    ("_Score: 4_", 4, "Markdown"),
    ("__Score:__ 4", 4, "Markdown"),
    ("### Score: 4", 4, "a heading"),
    ("> Score: 4", 4, "a quotation"),
    ("- Score: 4", 4, "the last item of a list"),
    ("3. Score: 4", 4, "the last item of a numbered list"),
    ("`Score: 4`", 4, "the form in code marks"),
    ('"Score: 4"', 4, "the prompt quotes the form, and so does the answer"),
    ("“Score: 4”", 4, "issue: curly quotes"),
    ("(Score: 4)", 4, "brackets"),
    ("Score: [4]", 4, "brackets for the placeholder's"),
    ("Score: <4>", 4, "the placeholder's brackets kept"),
    ("Score: (4/5)", 4, "brackets"),
    ("Score: ★★★★☆ (4/5)", 4, "stars before the number"),
    ("Score: 4️⃣", 4, "a keycap emoji"),
    ('"score": 4,', 4, "a line of JSON"),
    # words around the number
    ("Score: 4 points", 4, "unit"),
    ("Score: 4 - excellent", 4, "a word of explanation"),
    ("Score: 4, with room to improve", 4, "a word of explanation"),
    ("Score: 4 (80%)", 4, "the same in percent"),
    ("Score: 4 because 3 of 4 facts hold", 4, "a reason with other numbers"),
    ("Score: 4 (1 + 1 + 1 + 1)", 4, "the sum behind"),
    ("Score: <total points: 4>", 4, "issue: the placeholder filled in"),
    ("Score: <total points> 4", 4, "issue: the placeholder kept"),
    ("Score: total points: 4", 4, "the placeholder without its brackets"),
    ("Score: total = 4", 4, "half of the placeholder"),
    ("Score: 4<|eot_id|>", 4, "a token that was not left out"),
    ("```\nScore: 4\n```", 4, "a code block"),
    ("Score: 1 + 1 + 1 + 1 + 0 = 4", 4, "issue: the additive scale added up"),
    ("**Total points:** 1 + 1 + 1 + 0 + 0 = **3**", 3, "the same in bold"),
    ("Score: 1 point + 1 point + 1 point = 3 points", 3, "the same with units"),
    ("Score: 1 (relevance) + 1 (coverage) = 2/5", 2, "the same with reasons"),
    ("Score: 5 - 1 = 4", 4, "a deduction"),
    # decimals
    ("Score: 4.5", 4.5, "after judge training (section 3.5)"),
    ("Score: 4.75", 4.75, "after judge training (section 3.5)"),
    ("**Score:** 4.9", 4.9, "after judge training (section 3.5)"),
    ("Score: 4,5", 4.5, "decimal comma"),
    ("Score: 4.000", 4, "decimals of nothing"),
    # the scale beside it
    ("Score: 4/5", 4, "common"),
    ("Score: 4 / 5", 4, "common"),
    ("Score: 4／5", 4, "full-width slash"),
    ("Score: 4.5/5", 4.5, "common"),
    ("Score: 4 out of 5", 4, "common"),
    ("Score: 4 of 5", 4, "short for it"),
    ("Score: 4 out of a possible 5", 4, "longer"),
    ("Score: 4 on a scale of 0 to 5", 4, "longer"),
    ("Score (out of 5): 4", 4, "issue"),
    ("Score (0-5): 4", 4, "the scale in the label"),
    ("Score (5-point scale): 4", 4, "the scale in the label"),
    ("Score/5: 4", 4, "the scale in the label"),
    # the number on the next line
    ("Score:\n4", 4, "issue"),
    ("**Score:**\n\n**4/5**", 4, "issue, in bold and with an empty line"),
    ("## Score\n4", 4, "a heading"),
    ("Score:\n1 + 1 + 1 + 1 = 4", 4, "the sum on the next line"),
    # which line counts
    ("Score: 2\nOn reflection:\nScore: 3", 3, "a verdict that is revised"),
    ("Score: 4\n- Relevance score: 1\n- Clarity score: 1", 4, "issue: a breakdown below the total"),
    ("Score: 4\n- 3 facts are right", 4, "a list below the score is no range"),
    ("Score: 4\n\nThe score: well deserved.", 4, "issue: prose"),
    ("Score: 4\nscore: it covers the whole request", 4, "issue: prose that begins a line"),
    ("Score: 4\nScore:", 4, "a text that was cut"),
    ('I end with "Score: <total points>", as in "Score: 1".\n\nScore: 4', 4, "the prompt quoted"),
    # without a labelled score
    (r"\boxed{4}", 4, "issue: models trained on mathematics"),
    (r"The total is $\boxed{4/5}$.", 4, "the same with its scale"),
    (r"\boxed{\text{Score: }4}", 4, "the same with a label"),
    ("<score>4</score>", 4, "issue: models trained on XML"),
    ("<Score>\n4/5\n</Score>", 4, "the same over lines"),
    (r"Score: $\boxed{4}$", 4, "a label and a box"),
    ("Score: 3\n\\boxed{4}", 3, "the labelled score comes first"),
    # refused: outside the scale
    ("Score: 6", None, "above it"),
    ("Score: 5.1", None, "above it"),
    ("Score: -1", None, "below it"),
    ("Score: 45", None, "a typing error, or percent"),
    ("Score: 4,000", None, "issue: thousands"),
    ("Score: 3\nScore: 9", None, "the last one decides alone"),
    ("Score: 3\nScore: four", None, "the last one decides alone"),
    ("Score: 9\n\\boxed{4}", None, "a labelled score exists, and is wrong"),
    (r"\boxed{8}", None, "above it"),
    ("<score>8/10</score>", None, "another scale"),
    # refused: another scale
    ("Score: 4/10", None, "another scale"),
    ("Score: **4**/10", None, "another scale behind marks"),
    ("Score: 4 out of 10", None, "another scale"),
    ("Score: 4 out of ten", None, "another scale in words"),
    ("Score: 4 out of a possible 10", None, "issue"),
    ("Score: 4 points (out of 10)", None, "another scale in brackets"),
    ("Score: 4 on a scale of 1 to 10", None, "another scale"),
    ("Score: 4 on a 10-point scale", None, "another scale"),
    ("Score: 4 (max 10)", None, "another scale"),
    ("Score (out of 10): 4", None, "another scale in the label"),
    ("Score: 3/4", None, "a fraction"),
    ("Score: 80%", None, "percent"),
    ("Score: 3\nScore: 8/10", None, "the last one decides alone"),
    # refused: more than one number
    ("Score: 3-4", None, "a range"),
    ("Score: 3 – 4", None, "a range"),
    ("Score: 3 to 4", None, "a range"),
    ("Score: 3 or 4", None, "a choice"),
    ("Score: 3 or maybe 4", None, "a choice"),
    ("Score: **3**-4", None, "a range behind marks"),
    ("Score: 3, 4", None, "two numbers"),
    ("Score: 1 point for relevance, 1 for coverage", None, "parts without their sum"),
    ("Score: 5-point scale: 4", None, "the scale comes first"),
    ("Score: 4.5.1", None, "the number of a section"),
    ("Score: 4 → 5", None, "a change"),
    ("Score: 1 + 1 + 1", None, "a sum that is not added up"),
    ("Score: 3 and a half", None, "half in words"),
    ("Score: 4½", None, "half as a sign"),
    ("Score: 4+", None, "a school mark"),
    ("Score: < 4", None, "a bound"),
    ("Score: at least 3", None, "a bound"),
    ("Score: ~4", None, "an estimate"),
    # refused: no score line
    ("", None, "nothing"),
    ("The response is useful.", None, "no verdict"),
    ("Score:", None, "a text that was cut"),
    ("Score: four", None, "in words"),
    ("Score: 4th", None, "an ordinal"),
    ("Score: N/A", None, "a refusal"),
    ("Score: <total points>", None, "the placeholder itself"),
    ("score 4", None, "no separator"),
    ("Scores: 4", None, "another word"),
    ("Underscore: 4", None, "another word"),
    ("Relevance score: 1", None, "issue: a part, no total"),
    ("Score (relevance): 1", None, "a part, no total"),
    ("Good. Score: 4", None, "the line does not begin with the label"),
    ("I give it a 4.", None, "no label"),
    ("This answer has a total of 100 points.", None, "seed"),
    ("I can only give one score of 1.", None, "seed"),
    ("Score:\n1. It is on topic.", None, "a numbered list below the label"),
    ("Score:\n4 facts are right.", None, "a sentence below the label"),
    ("Score:\n-4", None, "a list or a negative number"),
]

WINNERS = [
    # (text, winner, where it was seen or why it is plausible)
    ("Winner: Judgement A", "A", "form"),
    ("Winner: Judgment B", "B", "the spelling of the prompt's headings"),
    ("Winner: [Judgement A]", "A", "the form's brackets kept"),
    ("Winner: A", "A", "short"),
    ("Winner: [B]", "B", "short"),
    ("Winner: [[A]]", "A", "as other judge prompts ask for it"),
    ("Winner: (A).", "A", "short"),
    ("Winner: judgement b", "B", "small letters"),
    ("WINNER: JUDGEMENT B", "B", "capital letters"),
    ("Winner: JudgmentA", "A", "no space"),
    ("Winner: Judgement: A", "A", "a colon too many"),
    ("Winner Judgement: A", "A", "the words in another order"),
    ("Winner：Judgement A", "A", "full-width colon"),
    ("Winner - Judgement A", "A", "a dash for the colon"),
    ("Winner: “Judgement A”", "A", "curly quotes"),
    ("**Winner:** Judgement A", "A", "Markdown"),
    ("**Winner**: **Judgement B**", "B", "Markdown"),
    ("## Winner: Judgement B", "B", "a heading"),
    (r"Winner: $\boxed{\text{Judgement A}}$", "A", "models trained on mathematics"),
    ("The winner is Judgement A.", "A", "a sentence"),
    ("Winner: The winner is Judgement B", "B", "twice"),
    ("Winner: clearly Judgement B", "B", "emphasis"),
    ("Winner: I think Judgement B", "B", "a sentence that names one option"),
    ("Judgement A is the winner.", "A", "issue"),
    ("Both are fair, and Judgement B is the clear winner.", "B", "the same in a longer sentence"),
    ("**Winner:**\nJudgement A", "A", "issue"),
    ("**Winner:**\n\n**Judgement B** is more accurate.", "B", "issue, with an empty line"),
    ("## Winner\nJudgement B", "B", "a heading"),
    # both options on the line
    ("Winner: Judgement A is better than Judgement B", "A", "issue"),
    ("Winner: Judgement B, because Judgement A is too kind", "B", "issue"),
    ("Winner: Judgement A, not Judgement B", "A", "contrast"),
    ("Winner: Judgement A over Judgement B", "A", "contrast"),
    ("Winner: Judgement A > Judgement B", "A", "contrast"),
    ("Winner: Judgement A. Judgement B is too kind.", "A", "a second sentence"),
    ("Winner: A, as B is too kind", "A", "the letters alone"),
    ("Winner: A is better than B", "A", "the letters alone"),
    ("Winner: A (Judgement A)", "A", "twice the same"),
    ("Winner: Judgement A does not inflate the score", "A", "a reason that holds a negation"),
    ("Winner: Judgement A is less generous", "A", "a reason that holds a comparison"),
    # which line counts
    ("Winner: Judgement A at first sight.\nOn reflection:\nWinner: Judgement B", "B", "a verdict that is revised"),
    ('I end with "Winner: [Judgement A | Judgement B]".\n\nWinner: Judgement B', "B", "the prompt quoted"),
    ("Judgment A is stricter than B.\nWinner: Judgment A\nJudgment B is too kind.", "A", "reasons around it"),
    ("Winner: Judgement A\n\nThe winner is more consistent.", "A", "prose below"),
    ("Winner: Judgement A\nWinner: [Judgement A | Judgement B]", None, "the last one decides alone"),
    ("Winner: Judgement A\nWinner: tie", None, "the last one decides alone"),
    # refused: both, none
    ("Winner: [Judgement A | Judgement B]", None, "the form itself"),
    ("Winner: [Judgement A] | [Judgement B]", None, "the form itself"),
    ("Winner: Judgment A or Judgment B", None, "no choice"),
    ("Winner: Judgement A (or B)", None, "no choice"),
    ("Winner: Judgement A, Judgement B", None, "no choice"),
    ("Winner: Judgement A vs. Judgement B", None, "no choice"),
    ("Winner: A | B", None, "no choice"),
    ("Winner: A/B", None, "no choice"),
    ("Winner: both A and B", None, "no choice"),
    ("Winner: Judgement A and Judgement B are equal", None, "no choice"),
    ("Winner: Judgement A is as good as Judgement B", None, "no choice"),
    ("Winner: Judgement A (tie)", None, "a tie"),
    ("Winner: tie", None, "a tie"),
    ("Winner: a tie", None, "a tie"),
    ("Winner: A tie", None, "a tie: the letter is an article"),
    ("Winner: A clear tie", None, "issue"),
    ("Winner: A close call", None, "issue"),
    ("Winner: A draw between the two", None, "the letter is an article"),
    ("Winner: none", None, "none"),
    ("Winner: not A", None, "issue"),
    ("The winner is not Judgement A", None, "denied"),
    ("Winner: Judgement A is not better than Judgement B", None, "denied"),
    ("Winner: Judgement A is worse than Judgement B", None, "denied"),
    ("Winner: Judgement A isn't the winner", None, "denied"),
    ("Winner: Judgement A does not win", None, "denied"),
    ("Winner: Judgement A is less accurate than Judgement B", None, "denied"),
    ("Winner: the judgement a reader would trust", None, "an article"),
    ("Winner: neither Judgement A nor Judgement B", None, "denied"),
    ("Neither Judgement A nor Judgement B is the winner.", None, "denied"),
    ("Judgement A or Judgement B is the winner.", None, "no choice"),
    # refused: no winner line
    ("", None, "nothing"),
    ("Judgment A is better.", None, "no winner line"),
    ("Winner:", None, "a text that was cut"),
    ("Winner: Judgement C", None, "no such option"),
    ("Winner: Judgement AB", None, "no such option"),
    ("Winner: a", None, "an article"),
    ("Winner: Judgement A's reasons are odd", None, "a possessive"),
    ("Winners: A", None, "another word"),
    ("Breadwinner: A", None, "another word"),
    ("Winner:\nJudgment A: strict\nJudgment B: kind", None, "a list of both below the label"),
]


@pytest.mark.parametrize(("text", "score", "why"), SCORES)
def test_a_score_is_read_or_refused(text, score, why):
    assert parse_score(text) == score, why
    if text:
        assert parse_score(f"It is useful.\n\n{text}") == score, why


@pytest.mark.parametrize(("text", "winner", "why"), WINNERS)
def test_a_winner_is_read_or_refused(text, winner, why):
    assert parse_winner(text) == winner, why
    assert parse_winner(f"Both keep to the rubric.\n\n{text}") == winner, why


@pytest.mark.parametrize(("text", "winner", "why"), WINNERS)
def test_the_other_option_is_read_alike(text, winner, why):
    named = re.compile(r"(?<=Judgement )[AB]\b|(?<=Judgment )[AB]\b")
    if not named.search(text) or re.search(r"\b[AB]\b", named.sub("", text)):
        return  # a lone "A" is also an English word, and "B" is none
    other = {"A": "B", "B": "A", None: None}
    assert parse_winner(named.sub(lambda match: other[match[0]], text)) == other[winner], why


def test_the_scale_can_be_another_one():
    assert parse_score("Score: 8/10", high=10) == 8
    assert parse_score("Score: 8", high=10) == 8
    assert parse_score("Score (out of ten): 8", high=10) == 8
    assert parse_score("Score: 4/5", high=10) is None
    assert parse_score("Score: 0", low=1) is None
    assert parse_score("Score: 1", low=1) == 1


# -- properties

FRAGMENTS = [
    *"Score Final Total points score winner Winner Judgement judgment A B is the not tie or and because out of".split(),
    *"to / : = - – 4 3.5 5 10 4,000 + <total points> \\boxed{ } <score> </score> ( ) [ ] ** _ > ： “ ” %".split(),
    "\n",
    " ",
]
written = st.lists(st.sampled_from(FRAGMENTS), max_size=14).flatmap(
    lambda parts: st.sampled_from(["", " "]).map(lambda between: between.join(parts))
)


@quick
@given(st.one_of(st.text(max_size=80), written), st.sampled_from([5, 10]))
def test_any_text_gives_none_or_a_score_of_the_scale(text, high):
    for read in (parse_score(text, high=high), parse_score(f"Score: {text}", high=high)):
        assert read is None or 0 <= read <= high


@quick
@given(st.one_of(st.text(max_size=80), written))
def test_any_text_gives_none_or_one_of_the_two(text):
    for read in (parse_winner(text), parse_winner(f"Winner: {text}")):
        assert read in (None, "A", "B")


@quick
@given(
    st.integers(0, 500),
    st.sampled_from(["Score: {}", "**Score:** {}", "_Score: {}_", "Score: [{}]", "Score: {}/5", "Score:\n{}"]),
    st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="sS"), max_size=40),
)
def test_every_score_of_the_scale_reads_back_after_any_text(hundredths, form, before):
    # `before` holds no "s", so it names no score itself
    assert parse_score(f"{before}\n{form.format(hundredths / 100)}") == hundredths / 100


@quick
@given(st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="wW"), max_size=40))
def test_a_winner_reads_back_after_any_text(before):
    assert parse_winner(f"{before}\nWinner: Judgement B") == "B"


@pytest.mark.parametrize(
    "text",
    [
        "Score:" + " " * 20000 + "x",
        "Score: " + "*" * 20000,
        "Score: " + "1 + " * 5000,
        "Score: " + "(1) " * 5000,
        "Score: 4 " + "of a " * 5000,
        " " * 20000 + "Score",
        "\\boxed{" * 5000,
        "<score>" * 5000,
        "winner " * 5000,
        "Winner: " + "(" * 20000 + "A",
        "Winner: Judgement A" + " (" * 10000,
    ],
)
def test_a_text_that_repeats_itself_takes_no_time(text):
    start = time.process_time()
    parse_score(text), parse_winner(text), without_score(text)
    assert time.process_time() - start < 2  # a few hundredths; with nested repetition minutes


# -- without_score


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("It is good.\nScore: 4", "It is good."),
        ("It is good.\n\n**Score:** 4/5\n", "It is good."),
        ("Good. **Score:** 4/5", "Good."),  # issue: the score goes, the line stays
        ("It is good.\nScore:\n4", "It is good."),
        ("It is good.\n\n**Score:**\n\n**4/5**\n", "It is good."),
        ("Good. **Score:**\n4", "Good."),
        ("It is good.\n## Score\n4", "It is good."),
        ("Score: 2, it seems.\nIt is good.\nScore: 4", "it seems.\nIt is good."),
        ("It is good (score: 4), and short.", "It is good, and short."),
        ("Score: 4 - because it is short", "because it is short"),
        ("It is good.\nScore: 1 + 1 + 1 = 3 points", "It is good."),
        ("It is good.\nScore: 8/10", "It is good."),
        ("It is good.\nTotal points：4", "It is good."),
        ("It is good.\n\\boxed{4}", "It is good."),
        ("It is good.\n<score>4</score>", "It is good."),
        ("It is good.\n_Score:_ 4", "It is good."),
        ("It is good.\nScore: <total points: 4>", "It is good."),
        ("It is “good”.\nIt scores well.", "It is “good”.\nIt scores well."),  # nothing to remove
        ("Score: four", "Score: four"),  # no score that is read
    ],
)
def test_without_score_leaves_the_reasons(text, left):
    assert without_score(text) == left


@pytest.mark.parametrize("text", [text for text, score, _ in SCORES if score is not None])
def test_no_score_of_the_table_is_left(text):
    assert parse_score(without_score(f"It is useful.\n\n{text}")) is None


@quick
@given(st.one_of(st.text(max_size=80), written))
def test_without_score_leaves_no_score_that_could_be_read(text):
    assert parse_score(without_score(text)) is None
