"""Arena-Hard and MT-Bench: requests, verdicts and scores, by hand and on published rows; their scripts end to end."""

import json
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from jobs import job, read, write
from stand_in import judge_server
from test_sampling import Engine

from benchmarks import evaluate_model, judge_benchmark, score_benchmark
from metarewarding import benchmarks
from metarewarding.engines.sampling import Decoding
from metarewarding.errors import UserError
from metarewarding.evaluation import arena_hard, arena_hard_files, mt_bench, registry
from metarewarding.judges.asking import Asking
from metarewarding.judges.client import connect

TRUTH = Path(os.environ.get("TRUTH_DATA", ROOT.parent / "shared" / "truth"))
needs_arena_hard, needs_mt_bench = (
    pytest.mark.skipif(
        not (TRUTH / name).is_dir(), reason=f"needs {what}: set TRUTH_DATA to a folder that holds them in {name}/"
    )
    for name, what in (("arena_hard", "Arena-Hard's published files"), ("mt_bench", "MT-Bench's published files"))
)

ARENA_PROMPT = {"system_prompt": "Judge.", "prompt_template": "{QUESTION} | {ANSWER_A} | {ANSWER_B}"}
SINGLE = "Q {question} A {answer}"
MULTI = "Q {question_1} A {answer_1} Q {question_2} A {answer_2}"
MT_PROMPTS = {
    "single-v1": {"system_prompt": "s", "prompt_template": SINGLE},
    "single-math-v1": {"system_prompt": "s", "prompt_template": "R {ref_answer_1} " + SINGLE},
    "single-v1-multi-turn": {"system_prompt": "m", "prompt_template": MULTI},
    "single-math-v1-multi-turn": {
        "system_prompt": "m",
        "prompt_template": "R {ref_answer_1} R {ref_answer_2} " + MULTI,
    },
}


def question(identity, *turns, category="writing"):
    return {"prompt_id": identity, "category": category, "turns": list(turns or ["Why?"])}


def battle(winner, a="base", b="model"):
    return {"question_id": "q", "model_a": a, "model_b": b, "winner": winner}


def game(number, verdict, identity="q"):
    return {"prompt_id": identity, "game": number, "judge": "j", "judge_model": "m", "text": "", "verdict": verdict}


def text_of_request(request):
    return request["messages"][-1]["content"]


def rows_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


# -- Arena-Hard: requests


def test_each_question_is_played_twice_with_the_order_swapped():
    questions = [question("q1", "Why?"), question("q2", "How?")]
    # by id: neither map is in the questions' order
    requests = arena_hard.requests(
        questions, {"q2": "m2", "q1": "m1"}, {"q3": "b3", "q2": "b2", "q1": "b1"}, ARENA_PROMPT, 99
    )
    assert [(r["id"], r["prompt_id"], r["game"], text_of_request(r)) for r in requests] == [
        ("q1/game1", "q1", 1, "Why? | b1 | m1"),
        ("q1/game2", "q1", 2, "Why? | m1 | b1"),
        ("q2/game1", "q2", 1, "How? | b2 | m2"),
        ("q2/game2", "q2", 2, "How? | m2 | b2"),
    ]
    assert requests[0]["messages"][0] == {"role": "system", "content": "Judge."}
    assert (requests[0]["temperature"], requests[0]["max_tokens"]) == (0, 99)


def test_braces_in_an_answer_stay_text():
    nasty = "{ANSWER_B} {QUESTION} {{}} {0} {undefined} \\1"
    requests = arena_hard.requests([question("q", nasty)], {"q": nasty}, {"q": "b"}, ARENA_PROMPT)
    assert text_of_request(requests[0]) == f"{nasty} | b | {nasty}"


