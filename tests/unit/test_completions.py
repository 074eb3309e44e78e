"""The completion store, on a tiny random model: nothing is drawn twice, and stored completions match their requests."""

import json
import shutil
import signal
import time
from dataclasses import replace

import pytest
from test_engines import in_a_process, printed, requests, texts

from data import fetch_seed_model
from metarewarding.engines import engine as engines
from metarewarding.engines.engine import open_engine
from metarewarding.engines.sampling import Decoding, sample

DECODING = Decoding(temperature=1.0, top_p=0.9, max_tokens=12)
ASKED = requests("one", "a longer prompt", n=3, decoding=DECODING)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    fetch_seed_model.from_random(0, folder)
    return folder


@pytest.fixture(scope="module")
def undisturbed(weights):
    """Return the texts of four samples of each request, without a store."""
    engine = open_engine(weights, "transformers", max_model_len=200, dtype="float32")
    return texts(sample(engine, [replace(request, n=4) for request in ASKED])[0])


@pytest.fixture
def opened(weights, tmp_path):
    """Return a function that opens a new engine over one store, with changed options."""

    def open_one(folder=weights, **changes):
        settings = {"max_model_len": 200, "dtype": "float32", "store": tmp_path / "jobs/0.completions.jsonl"} | changes
        return open_engine(folder, "transformers", **settings)

    return open_one


def drawn(engine, questions=ASKED) -> int:
    """Return the number of completions that reach the engine."""
    facts = sample(engine, questions)[1]
    assert facts["completions"] == sum(request.n for request in questions)
    return facts["completions"] - facts["from_store"]


def lines(opened) -> list[str]:
    return opened().store.path.read_text().splitlines()


def test_a_second_job_draws_nothing_and_starts_no_engine(opened, undisturbed):
    first, facts = sample(opened(), ASKED)
    assert facts["from_store"] == 0
    engine = opened()
    again, facts = sample(engine, ASKED)
    assert facts["from_store"] == facts["completions"] == 6
    assert (facts["prompt_tokens"], facts["tokens_per_second"]) == (0, 0)
    assert facts["output_tokens"] == sum(c.tokens for row in first.values() for c in row)
    assert engine.backend is None
    assert texts(again) == texts(first) == {key: row[:3] for key, row in undisturbed.items()}
    assert [[replace(c, stored=False) for c in row] for row in again.values()] == list(first.values())
    assert len(lines(opened)) == 6


@pytest.mark.parametrize(
    "change",
    [{"max_tokens": 11}, {"temperature": 0.9}, {"top_p": 1.0}],
    ids=lambda change: next(iter(change)),
)
def test_another_decoding_is_drawn(opened, change):
    sample(opened(), ASKED)
    assert drawn(opened(), [replace(request, decoding=replace(DECODING, **change)) for request in ASKED]) == 6
    assert drawn(opened()) == 0  # and both are kept


def test_another_prompt_or_seed_is_drawn(opened):
    sample(opened(), ASKED)
    reworded = [{"role": "user", "content": "One"}]
    assert drawn(opened(), [replace(ASKED[0], messages=reworded)]) == 3
    assert drawn(opened(), [replace(ASKED[0], seed=7)]) == 3
    # the id of a request is none of its draw
    assert drawn(opened(), [replace(ASKED[0], id="another")]) == 0


def test_other_weights_are_drawn(opened, tmp_path):
    sample(opened(), ASKED)
    fetch_seed_model.from_random(1, tmp_path / "other")
    assert drawn(opened(tmp_path / "other")) == 6


def test_the_same_weights_elsewhere_are_not_drawn_and_another_chat_template_is(opened, weights, tmp_path):
    sample(opened(), ASKED)
    copy = shutil.copytree(weights, tmp_path / "copy")
    assert drawn(opened(copy)) == 0
    (template,) = copy.glob("chat_template.jinja")
    template.write_text(template.read_text().replace("{% for m", "{# as before #}{% for m"))
    assert drawn(opened(copy)) == 6


def test_another_type_or_engine_version_is_drawn(opened, monkeypatch):
    sample(opened(), ASKED)
    assert drawn(opened(dtype="bfloat16")) == 6
    monkeypatch.setattr(engines, "engine_version", lambda name: "0.0")
    assert drawn(opened()) == 6


def test_the_room_in_the_context_counts_where_it_cuts_a_completion(opened):
    sample(opened(), ASKED)
    assert drawn(opened(max_model_len=190)) == 0
    # prompts of 6 and 18 tokens: the second is left 11 of 12 tokens
    assert drawn(opened(max_model_len=29)) == 3


