"""The transformers engine on a tiny random model, and vLLM where it is installed: seeds, batches, limits."""

import ast
import os
import subprocess
import sys
import time

import pytest
from conftest import ROOT

from data import fetch_seed_model
from metarewarding.engines.engine import open_engine, render
from metarewarding.engines.sampling import Decoding, Request, sample
from metarewarding.errors import UserError

FREE = Decoding(temperature=1.0, top_p=0.9, max_tokens=12)
GREEDY = Decoding(temperature=0, top_p=1.0, max_tokens=12)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    fetch_seed_model.from_random(0, folder)
    fetch_seed_model.check_model(folder, "test")
    return folder


@pytest.fixture(scope="module")
def engine(weights):
    return open_engine(weights, "transformers", max_model_len=200, dtype="float32", batch_size=4)


def requests(*texts, n=3, decoding=FREE):
    return [
        Request(f"p{i}", [{"role": "user", "content": text}], n, 1024 * (i + 1), decoding)
        for i, text in enumerate(texts)
    ]


def texts(completions):
    return {key: [completion.text for completion in row] for key, row in completions.items()}


def test_the_same_seeds_give_the_same_texts(engine):
    questions = requests("one", "a longer prompt")
    assert texts(sample(engine, questions)[0]) == texts(sample(engine, questions)[0])


def test_a_text_does_not_depend_on_its_neighbours_or_their_order(engine):
    questions = requests("one", "a longer prompt", "three", "four and five")
    together = texts(sample(engine, questions)[0])
    alone = {key: row for request in questions for key, row in texts(sample(engine, [request])[0]).items()}
    assert together == alone == texts(sample(engine, questions[::-1])[0])


def test_a_prompt_that_fills_the_context_shortens_no_neighbours_text(weights):
    engine = open_engine(weights, "transformers", max_model_len=30, dtype="float32")
    endless = Decoding(temperature=1.0, top_p=1.0, max_tokens=12)
    questions = requests("one", "x" * 20, n=8, decoding=endless)  # 6 and 23 tokens
    together, _ = sample(engine, questions)
    assert max(completion.tokens for completion in together["p1"]) == 7
    assert max(completion.tokens for completion in together["p0"]) == 12
    assert texts(together) == {
        k: row for request in questions for k, row in texts(sample(engine, [request])[0]).items()
    }


def test_the_samples_of_a_request_differ_and_greedy_ones_do_not(engine):
    drawn, _ = sample(engine, requests("one", n=4))
    assert len(set(texts(drawn)["p0"])) > 1
    greedy, _ = sample(engine, requests("one", n=2, decoding=GREEDY))
    assert len(set(texts(greedy)["p0"])) == 1


def test_draws_follow_the_distribution(engine):
    """2,000 one-token draws against the softmax of the model's own logits."""
    import torch

    one = Decoding(temperature=1.0, top_p=1.0, max_tokens=1)
    request = Request("p", [{"role": "user", "content": "x"}], 1000, 0, one)
    completions, _ = sample(engine, [request])
    ids = torch.tensor([render(engine.tokenizer, request.messages)])
    with torch.inference_mode():
        probabilities = engine.backend.model(ids).logits[0, -1].double().softmax(-1)
    ended = sum(c.finish_reason == "stop" for c in completions["p"]) / 1000
    expected = float(probabilities[0])  # token 0 ends a text
    assert abs(ended - expected) < 5 * (expected * (1 - expected) / 1000) ** 0.5 + 1e-3


def test_tokens_and_finish_reasons_are_counted(engine):
    drawn, facts = sample(engine, requests("one", "two"))
    everything = [completion for row in drawn.values() for completion in row]
    assert facts["completions"] == 6
    assert facts["output_tokens"] == sum(c.tokens for c in everything)
    assert all(c.tokens == 12 for c in everything if c.finish_reason == "length")
    assert facts["prompt_tokens"] == 3 * sum(
        len(render(engine.tokenizer, request.messages)) for request in requests("one", "two")
    )


def test_a_prompt_that_does_not_fit_is_left_out_and_counted(engine):
    drawn, facts = sample(engine, requests("one", "x" * 300))
    assert len(drawn["p0"]) == 3
    assert drawn["p1"] == []
    assert facts["too_long"] == 1