@pytest.mark.parametrize(
    ("answers", "baseline", "words"),
    [
        ({"q1": "a"}, {"q1": "b", "q2": "b"}, "the model's answers do not match the 2 questions: 1 are missing"),
        ({"q1": "a", "q2": "a", "q9": "a"}, {"q1": "b", "q2": "b"}, "1 do not belong to a question, for instance q9"),
        ({"q1": "a", "q2": "a"}, {"q2": "b"}, "the baseline's answers do not match"),
    ],
)
def test_answers_that_do_not_match_the_questions_are_named(answers, baseline, words):
    with pytest.raises(UserError, match=words):
        arena_hard.requests([question("q1"), question("q2")], answers, baseline, ARENA_PROMPT)


# -- Arena-Hard: verdicts and score


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("My final verdict is: [[A>>B]]", "A>>B"),
        ("[[B>A]] and so, again, [[B>A]].", "B>A"),
        ("[[A=B]]", "A=B"),
        ("[[B>>A]]\n", "B>>A"),
        ("[[A>B]] or rather [[A=B]]", None),
        ("[[A>B]] or rather [[A>>B]]", None),
        ("[[A<B]]", None),
        ("[A>B]", None),
        ("[[C]] [[5]]", None),
        ("", None),
    ],
)
def test_arena_hard_verdict(text, verdict):
    assert arena_hard.verdict(text) == verdict


def test_only_a_judgment_without_any_label_is_asked_to_go_on():
    requests = arena_hard.requests([question("q")], {"q": "m"}, {"q": "b"}, ARENA_PROMPT)
    texts = {"q/game1": "Let me think", "q/game2": "[[A>B]] no, [[B>A]]"}
    (again,) = arena_hard.requests_again(requests, texts)
    assert (again["id"], [message["role"] for message in again["messages"]]) == (
        "q/game1/again",
        ["system", "user", "assistant", "user"],
    )
    assert again["messages"][2]["content"] == "Let me think"


@pytest.mark.parametrize(
    ("number", "verdict", "winners"),
    [
        (1, "A>>B", ["model_a"] * 3),
        (1, "A>B", ["model_a"]),
        (1, "A=B", ["tie"]),
        (1, "B>A", ["model_b"]),
        (1, "B>>A", ["model_b"] * 3),
        (2, "A>>B", ["model_b"] * 3),
        (2, "A>B", ["model_b"]),
        (2, "A=B", ["tie"]),
        (2, "B>A", ["model_a"]),
        (2, "B>>A", ["model_a"] * 3),
        (1, None, []),
    ],
)
def test_arena_hard_battles(number, verdict, winners):
    battles = arena_hard.battles_of([game(number, verdict)], "model", "base")
    assert battles == [{"question_id": "q", "model_a": "base", "model_b": "model", "winner": w} for w in winners]


def test_a_game_that_was_judged_twice_is_named():
    with pytest.raises(UserError, match="game 1 of question 'q' was judged twice"):
        arena_hard.battles_of([game(1, "A>B"), game(1, None)], "model", "base")


def test_arena_hard_score_by_hand():
    battles = [battle("model_b"), battle("model_a"), battle("model_a"), battle("tie")]
    score = benchmarks.arena_hard_score(battles, "base", rounds=1000, seed=0)
    assert (score["score"], score["n"]) == (37.5, 4)  # (1 + 1/2) / 4
    assert 0 <= score["ci_low"] < 37.5 < score["ci_high"] <= 100
    assert score == benchmarks.arena_hard_score(battles, "base", rounds=1000, seed=0)
    # the same rows with the sides swapped
    swapped = [
        battle({"model_a": "model_b", "model_b": "model_a"}.get(r["winner"], "tie"), "model", "base") for r in battles
    ]
    assert benchmarks.arena_hard_score(swapped, "base", rounds=1000, seed=0) == score
    bad = [battle("tie (bothbad)"), battle("model_b")]
    assert benchmarks.arena_hard_score(bad, "base", 10, 0)["score"] == 75
    rng = np.random.default_rng(0)  # rows drawn one by one come to the same interval
    points = np.repeat([0, 0.5, 1], [50, 20, 30])
    means = 100 * rng.choice(points, (20000, 100)).mean(axis=1)
    many = [battle("model_a")] * 50 + [battle("tie")] * 20 + [battle("model_b")] * 30
    score = benchmarks.arena_hard_score(many, "base", rounds=100, seed=3)
    assert [score["ci_low"], score["ci_high"]] == pytest.approx(np.percentile(means, [2.5, 97.5]), abs=0.6)
    always = benchmarks.arena_hard_score([battle("model_b")] * 3, "base", 10, 0)
    assert (always["ci_low"], always["score"], always["ci_high"]) == (100, 100, 100)


