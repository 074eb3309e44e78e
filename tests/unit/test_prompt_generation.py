"""New prompts: the requests, the parsing and filtering of the candidates, and the two scripts."""

import pytest
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st

from metarewarding import templates
from metarewarding.engines.sampling import Completion, Decoding, identity_seed, shard
from metarewarding.prompt_generation import (
    candidate_ids,
    demonstration_prompts,
    draw_demonstrations,
    excluded_pattern,
    fault,
    generate,
    parse,
    select,
)
from metarewarding.rouge import RougeIndex, tokens

DECODING = Decoding(temperature=0.6, top_p=0.9, max_tokens=64)
TEMPLATE = "Tasks:\n{demonstrations}\nNow task {next}."
FILTERS = {"max_rouge_l": 0.7, "min_words": 4, "max_words": 150, "excluded_words": ["map", "go to"]}


def prompt(name, text):
    return {"prompt_id": name, "text": text}


def candidate(name, text, reason="stop"):
    return {"prompt_id": name, "text": text, "raw": text or "", "finish_reason": reason}


def reply(name, text):
    return {"prompt_id": name, "response_id": f"{name}-0", "prompt": text, "text": "So.", "rank": 0}


IFT = [prompt(f"i{k}", f"demonstration {k}") for k in range(10)]
EARLIER = [prompt(f"g1-1-{k}", f"earlier {k}") for k in range(7)]


class Engine:
    """Writes ``answer(request)`` (a text, or a text and a finish reason, or None where the request does not fit)."""

    facts = {"engine": "scripted"}  # noqa: RUF012

    def __init__(self, answer):
        self.answer, self.received = answer, []

    def generate(self, requests):
        self.received += requests
        answers = [self.answer(request) for request in requests]
        answers = [answer if isinstance(answer, tuple) else (answer, "stop") for answer in answers]
        return [[] if text is None else [Completion(text, len(text.split()), why)] for text, why in answers]

    def usage(self):
        return 0, 0


def text_of_request(request):
    (message,) = request.messages
    return message["content"]


# -- asking


def test_ids_are_fit_to_build_other_ids_on():
    ids = candidate_ids("2", "10", 3)
    assert ids == ["g2-10-0", "g2-10-1", "g2-10-2"]
    assert not any(sign in name for name in ids for sign in "/ ")


def test_no_two_rounds_or_pools_share_an_id():
    ids = [name for pool in (1, 11) for r in (1, 11) for name in candidate_ids(pool, r, 12)]
    assert len(set(ids)) == len(ids)


def test_of_ift_prompts_with_the_same_text_the_first_stands():
    rows = demonstration_prompts([reply("a", " Why? "), reply("b", "How?"), reply("c", "Why?")])
    assert rows == [prompt("a", "Why?"), prompt("b", "How?")]


def draw(name="g1-2-0", ift=IFT, earlier=EARLIER, n_ift=6, n_earlier=2, seed=0):
    return draw_demonstrations(name, ift, earlier, n_ift, n_earlier, seed)


@pytest.mark.parametrize(
    ("ift", "earlier", "expected"),
    [
        (10, 7, (6, 2)),
        (10, 1, (7, 1)),  # IFT replaces what is not there yet
        (10, 0, (8, 0)),
        (7, 0, (7, 0)),  # there is no eighth
        (3, 7, (3, 2)),
        (0, 7, (0, 2)),
        (0, 0, (0, 0)),
    ],
)
def test_how_many_demonstrations_of_each_kind(ift, earlier, expected):
    texts = draw(ift=IFT[:ift], earlier=EARLIER[:earlier])
    assert (sum(t.startswith("demo") for t in texts), sum(t.startswith("earlier") for t in texts)) == expected
    assert len(set(texts)) == len(texts)


def test_demonstrations_are_the_same_on_every_run_and_others_for_another_candidate():
    assert draw() == draw()
    assert len({tuple(draw(name)) for name in candidate_ids(1, 2, 20)}) == 20
    assert draw(seed=1) != draw()


