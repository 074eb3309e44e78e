"""The transformers engine on a tiny random model, and vLLM where it is installed: seeds, batches, limits."""

import os
import subprocess
import sys

import fetch_seed_model
import pytest
from conftest import ROOT

from metarewarding.engines import open_engine, render
from metarewarding.errors import UserError
from metarewarding.sampling import Decoding, Request, sample

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
    asked = requests("one", "a longer prompt")
    assert texts(sample(engine, asked)[0]) == texts(sample(engine, asked)[0])


def test_a_text_does_not_depend_on_its_neighbours_or_their_order(engine):
    asked = requests("one", "a longer prompt", "three", "four and five")
    together = texts(sample(engine, asked)[0])
    alone = {key: row for request in asked for key, row in texts(sample(engine, [request])[0]).items()}
    assert together == alone == texts(sample(engine, asked[::-1])[0])


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
    ids = torch.tensor([render(engine.tokenizer, request.messages)])
    with torch.inference_mode():
        probabilities = engine.model(ids).logits[0, -1].double().softmax(-1)
    completions, _ = sample(engine, [request])
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


def test_a_folder_without_a_model_is_named(tmp_path):
    with pytest.raises(UserError, match=r"no config\.json"):
        open_engine(tmp_path, "transformers", max_model_len=100)


def vllm_process(folder, code: str, *words) -> str:
    """What ``code`` prints, run in a process of its own: an engine takes hold of the process it starts in."""
    pytest.importorskip("vllm", reason="no vLLM in this environment")
    program = folder / "program.py"  # a file, as the processes that an engine spawns import it again
    program.write_text("import sys\nsys.path[:0] = ['scripts', 'tests']\nif __name__ == '__main__':\n" + code)
    run = subprocess.run(
        [sys.executable, program, *map(str, words)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=os.environ | {"PATH": f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}"},
    )
    assert run.returncode == 0, run.stderr[-3000:]
    return next(line for line in run.stdout.splitlines() if line.startswith("{'p0'"))


def test_vllm_gives_the_same_greedy_text_as_transformers(weights, engine, tmp_path):
    code = """
    from test_engines import requests, GREEDY, FREE, texts
    from metarewarding.engines import open_engine
    from metarewarding.sampling import sample
    engine = open_engine(sys.argv[1], 'vllm', max_model_len=200, dtype='float32', cpu_cache_gb=1)
    print(repr(texts(sample(engine, requests('one', 'a longer prompt', n=1, decoding=GREEDY))[0])))
    asked = requests('one', 'x' * 300, n=3)
    first, facts = sample(engine, asked)
    assert texts(first) == texts(sample(engine, asked)[0])
    assert len(set(texts(first)['p0'])) > 1 and first['p1'] == [] and facts['too_long'] == 1, first
    assert facts['prompt_tokens'] > 0
"""
    line = vllm_process(tmp_path, code, weights)
    assert line == repr(texts(sample(engine, requests("one", "a longer prompt", n=1, decoding=GREEDY))[0]))


def test_copies_of_a_model_say_what_one_says(weights, tmp_path):
    """vLLM's data parallelism, here two copies on the CPU: each answers its share, from the same seeds."""
    code = """
    from test_engines import requests, texts
    from metarewarding.engines import open_engine
    from metarewarding.sampling import sample
    settings = dict(max_model_len=200, dtype='float32', cpu_cache_gb=1, gpus=int(sys.argv[2]))
    engine = open_engine(sys.argv[1], 'vllm', **settings)
    drawn, facts = sample(engine, requests('one', 'a longer prompt', 'three', 'four', n=3))
    print(repr(texts(drawn) | {'tokens': facts['prompt_tokens']}))
"""
    assert vllm_process(tmp_path, code, weights, 1) == vllm_process(tmp_path, code, weights, 2)