@pytest.mark.parametrize(
    "battles",
    [[], [battle("tie", "a", "b")], [battle("tie"), battle("tie", b="other")], [battle("model_c")]],
    ids=["none", "no baseline", "two models", "winner"],
)
def test_battles_that_cannot_be_scored_are_refused(battles):
    with pytest.raises(UserError):
        benchmarks.arena_hard_score(battles, "base", 10, 0)


@needs_arena_hard
def test_a_published_arena_hard_score_comes_out():
    battles = rows_of(TRUTH / "arena_hard/battles_gpt-3.5-turbo-0125.jsonl")
    for seed in range(10):
        score = benchmarks.arena_hard_score(battles, "gpt-4-0314", rounds=100, seed=seed)
        assert score["score"] == pytest.approx(23.34, abs=0.01)
        assert score["n"] == 1414
        assert score["ci_low"] == pytest.approx(21.67, abs=0.6)
        assert score["ci_high"] == pytest.approx(25.27, abs=0.6)


@needs_arena_hard
def test_requests_of_the_real_arena_hard():
    questions = registry.questions(arena_hard.BENCHMARK, TRUTH / "arena_hard/question_v0.1.jsonl")
    model, baseline = arena_hard_files.published_answers(TRUTH / "arena_hard/model_answer_gpt-4-0314.jsonl")
    assert (len(questions), model, len(baseline)) == (500, "gpt-4-0314", 500)
    requests = arena_hard.requests(questions, baseline, baseline, ARENA_PROMPT)
    assert len({request["id"] for request in requests}) == 1000
    assert len(registry.questions(arena_hard.BENCHMARK, TRUTH / "arena_hard/question_v0.1.jsonl", subset=7)) == 7


# -- Arena-Hard's judge prompt

JUDGE_UTILS = """
raise SystemExit("executed")
PROMPT = "Judge {fairly}.\\n" "Be \\"just\\"."
JUDGE_SETTINGS = {
    "hard_prompt": {"baseline": "x", "system_prompt": "another"},
    "arena-hard-v0.1": {"baseline": "gpt-4-0314", "system_prompt": PROMPT},
}
"""


@pytest.fixture
def arena_prompt_files(tmp_path):
    (tmp_path / "judge_utils.py").write_text(JUDGE_UTILS)
    (tmp_path / "settings.yaml").write_text('prompt_template: "<|Q|>\\n{QUESTION}\\n{ANSWER_A}\\n{ANSWER_B}"\n')
    return tmp_path / "judge_utils.py", tmp_path / "settings.yaml"


def test_the_judge_prompt_is_read_and_never_executed(arena_prompt_files):
    prompt = arena_hard_files.judge_prompt(*arena_prompt_files)
    assert prompt["system_prompt"] == 'Judge {fairly}.\nBe "just".'
    assert prompt["prompt_template"] == "<|Q|>\n{QUESTION}\n{ANSWER_A}\n{ANSWER_B}"
    code = arena_prompt_files[0]
    code.write_text(JUDGE_UTILS.replace('"system_prompt": PROMPT', '"system_prompt": "in place"'))
    assert arena_hard_files.judge_prompt(*arena_prompt_files)["system_prompt"] == "in place"