def test_every_demonstration_is_drawn_at_every_place():
    draws = [draw(name) for name in candidate_ids(1, 2, 400)]
    for place in range(8):
        assert {row[place] for row in draws} == {row["text"] for row in IFT + EARLIER}
    # two of eight are earlier prompts, wherever they stand: 400 draws, 100 a place expected, sigma 8.7
    assert all(65 < sum(row[place].startswith("earlier") for row in draws) < 135 for place in range(8))


def ask(engine, ids, ift=IFT, earlier=EARLIER, n_ift=6, n_earlier=2, template=TEMPLATE, seed=0):
    return generate(engine, ids, ift, earlier, n_ift, n_earlier, template, DECODING, seed)


def test_a_request_shows_the_numbered_demonstrations_and_asks_for_the_next():
    engine = Engine(lambda request: "Write an ode to rain.")
    ask(engine, ["g1-2-0"])
    (request,) = engine.received
    lines = [f"Task {i}: {text}" for i, text in enumerate(draw("g1-2-0"), start=1)]
    assert text_of_request(request) == "Tasks:\n" + "\n".join(lines) + "\nNow task 9."
    assert (request.id, request.n, request.decoding) == ("g1-2-0", 1, DECODING)
    assert request.seed == identity_seed(0, "new prompt", "g1-2-0")


def test_with_fewer_demonstrations_the_next_number_is_lower():
    engine = Engine(lambda request: "Task 4: Write an ode to rain.")
    rows, _ = ask(engine, ["g1-1-0"], ift=IFT[:3], earlier=[])
    assert text_of_request(engine.received[0]).endswith("Now task 4.")
    assert rows[0]["text"] == "Write an ode to rain."


@pytest.mark.parametrize("text", ["{next} {demonstrations}", "\\1 %s {0}", "<|im_end|>", "Task 9: no", "é 雨 🌧"])
def test_a_demonstration_is_text(text):
    engine = Engine(lambda request: "Write an ode to rain.")
    ask(engine, ["g1-1-0"], ift=[prompt("a", text)], earlier=[])
    assert text_of_request(engine.received[0]) == f"Tasks:\nTask 1: {text}\nNow task 2."


def test_candidates_keep_what_was_written_and_facts_count_it():
    answers = {
        "g1-1-0": "**Task 9:** Write an ode to rain.",
        "g1-1-1": ("Task 9: Write an ode to", "length"),
        "g1-1-2": "Task 9:",
        "g1-1-3": None,  # its demonstrations do not fit the context
    }
    rows, facts = ask(Engine(lambda request: answers[request.id]), list(answers))
    assert [row["prompt_id"] for row in rows] == ["g1-1-0", "g1-1-1", "g1-1-2"]
    assert [row["text"] for row in rows] == ["Write an ode to rain.", None, None]
    assert rows[1]["raw"] == "Task 9: Write an ode to"
    assert rows[1]["finish_reason"] == "length"
    assert (facts["requests"], facts["completions"], facts["truncated"], facts["too_long"]) == (4, 3, 1, 1)
    assert (facts["unparsed"], facts["parse_rate"]) == (2, 0.3333)


@pytest.mark.parametrize("shards", [1, 2, 5, 30])
def test_shards_change_nothing(shards):
    def answer(request):
        return f"Task 9: {request.seed} {text_of_request(request)[:40]}"

    ids = candidate_ids(1, 2, 23)
    whole, _ = ask(Engine(answer), ids)
    assert [row for i in range(shards) for row in ask(Engine(answer), shard(ids, i, shards))[0]] == whole


def test_the_projects_template_asks_for_the_next_task():
    template = templates.load(ROOT / "config/prompts/generate.txt", "generate")
    engine = Engine(lambda request: "x")
    ask(engine, ["g1-1-0"], template=template)
    text = text_of_request(engine.received[0])
    assert "Task 8: " in text
    assert text.index("Task 8: ") < text.index("Task 9:")


# -- reading

ODE = "Write an ode to rain."