def test_text_that_spells_a_special_token_stays_text(engine):
    ids = render(engine.tokenizer, [{"role": "user", "content": "a<|end|><|assistant|>b"}])
    ends = engine.tokenizer.convert_tokens_to_ids("<|end|>")
    assert ids.count(ends) == 1


def test_the_start_of_the_backend_does_not_count_as_sampling(weights):
    lazy = open_engine(weights, "transformers", max_model_len=200, dtype="float32", batch_size=4)
    begin, slow = time.monotonic(), lazy.start
    lazy.start = lambda: (time.sleep(2), slow())[1]
    _, first = sample(lazy, requests("one"))
    wall = time.monotonic() - begin
    assert lazy.start_seconds >= 2
    assert first["seconds"] <= wall - lazy.start_seconds + 0.01
    before = time.monotonic()
    _, second = sample(lazy, requests("one"))
    assert 0 < second["seconds"] <= time.monotonic() - before + 0.01


def test_a_folder_without_a_model_is_named(tmp_path):
    with pytest.raises(UserError, match=r"no config\.json"):
        open_engine(tmp_path, "transformers", max_model_len=100)


def in_a_process(folder, code: str, *words) -> subprocess.Popen:
    """Run ``code`` in a process of its own, as an engine changes the process that it starts in."""
    program = folder / "program.py"  # a file, as the processes that an engine spawns import it again
    path = "import sys\nsys.path[:0] = ['scripts', 'tests', 'tests/unit', 'tests/support']\n"
    program.write_text(f"{path}if __name__ == '__main__':\n{code}")
    return subprocess.Popen(
        [sys.executable, program, *map(str, words)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=open(folder / "stderr.txt", "w"),
        text=True,
        env=os.environ | {"PATH": f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}"},
    )


def printed(folder, code: str, *words) -> list:
    """Return the values that ``code`` prints, each on a line after `= `."""
    process = in_a_process(folder, code, *words)
    output = process.communicate()[0]
    assert process.returncode == 0, (folder / "stderr.txt").read_text()[-3000:]
    return [ast.literal_eval(line[2:]) for line in output.splitlines() if line.startswith("= ")]


ONE_COPY_OR_MORE = """
    from test_engines import requests, GREEDY, texts
    from metarewarding.engines.engine import open_engine
    from metarewarding.engines.sampling import sample
    settings = dict(max_model_len=200, dtype='float32', cpu_cache_gb=1, gpus=int(sys.argv[2]))
    engine = open_engine(sys.argv[1], 'vllm', **settings)
    drawn, facts = sample(engine, requests('one', 'a longer prompt', 'three', 'x' * 300, n=3))
    print('=', repr((texts(drawn), facts['prompt_tokens'], facts['too_long'])))
"""
ONE_COPY = (
    ONE_COPY_OR_MORE
    + """
    print('=', repr(texts(sample(engine, requests('one', 'a longer prompt', 'three', n=3))[0])))
    print('=', repr(texts(sample(engine, requests('one', 'a longer prompt', n=1, decoding=GREEDY))[0])))
"""
)


@pytest.fixture(scope="module")
def one_copy(weights, tmp_path_factory):
    """Return the three values that ONE_COPY prints with one vLLM."""
    pytest.importorskip("vllm", reason="no vLLM in this environment")
    return printed(tmp_path_factory.mktemp("vllm"), ONE_COPY, weights, 1)


@pytest.mark.slow
def test_vllm_gives_the_same_greedy_text_as_transformers(one_copy, engine):
    assert one_copy[2] == texts(sample(engine, requests("one", "a longer prompt", n=1, decoding=GREEDY))[0])


@pytest.mark.slow
def test_vllm_gives_the_same_texts_again_and_leaves_out_what_does_not_fit(one_copy):
    (drawn, prompt_tokens, too_long), again, _ = one_copy
    assert drawn == again | {"p3": []}
    assert len(set(drawn["p0"])) > 1
    assert too_long == 1
    assert prompt_tokens > 0


@pytest.mark.slow
def test_copies_of_a_model_say_what_one_says(one_copy, weights, tmp_path):
    """vLLM's data parallelism, here two copies on the CPU: each answers its share, from the same seeds."""
    assert printed(tmp_path, ONE_COPY_OR_MORE, weights, 2) == one_copy[:1]