def test_the_early_settings_file_is_read_too(arena_prompt_files):
    arena_prompt_files[1].write_text('prompt_template: ["{question_1} {answer_1} {answer_2}"]\n')
    prompt = arena_hard_files.judge_prompt(*arena_prompt_files)
    assert prompt["prompt_template"] == "{QUESTION} {ANSWER_A} {ANSWER_B}"


@pytest.mark.parametrize("code", ["", "JUDGE_SETTINGS = {}", "JUDGE_SETTINGS = load()", "JUDGE_SETTINGS = {**A}"])
def test_a_file_without_the_judge_prompt_is_named(arena_prompt_files, code):
    arena_prompt_files[0].write_text(code)
    with pytest.raises(UserError, match=r"judge_utils\.py: no system prompt"):
        arena_hard_files.judge_prompt(*arena_prompt_files)
    arena_prompt_files[0].write_text(JUDGE_UTILS)
    arena_prompt_files[1].write_text("")
    with pytest.raises(UserError, match=r"settings\.yaml: no prompt_template"):
        arena_hard_files.judge_prompt(*arena_prompt_files)


# -- MT-Bench


def test_both_turns_are_rated_with_a_reference_where_the_category_has_one():
    questions = [question("81", "Q1", "Q2"), question("101", "P1", "P2", category="math")]
    answers = {(identity, turn): f"a{identity}.{turn}" for identity in ("101", "81") for turn in (2, 1)}
    requests = mt_bench.requests(questions, answers, {"101": ["r1", "r2"], "9": ["x", "y"]}, MT_PROMPTS)
    assert [(r["id"], r["turn"], r["category"], r["prompt"], text_of_request(r)) for r in requests] == [
        ("81/turn1", 1, "writing", "single-v1", "Q Q1 A a81.1"),
        ("81/turn2", 2, "writing", "single-v1-multi-turn", "Q Q1 A a81.1 Q Q2 A a81.2"),
        ("101/turn1", 1, "math", "single-math-v1", "R r1 Q P1 A a101.1"),
        ("101/turn2", 2, "math", "single-math-v1-multi-turn", "R r1 R r2 Q P1 A a101.1 Q P2 A a101.2"),
    ]
    assert [r["messages"][0]["content"] for r in requests] == ["s", "m", "s", "m"]
    with pytest.raises(UserError, match="the reference answers do not match"):
        mt_bench.requests(questions, answers, {}, MT_PROMPTS)
    answers.pop(("81", 2))
    with pytest.raises(UserError, match="the model's answers do not match the 4 questions: 1 are missing"):
        mt_bench.requests(questions, answers, {"101": ["r1", "r2"]}, MT_PROMPTS)


@pytest.mark.parametrize(
    ("text", "rating"),
    [
        ("Rating: [[7]]", 7),
        ("Rating: [[8.5]]", 8.5),
        ("Rating: [6]", 6),
        ("[3] of the steps are wrong. Rating: [[4]]", 4),
        ("[[9]] ... [[2]]", 9),
        ("Rating: [[10]]", 10),
        ("Rating: [[0]]", None),
        ("Rating: [[11]]", None),
        ("Rating: [[rating]]", None),
        ("Rating: 7", None),
        ("", None),
    ],
)
def test_mt_bench_rating(text, rating):
    assert mt_bench.rating(text) == rating


def test_mt_bench_score_by_hand():
    ratings = [(1, 8), (1, 6), (1, None), (2, 3), (2, -1), (2, None)]
    rows = [{"turn": turn, "score": score} for turn, score in ratings]
    assert benchmarks.mt_bench_score(rows) == {"turn1": 7, "turn2": 3, "average": pytest.approx(17 / 3), "n": 3}
    assert benchmarks.mt_bench_score(rows[:2]) == {"turn1": 7, "turn2": None, "average": 7, "n": 2}
    assert benchmarks.mt_bench_score([]) == {"turn1": None, "turn2": None, "average": None, "n": 0}