@pytest.mark.parametrize(
    "completion",
    [
        ODE,
        f"Task 9: {ODE}",
        f"\n\n  Task 9:\n{ODE}\n",
        f"task 9. {ODE}",
        f"TASK 12: {ODE}",
        f"Task #9: {ODE}",
        f"Task 9 - {ODE}",
        f"Task 9:{ODE}",
        f"**Task 9:** {ODE}",
        f"**Task 9**: {ODE}",
        f"__Task 9:__ {ODE}",
        f"**Task 9: {ODE}**",
        f"## Task 9\n{ODE}",
        f"## Task 9: {ODE}",
        f"9. {ODE}",
        f"9) {ODE}",
        f"1. {ODE}",
        f"Sure! Here is a new task for you:\n\nTask 9: {ODE}",
        f"Sure!\n\n**Task 9:** {ODE}",
        f"Sure. Here is a new one:\n\nTask 10: {ODE}\nTask 11: Dance.",
    ],
)
def test_a_label_is_no_part_of_the_task(completion):
    assert parse(completion, 9) == ODE


@pytest.mark.parametrize(
    "follows", ["Task 10: Dance.", "**Task 10:** Dance.", "Task 1. Sing.", "## Task 10", "task 10:"]
)
def test_the_task_ends_where_another_begins(follows):
    assert parse(f"Task 9: {ODE}\n\n{follows}\n\nTask 11: Sing.", 9) == ODE
    assert parse(f"{ODE}\n{follows}", 9) == ODE
    assert parse(f"Task 9: {ODE}\n{follows}", 9, "length") == ODE  # it was whole before the cut


def test_a_numbered_list_is_cut_at_its_next_number_and_steps_of_a_task_stay():
    assert parse(f"9. {ODE}\n10. Dance.\n11. Sing.", 9) == ODE
    assert parse(f"9. {ODE}\n10. Dan", 9, "length") == ODE
    steps = "Answer both:\n1. Who?\n2. Why?"
    assert parse(steps, 9) == steps
    assert parse(f"Task 9: {steps}", 9) == steps


@pytest.mark.parametrize(
    "text",
    [
        "Explain why task 9: of the list is hard.",
        "Task 9 people with cleaning a beach.",
        "Tasks 1: to 3: are dull. Why?",
        "3.5 is what part of 7?",
        "1984: who wrote it, and when?",
        "2024 was a year. What happened?",
        "Rewrite this:\nTasks are many.\nMultitask 3: no.",
        "Write **two** odes.",
        "Fill the gap: {next} {demonstrations}",
        "Use <b>bold</b> and <|im_end|>.",
        "Übersetze 雨 ins Deutsche.",
        "First line.\n\nThird line.",
    ],
)
def test_what_only_looks_like_a_label_stays(text):
    assert parse(text, 9) == text
    assert parse(f"Task 9: {text}", 9) == text


def test_bold_of_the_task_itself_stays():
    assert parse("Task 9: **Two** odes to rain.", 9) == "**Two** odes to rain."
    assert parse("**Task 9:** **Two** odes to rain.", 9) == "**Two** odes to rain."


@pytest.mark.parametrize("completion", ["", " \n", "Task 9:", "**Task 9:**", "Task 9:\nTask 10: Dance.", "## Task 9"])
def test_an_empty_task_is_none(completion):
    assert parse(completion, 9) is None


@pytest.mark.parametrize("completion", [ODE, f"Task 9: {ODE}", f"9. {ODE}", "Task 9: Read.\n1. Who?\n2. Why?", "Sure"])
def test_a_task_that_was_cut_is_none(completion):
    assert parse(completion, 9, "length") is None


@settings(deadline=None, max_examples=200)
@given(st.text(), st.integers(1, 20), st.sampled_from(["stop", "length"]))
def test_whatever_was_written_is_read_without_an_error(text, number, reason):
    read = parse(text, number, reason)
    assert read is None or (read == read.strip() and read and all(word in text for word in read.split("**")[0].split()))


# -- the measure


def lcs(a, b):
    """Return the length of the longest common subsequence, by the definition."""
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            table[i + 1][j + 1] = table[i][j] + 1 if x == y else max(table[i][j + 1], table[i + 1][j])
    return table[-1][-1]


def rouge_l(a, b):
    a, b = tokens(a), tokens(b)
    return 2 * lcs(a, b) / (len(a) + len(b)) if a and b else 0.0