def test_one_more_sample_is_one_draw(opened, undisturbed):
    sample(opened(), ASKED)
    four = [replace(request, n=4) for request in ASKED]
    completions, facts = sample(opened(), four)
    assert facts["completions"] - facts["from_store"] == 2  # one of each request
    assert texts(completions) == undisturbed
    assert drawn(opened(), [replace(request, n=2) for request in ASKED]) == 0


def test_a_lost_sample_between_others_is_drawn_alone(opened, undisturbed):
    sample(opened(), ASKED)
    path, kept = opened().store.path, lines(opened)
    # of each request's samples 0, 1, 2 the middle one
    middle = {
        opened().store.key(engines.render(opened().tokenizer, r.messages), DECODING, 12, r.seed + 1) for r in ASKED
    }
    path.write_text("".join(line + "\n" for line in kept if json.loads(line)["key"] not in middle))
    assert len(lines(opened)) == 4
    completions, facts = sample(opened(), ASKED)
    assert facts["from_store"] == 4
    assert texts(completions) == {key: row[:3] for key, row in undisturbed.items()}


@pytest.mark.parametrize(("cut", "lost"), [(1, 0), (20, 1)], ids=["the line's end", "a part of the line"])
def test_of_a_half_written_last_line_the_completion_is_drawn_again(opened, undisturbed, cut, lost):
    sample(opened(), ASKED)
    path = opened().store.path
    path.write_bytes(path.read_bytes()[:-cut])
    completions, facts = sample(opened(), ASKED)
    assert facts["completions"] - facts["from_store"] == lost
    assert texts(completions) == {key: row[:3] for key, row in undisturbed.items()}
    assert drawn(opened()) == 0  # what was written after it stands on lines of its own
    assert len(lines(opened)) == 6 + lost


def test_what_is_no_line_of_a_store_is_passed_over(opened):
    sample(opened(), ASKED)
    with open(opened().store.path, "a") as file:
        file.write('\n[]\n{"key": "a"}\nnull\n')
    assert drawn(opened()) == 0


def test_a_prompt_that_does_not_fit_leaves_nothing(opened):
    _, facts = sample(opened(), requests("x" * 300))
    assert (facts["completions"], facts["too_long"]) == (0, 1)
    assert lines(opened) == []


# -- killed

MANY = """
    from test_completions import many
    from test_engines import texts
    from metarewarding.engines.engine import open_engine
    from metarewarding.engines.sampling import sample
    name, weights, store = sys.argv[1:]
    engine = open_engine(weights, name, max_model_len=400, dtype='float32', batch_size=2, cpu_cache_gb=1, store=store)
    drawn, facts = sample(engine, many())
    print('=', repr((texts(drawn), facts['completions'], facts['from_store'])))
    engine.store = None
    print('=', repr(texts(sample(engine, many())[0])))
"""


def many():
    return requests(*(f"prompt {i}" for i in range(60)), n=2, decoding=replace(DECODING, max_tokens=100))


def killed_after(least: int, folder, name: str, weights, store) -> int:
    """Start a sampling job, kill it when it has drawn ``least``, and return how many the store has whole."""
    process = in_a_process(folder, MANY, name, weights, store)
    until = time.monotonic() + 300
    while not store.is_file() or store.read_bytes().count(b"\n") < least:
        assert process.poll() is None, (folder / "stderr.txt").read_text()[-3000:]
        assert time.monotonic() < until
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    return store.read_bytes().count(b"\n")


@pytest.mark.slow
def test_a_job_killed_at_90_percent_draws_10_percent(weights, tmp_path):
    store = tmp_path / "store.jsonl"
    kept = killed_after(108, tmp_path, "transformers", weights, store)
    assert 108 <= kept < 120
    settings = {"max_model_len": 400, "dtype": "float32", "batch_size": 2}
    completions, facts = sample(open_engine(weights, "transformers", store=store, **settings), many())
    assert (facts["completions"], facts["from_store"]) == (120, kept)
    assert texts(completions) == texts(sample(open_engine(weights, "transformers", **settings), many())[0])


@pytest.mark.slow
def test_a_killed_job_of_vllm_draws_only_the_rest(weights, tmp_path):
    pytest.importorskip("vllm", reason="no vLLM in this environment")
    store = tmp_path / "store.jsonl"
    kept = killed_after(10, tmp_path, "vllm", weights, store)
    assert 10 <= kept < 120
    (again, completions, from_store), undisturbed = printed(tmp_path, MANY, "vllm", weights, store)
    assert (completions, from_store) == (120, kept)
    assert again == undisturbed