@needs_mt_bench
def test_a_published_mt_bench_score_comes_out():
    rows = rows_of(TRUTH / "mt_bench/judgments_claude-3-opus-20240229.jsonl")
    score = {"turn1": 9.04375, "turn2": 8.30625, "average": 8.675, "n": 160}
    assert benchmarks.mt_bench_score(rows) == score
    reread = [row | {"score": mt_bench.rating(row["judgment"])} for row in rows]
    assert benchmarks.mt_bench_score(reread) == score


@needs_mt_bench
def test_requests_of_the_real_mt_bench_are_the_published_ones():
    """The prompts that GPT-4 was shown for a published model, character by character."""
    folder = TRUTH / "mt_bench"
    questions = registry.questions(mt_bench.BENCHMARK, folder / "question.jsonl")
    published = {
        (str(row["question_id"]), row["turn"]): row
        for row in rows_of(folder / "judgments_claude-3-opus-20240229.jsonl")
    }
    # the answer stands between the last marks of the prompt
    turns = {key: row["user_prompt"] for key, row in published.items()}
    first = {
        key: t.rsplit("[The Start of Assistant's Answer]\n", 1)[1].removesuffix("\n[The End of Assistant's Answer]")
        for key, t in turns.items()
        if key[1] == 1
    }
    second = {
        key: t.rsplit("### Assistant A:\n", 1)[1].removesuffix(
            "\n\n<|The End of Assistant A's Conversation with User|>"
        )
        for key, t in turns.items()
        if key[1] == 2
    }
    requests = mt_bench.requests(
        questions,
        first | second,
        mt_bench.read_references(folder / "reference_answer_gpt-4.jsonl"),
        mt_bench.read_prompts(folder / "judge_prompts.jsonl"),
    )
    assert Counter(request["prompt"] for request in requests) == {
        "single-v1": 50,
        "single-v1-multi-turn": 50,
        "single-math-v1": 30,
        "single-math-v1-multi-turn": 30,
    }
    for request in requests:
        row = published[request["prompt_id"], request["turn"]]
        assert request["prompt"] == row["judge"][1]
        assert text_of_request(request) == row["user_prompt"]


# -- answers


def test_the_second_turn_holds_the_first_turns_answer():
    engine = Engine(lambda request: [f"answer to {request.messages[-1]['content']}"])
    questions = [question("1", "a", "b"), question("2", "c"), question("3", "d", "e", category="math")]
    decodings = {"writing": Decoding(0.7, 1.0, 9), "math": Decoding(0.0, 1.0, 9)}
    rows, facts = evaluate_model.answer(engine, questions, decodings.get, 0, "Be kind.")
    assert [(row["prompt_id"], row["turn"], row["text"]) for row in rows] == [
        ("1", 1, "answer to a"),
        ("2", 1, "answer to c"),
        ("3", 1, "answer to d"),
        ("1", 2, "answer to b"),
        ("3", 2, "answer to e"),
    ]
    assert [fact["requests"] for fact in facts] == [3, 2]
    last = engine.received[-1]
    assert [message["content"] for message in last.messages] == ["Be kind.", "d", "answer to d", "e"]
    assert [request.decoding.temperature for request in engine.received] == [0.7, 0.7, 0.0, 0.7, 0.0]
    assert len({request.seed for request in engine.received}) == 5
    evaluate_model.answer(engine, questions[2:], decodings.get, 0, "Be kind.")
    assert [request.seed for request in engine.received[-2:]] == [engine.received[2].seed, last.seed]


def test_a_chat_that_does_not_fit_gets_an_empty_answer():
    engine = Engine(lambda request: [] if request.messages[-1]["content"] == "long" else ["x"])
    rows, _ = evaluate_model.answer(
        engine, [question("1", "long", "b"), question("2", "c", "long")], lambda c: None, 0, None
    )
    assert [(row["prompt_id"], row["turn"], row["text"], row["finish_reason"]) for row in rows] == [
        ("1", 1, "", "length"),
        ("2", 1, "x", "stop"),
        ("1", 2, "x", "stop"),
        ("2", 2, "", "length"),
    ]