def index_of(threshold, *texts):
    index = RougeIndex(threshold)
    for k, text in enumerate(texts):
        index.add(f"t{k}", text)
    return index


def test_tokens_are_those_of_the_rouge_score_package():
    assert tokens("Don't shout: it's 3.5 KM_away!") == ["don", "t", "shout", "it", "s", "3", "5", "km", "away"]
    assert tokens("café") == ["caf"]  # a letter that it does not know ends a word
    assert tokens("雨 Дождь") == []


@pytest.mark.parametrize(
    ("common", "expected"),
    [(6, None), (7, ("t0", 0.7)), (8, ("t0", 0.8))],
)
def test_a_text_at_the_threshold_is_similar(common, expected):
    first = " ".join(f"a{i}" for i in range(10))
    second = " ".join([f"a{i}" for i in range(common)] + [f"b{i}" for i in range(10 - common)])
    assert index_of(0.7, first).most_similar(second) == expected


@pytest.mark.parametrize("tenths", range(1, 11))
def test_the_threshold_is_exact_for_any_tenth(tenths):
    # 1 - 0.9 is no 0.1 in floating point, so this must not depend on how a distance is turned around
    first, at = [f"a{i}" for i in range(10)], [f"a{i}" for i in range(tenths)] + ["b"] * (10 - tenths)
    below = at[: tenths - 1] + ["b"] * (11 - tenths)
    index = index_of(tenths / 10, " ".join(first))
    assert index.most_similar(" ".join(at)) == ("t0", tenths / 10)
    assert index.most_similar(" ".join(below)) is None


def test_order_counts_and_repeats_count_once_each():
    index = index_of(0.7, "one two three four")
    assert index.most_similar("four three two one") is None
    assert index.most_similar("one one one one") is None
    assert index.most_similar("One, two; three - FOUR!") == ("t0", 1.0)


def test_the_most_similar_text_is_named_and_of_several_the_first():
    index = index_of(0.5, "a b c d", "a b c x", "a b c y", "a b c x z")
    assert index.most_similar("a b c x") == ("t1", 1.0)
    assert index.most_similar("a b c q") == ("t0", 0.75)


def test_texts_without_a_latin_letter_resemble_nothing():
    index = index_of(0.7, "雨 雨 雨", "", "one two")
    assert index.most_similar("雨 雨 雨") is None
    assert index.most_similar("") is None
    # and to the measure these are the one word that it sees
    assert index_of(0.7, "Translate: 雨").most_similar("Translate: 風") == ("t0", 1.0)


def test_more_words_than_characters_of_the_basic_plane_are_distinguished():
    # past 0xD800 the characters that stand for words have a gap: surrogates
    words = [f"w{i}" for i in range(0xD800 + 3000)]
    index = index_of(0.7, *(" ".join(words[i : i + 100]) for i in range(0, len(words), 100)))
    assert len(set(index.characters.values())) == len(words)
    assert not any(0xD800 <= ord(c) < 0xE000 for c in index.characters.values())
    last = len(words) // 100
    assert index.most_similar(" ".join(words[last * 100 :])) == (f"t{last}", 1.0)
    assert index.most_similar(words[0]) is None


texts_of_few_words = st.lists(st.sampled_from("abcdefgh"), max_size=12).map(" ".join)


@settings(deadline=None, max_examples=400)
@given(
    st.lists(texts_of_few_words, max_size=12),
    texts_of_few_words,
    st.one_of(st.sampled_from([i / 20 for i in range(1, 21)]), st.floats(0.01, 1)),
)
def test_the_index_agrees_with_the_definition(texts, text, threshold):
    scores = [rouge_l(text, other) for other in texts]
    best = max(scores, default=0)
    expected = (f"t{scores.index(best)}", best) if scores and best >= threshold else None
    assert index_of(threshold, *texts).most_similar(text) == expected