# -- the scripts, end to end


def mt_bench_files(tmp_path):
    questions = [
        {"question_id": 81, "category": "writing", "turns": ["Write {x}.", "Again."]},
        {"question_id": 111, "category": "math", "turns": ["1 + 1?", "And + 1?"]},
    ]
    reference = {"question_id": 111, "choices": [{"turns": ["2", "3"]}]}
    prompts = [{"name": name} | prompt for name, prompt in MT_PROMPTS.items()]
    return {
        "questions": write(tmp_path / "questions.jsonl", *questions),
        "references": write(tmp_path / "references.jsonl", reference),
        "judge_prompts": write(tmp_path / "prompts.jsonl", *prompts),
    }


def test_mt_bench_end_to_end(tmp_path, monkeypatch):
    files = mt_bench_files(tmp_path)
    engine = Engine(lambda request: [(f"said {request.messages[-1]['content']}", 3, "stop")])
    engine.facts = {"engine": "stand-in"}
    monkeypatch.setattr(evaluate_model, "open_engine", lambda weights, **settings: engine)
    (tmp_path / "judge.txt").write_text("{prompt} {response}")
    reply = {"prompt_id": "t", "response_id": "t-0", "prompt": "What?", "text": "So.", "rank": 0}
    inputs = {"mt_bench": files["questions"], "replies": write(tmp_path / "replies.jsonl", reply)}
    inputs |= {"template": tmp_path / "judge.txt", "weights": tmp_path}
    own = {"temperature": {"writing": 0.7, "math": 0.0}, "top_p": 1.0, "max_tokens": 8, "subset": None, "turns": 2}
    params = {
        "benchmarks": {"mt_bench": own},
        "judged": [],
        "preferences": {},
        "judgments": own | {"n": 1, "temperature": 1, "max_score": 5},
    }
    params |= {"judgments_of_replies": 1, "system_prompt": None, "seed": 0, "store": None, "engine": {}}
    outputs = {"mt_bench": "answers.jsonl", "mt_bench_stats": "a.json", "judgments": "j.jsonl"}
    evaluate_model.main(job(tmp_path, inputs, outputs | {"judgments_stats": "j.json"}, params))
    answers = tmp_path / "answers.jsonl"
    rows = [(row["prompt_id"], row["turn"]) for row in read(answers)]
    assert rows == [("81", 1), ("111", 1), ("81", 2), ("111", 2)]
    assert json.loads((tmp_path / "a.json").read_text())["requests"] == 4  # of both turns

    def script(body, before):
        text = body["messages"][-1]["content"]
        if before < 1 and "R 2" in text:
            return 429, "slow down"
        return "no rating" if "Again" in text else f"Good. [[{7 if 'R 2' in text else 9}]]"

    outputs = {"verdicts": "verdicts.jsonl", "stats": "stats.json"}
    with judge_server(script) as server:
        params = {"judge": server.judge(), "store": str(tmp_path / "store.jsonl"), "subset": None}
        params |= {"benchmark": "mt_bench", "settings": {"judge_max_tokens": 64}}
        judging = job(tmp_path, files | {"answers": answers}, outputs, params | {"engine": None}, model="meta/m1")
        judge_benchmark.main(judging)
        assert len(server.answered) == 4
        judge_benchmark.main(judging)
        assert len(server.answered) == 4
    facts = json.loads((tmp_path / "stats.json").read_text())
    assert (facts["asked"], facts["from_store"], facts["unparsed"], facts["questions"]) == (0, 4, 1, 2)
    assert facts["served_models"] == ["judge-1-2024"]
    inputs = {"answers": answers, "verdicts": tmp_path / "verdicts.jsonl", "stats": tmp_path / "stats.json"}
    own = {"settings": {}, "seed": 0}
    score_benchmark.main(job(tmp_path, inputs, {"score": "score.json"}, own, model="meta/m1", benchmark="mt_bench"))
    score = json.loads((tmp_path / "score.json").read_text())
    assert (score["turn1"], score["turn2"], score["average"], score["n"]) == (8, 7, pytest.approx(23 / 3), 3)
    assert (score["model"], score["judge"], score["judge_model"]) == ("meta/m1", "stand-in", "judge-1")
    assert score["complete"] is False
    assert score["by_category"]["math"]["average"] == 7
    assert score["cost"] == pytest.approx(4 * 0.0013)


OF_ARENA_HARD = {"model": "meta/m1", "benchmark": "arena_hard"}


def arena_hard_job(tmp_path, arena_prompt_files, judge):
    def published(identity):
        messages = [{"role": "user", "content": "?"}, {"role": "assistant", "content": {"answer": f"base {identity}"}}]
        return {"uid": identity, "model": "gpt-4-0314", "messages": messages}

    def response(identity):
        row = {"prompt_id": identity, "response_id": f"{identity}/r0", "text": f"mine {identity}"}
        return row | {"tokens": 5, "finish_reason": "stop"}

    questions = [{"uid": f"u{i}", "cluster": "c", "prompt": f"Question {i}?"} for i in range(3)]
    inputs = {
        "questions": write(tmp_path / "questions.jsonl", *questions),
        "baseline": write(tmp_path / "baseline.jsonl", *(published(f"u{i}") for i in (2, 0, 1))),
        "answers": write(tmp_path / "answers.jsonl", *(response(f"u{i}") for i in (1, 2, 0))),
        "judge_prompt": arena_prompt_files[0],
        "judge_template": arena_prompt_files[1],
    }
    params = {"judge": judge, "store": str(tmp_path / "store.jsonl"), "subset": None, "engine": None}
    params |= {"benchmark": "arena_hard", "settings": {"judge_max_tokens": 64}}
    return job(tmp_path, inputs, {"verdicts": "verdicts.jsonl", "stats": "stats.json"}, params, model="meta/m1")


def test_arena_hard_end_to_end(tmp_path, arena_prompt_files, monkeypatch, refused):
    def script(body, before):
        """Let the model win question 0 and draw 1; of question 2, one game gets a label late and the other never."""
        text = next(message["content"] for message in body["messages"] if message["role"] == "user")
        model_is_a = text.index("mine") < text.index("base")
        if "Question 0" in text:
            return "[[A>>B]]" if model_is_a else "[[B>>A]]"
        if "Question 1" in text:
            return (500, "oops") if before < 1 else "[[A=B]]"
        return "[[A>B]]" if len(body["messages"]) > 2 and not model_is_a else "thinking"

    with judge_server(script) as server:
        judging = arena_hard_job(tmp_path, arena_prompt_files, server.judge())
        judge_benchmark.main(judging)
        assert len(server.answered) == 8
        judge_benchmark.main(judging)
        assert len(server.answered) == 8
    verdicts = {(row["prompt_id"], row["game"]): row for row in read(tmp_path / "verdicts.jsonl")}
    assert [row["verdict"] for row in verdicts.values()] == ["B>>A", "A>>B", "A=B", "A=B", "A>B", None]
    assert verdicts["u2", 1]["text"] == "thinking\n[[A>B]]"
    facts = json.loads((tmp_path / "stats.json").read_text())
    assert (facts["asked"], facts["from_store"], facts["asked_again"], facts["unparsed"]) == (0, 8, 2, 1)

    inputs = {
        "answers": judging.input["answers"],
        "verdicts": tmp_path / "verdicts.jsonl",
        "stats": tmp_path / "stats.json",
    }
    params = {"settings": {"bootstrap_rounds": 100, "tokenizer": None}, "seed": 0}
    score_benchmark.main(job(tmp_path, inputs, {"score": "score.json"}, params, **OF_ARENA_HARD))
    score = json.loads((tmp_path / "score.json").read_text())
    assert score["score"] == pytest.approx(100 * 7 / 9)  # six wins, two ties, one loss
    assert (score["n"], score["questions"], score["complete"]) == (9, 3, False)
    assert (score["baseline"], score["judge_model"], score["model"]) == ("gpt-4-0314", "judge-1", "meta/m1")
    assert (score["mean_tokens"], score["tokenizer"], score["mean_length"]) == (5, "the model's own", 7)

    class Encoding:
        def encode(self, text, disallowed_special):
            return text.split("i")

    import tiktoken

    monkeypatch.setattr(tiktoken, "get_encoding", lambda name: Encoding())
    params["settings"]["tokenizer"] = "cl100k_base"
    score_benchmark.main(job(tmp_path, inputs, {"score": "score.json"}, params, **OF_ARENA_HARD))
    score = json.loads((tmp_path / "score.json").read_text())
    assert (score["mean_tokens"], score["tokenizer"]) == (2, "cl100k_base")

    def no_network(name):
        raise ConnectionError("no route")

    monkeypatch.setattr(tiktoken, "get_encoding", no_network)
    output = refused(score_benchmark, job(tmp_path, inputs, {"score": "score.json"}, params, **OF_ARENA_HARD))
    assert "TIKTOKEN_CACHE_DIR" in output