# -- filters


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Write an ode to rain.", None),
        ("one two three four", None),
        ("one two three", "too few words"),
        ("word " * 150, None),
        ("word " * 151, "too many words"),
        ("Describe a map of Spain.", "excluded word"),
        ("MAP the ways home, please.", "excluded word"),
        ("Name a maple, and mapping.", None),  # whole words only
        ("Where does one go to rest?", "excluded word"),
        ("Where does one Go\nTo rest?", "excluded word"),
        ("Where did he go today?", None),
        ("Write a program that adds numbers.", "write a program"),
        ("write a program that adds numbers.", "write a program"),
        ("How does one write a program?", None),
        ("(Briefly) say what rain is.", "first character"),
        ('"Rain" is what, and why?', "first character"),
        ("- say what rain is", "first character"),
        ("Écris une ode à pluie.", "first character"),
        ("雨 is written how, exactly?", "first character"),
        ("\x00 is what character, exactly?", "first character"),
        ("3 odes to rain, please.", None),
        ("Translate to English: 雨が降る, 今日は", None),
    ],
)
def test_filters(text, reason):
    assert fault(candidate("g1-1-0", text), 4, 150, excluded_pattern(["map", "go to"])) == reason


def test_a_candidate_without_a_text_says_why():
    assert fault(candidate("a", None), 1, 9, None) == "unparsed"
    assert fault(candidate("a", None, "length"), 1, 9, None) == "cut off"


def test_no_excluded_words_exclude_nothing():
    assert excluded_pattern([]) is None
    assert fault(candidate("a", "draw a map of files"), 1, 9, None) is None


def test_excluded_words_are_no_patterns():
    pattern = excluded_pattern(["c++", "a.b"])
    assert pattern.search("Is C++ hard?")
    assert not pattern.search("Is acb hard?")
    assert not pattern.search("Is c++x hard?")


def chosen(candidates, ift=(), earlier=(), wanted=100, **changes):
    return select(candidates, ift, earlier, wanted, **FILTERS | changes)


def test_a_candidate_is_compared_with_all_before_it():
    rows = [
        candidate("c0", "Name three rivers of northern Spain."),  # an IFT prompt but for one word: 10 / 12
        candidate("c1", "Write an ode to heavy rain."),  # an earlier prompt but for one word
        candidate("c2", "Explain how bread rises in an oven."),
        candidate("c3", "Explain how bread rises in an oven, please."),  # c2 and one word: 14 / 15
        candidate("c4", "Describe how a cat lands on four feet."),
    ]
    accepted, refused = chosen(
        rows,
        ift=[prompt("i0", "Name three rivers of southern Spain.")],
        earlier=[prompt("g0-3-1", "Write an ode to light rain.")],
    )
    assert accepted == [prompt("c2", rows[2]["text"]), prompt("c4", rows[4]["text"])]
    assert [(row.prompt_id, row.reason, row.similar_to) for row in refused] == [
        ("c0", "too similar", "i0"),
        ("c1", "too similar", "g0-3-1"),
        ("c3", "too similar", "c2"),
    ]
    assert [row.rouge_l for row in refused] == [10 / 12, 10 / 12, 14 / 15]


def test_a_refused_candidate_stands_in_nobodys_way():
    rows = [candidate("c0", "Draw a map of three rivers."), candidate("c1", "Draw a plan of three rivers.")]
    accepted, (refusal,) = chosen(rows)
    assert [row["prompt_id"] for row in accepted] == ["c1"]
    assert (refusal.reason, refusal.similar_to) == ("excluded word", None)


def test_a_full_pool_takes_no_more():
    rows = [candidate(f"c{i}", f"w{i} x{i} y{i} z{i}") for i in range(4)]
    accepted, refused = chosen(rows, wanted=2)
    assert [row["prompt_id"] for row in accepted] == ["c0", "c1"]
    assert [row.reason for row in refused] == ["pool full", "pool full"]
    assert chosen(rows, wanted=0)[0] == chosen(rows, wanted=-3)[0] == []


def test_each_candidate_is_accepted_or_refused():
    rows = [candidate("c0", None), candidate("c1", "one"), candidate("c2", "one two three four")]
    accepted, refused = chosen(rows)
    assert sorted([row["prompt_id"] for row in accepted] + [row.prompt_id for row in refused]) == ["c0", "c1", "c2"]