def test_a_judge_that_gives_no_verdict_is_no_score(tmp_path, arena_prompt_files, refused):
    with judge_server(lambda body, before: "I cannot say.") as server:
        judging = arena_hard_job(tmp_path, arena_prompt_files, server.judge())
        judge_benchmark.main(judging)
    inputs = {
        "answers": judging.input["answers"],
        "verdicts": tmp_path / "verdicts.jsonl",
        "stats": tmp_path / "stats.json",
    }
    params = {"settings": {"bootstrap_rounds": 100, "tokenizer": None}, "seed": 0}
    output = refused(score_benchmark, job(tmp_path, inputs, {"score": "score.json"}, params, **OF_ARENA_HARD))
    assert "no verdict of the judge 'stand-in' could be read" in output


def test_a_judge_that_refuses_the_key_ends_the_rule_with_one_message(tmp_path, arena_prompt_files, refused):
    with judge_server(lambda body, before: (401, "no")) as server:
        output = refused(judge_benchmark, arena_hard_job(tmp_path, arena_prompt_files, server.judge()))
    assert "benchmarks.judges.stand-in.api_key_env" in output
    assert not (tmp_path / "verdicts.jsonl").exists()


def test_a_local_judges_server_starts_once_and_only_to_be_asked(tmp_path, monkeypatch):
    from contextlib import contextmanager

    from data import fetch_seed_model
    from metarewarding.judges import client as judge_client

    fetch_seed_model.from_random(0, tmp_path / "weights")
    starts, keys = [], set()
    with judge_server(lambda body, before: "[[A=B]]") as server:

        @contextmanager
        def local(weights, name, engine, log, key):
            starts.append(name)
            keys.add(f"Bearer {key}")
            yield server.address

        monkeypatch.setattr(judge_client, "judge_server", local)
        judge = server.judge(base_url=None)
        for _ in range(2):
            with connect(judge, tmp_path / "weights", {"max_model_len": 8192}, "log") as ready:
                special = next(
                    str(token) for token in ready["tokenizer"].added_tokens_decoder.values() if len(str(token)) > 1
                )
                todo = arena_hard.requests([question("q")], {"q": special}, {"q": "b"}, ARENA_PROMPT)
                arena_hard.play(todo, Asking(ready, tmp_path / "store.jsonl"))
        assert starts == ["judge-1"]
        assert special not in json.dumps([body["messages"] for body in server.bodies], ensure_ascii=False)
        assert len(server.bodies) == 2
        assert set(server.keys) == keys
        assert len(keys.pop()) > 30
