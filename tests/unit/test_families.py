"""Tiny models of Llama, Qwen 3, Gemma and Mistral sample, judge, and go through SFT and DPO."""

import json
from pathlib import Path

import families
import pytest
import trl
from jobs import ENGINE, SAMPLING, job, read, write
from test_engines import printed
from test_training import LN2, SFT, Run, pairs, sft_rows

from data import fetch_seed_model
from metarewarding.engines.engine import open_engine, render
from metarewarding.engines.sampling import Decoding, Request, sample
from metarewarding.errors import UserError
from sample import sample_and_judge

GREEDY = Decoding(temperature=0, top_p=1.0, max_tokens=12)
USER = [{"role": "user", "content": "Say hi."}]


@pytest.fixture(scope="module", params=families.FAMILIES)
def seed(tmp_path_factory, request):
    folder = families.save_model(tmp_path_factory.mktemp(request.param), request.param)
    if request.param == "qwen3":
        fetch_seed_model.set_template_options(folder, {"enable_thinking": False})
    fetch_seed_model.check_model(folder, "test")
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory, seed):
    """Return (SFT of the seed, DPO of its model), as two iterations of the loop are."""
    folder = tmp_path_factory.mktemp("trained")
    sft = Run(folder / "sft", seed, sft_rows(4), **SFT, bf16="false").quick()
    return sft, Run(folder / "dpo", folder / "sft/weights", pairs(4), bf16="false", learning_rate=1e-3).quick()


def test_it_samples_and_judges(tmp_path, seed):
    prompts = write(tmp_path / "prompts.jsonl", *({"prompt_id": f"p{i}", "text": f"Say {i}."} for i in range(2)))
    template = tmp_path / "judge.txt"
    template.write_text("Judge.\n{prompt}\n{response}\nScore: ")
    outputs = {name: f"{name}.jsonl" for name in ("responses", "judgments")}
    outputs |= {f"{name}_stats": f"{name}.stats.json" for name in ("responses", "judgments")}
    params = {"shards": 1, "seed": 0, "store": None, "engine": ENGINE, "system_prompt": None}
    params |= {"responses": SAMPLING | {"n": 2}, "judgments": SAMPLING | {"n": 2, "max_score": 5}}
    built = job(tmp_path, {"prompts": prompts, "template": template, "weights": seed}, outputs, params, shard="0")
    sample_and_judge.main(built)
    assert len(read(built.output.responses)) == 4
    judgments = read(built.output.judgments)
    assert len(judgments) == 2 * len({row["response_id"] for row in judgments})


@pytest.mark.slow
def test_sft_and_dpo_train_it(trained):
    sft, dpo = trained
    assert sft.stats["trained_on"] == 8
    assert dpo.first_step()["loss"] == pytest.approx(LN2, abs=1e-6)
    for run in trained:
        fetch_seed_model.check_model(run.folder / "weights", "trained")


def test_training_sees_the_prompt_as_sampling_does_and_learns_the_end_of_the_turn(seed):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(seed)
    prompt = render(tokenizer, USER)
    whole = tokenizer.apply_chat_template([*USER, {"role": "assistant", "content": "Hi."}], return_dict=True)
    learned = whole["input_ids"][len(prompt) :]
    assert whole["input_ids"][: len(prompt)] == prompt
    assert tokenizer.decode(learned, skip_special_tokens=True).strip() == "Hi."  # no thought
    ends = fetch_seed_model.generation_ends(seed, tokenizer)
    assert len(ends.intersection(learned)) == 1


@pytest.mark.slow
def test_the_trained_model_is_an_ordinary_one(trained):
    weights = trained[1].folder / "weights"
    engine = open_engine(weights, "transformers", max_model_len=200, dtype="float32", batch_size=2)
    drawn, facts = sample(engine, [Request("one", USER, 2, 0, GREEDY)])
    assert len(drawn["one"]) == 2
    assert facts["output_tokens"] > 0


@pytest.mark.slow
def test_vllm_gives_the_same_greedy_text(tmp_path, seed):
    code = """
    from test_families import GREEDY, USER
    from metarewarding.engines.engine import open_engine
    from metarewarding.engines.sampling import Request, sample
    for name in ('vllm', 'transformers'):
        settings = dict(max_model_len=200, dtype='float32', batch_size=2, cpu_cache_gb=1)
        drawn, _ = sample(open_engine(sys.argv[1], name, **settings), [Request('one', USER, 1, 0, GREEDY)])
        print('=', repr((drawn['one'][0].text, drawn['one'][0].tokens)))
"""
    by_vllm, by_transformers = printed(tmp_path, code, seed)
    # vLLM leaves out a character whose last byte was cut off
    assert by_vllm[0].rstrip("\ufffd") == by_transformers[0].rstrip("\ufffd")
    assert by_vllm[1] == by_transformers[1]


@pytest.mark.parametrize("family", ["gemma", "mistral"])
def test_a_template_without_a_system_role_is_named(tmp_path, family):
    engine = open_engine(families.save_model(tmp_path, family), **ENGINE | {"max_model_len": 200})
    with pytest.raises(UserError, match=r"roles system, user \(.*set sampling\.system_prompt: null"):
        engine.generate([Request("one", [{"role": "system", "content": "Be brief."}, *USER], 1, 0, GREEDY)])


def test_options_of_the_template_hold_for_the_model_and_leave_the_users_file(tmp_path):
    from transformers import AutoTokenizer

    source, folder = families.save_model(tmp_path / "source", "qwen3"), tmp_path / "weights"
    before = (source / "chat_template.jinja").read_text()
    folder.mkdir()
    fetch_seed_model.from_path(str(source), folder)
    fetch_seed_model.set_template_options(folder, {"enable_thinking": False})
    rendered = [AutoTokenizer.from_pretrained(of) for of in (source, folder)]
    texts = [tokenizer.decode(render(tokenizer, USER)) for tokenizer in rendered]
    assert texts[1] == texts[0] + "<think>\n\n</think>\n\n"
    assert (source / "chat_template.jinja").read_text() == before


RELEASED = {
    "qwen2_5": ("qwen3", {}),
    "qwen3": ("qwen3", {"enable_thinking": False}),
    "qwen3_instruct_2507": ("qwen3", {}),
    "gemma": ("gemma", {}),
    "gemma3": ("gemma", {}),
    "llama3": ("llama", {}),
    "llama3_1": ("llama", {}),
    "llama3_2": ("llama", {"strftime_now": "26 Jul 2024"}),
}


@pytest.mark.parametrize("name", RELEASED)
def test_released_templates_are_accepted(tmp_path, name):
    """TRL's package holds the templates as their models were released."""
    family, options = RELEASED[name]
    folder = families.save_model(tmp_path, family)
    template = Path(trl.__file__).parent / f"chat_templates/{name}.jinja"
    (folder / "chat_template.jinja").write_text(template.read_text())
    fetch_seed_model.set_template_options(folder, options)
    fetch_seed_model.check_model(folder, name)
    assert options.get("strftime_now", "") in prompt_text(folder)


def prompt_text(folder):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    return tokenizer.decode(render(tokenizer, USER))


def test_a_template_that_writes_todays_date_is_refused(tmp_path):
    folder = families.save_model(tmp_path, "llama")
    template = Path(trl.__file__).parent / "chat_templates/llama3_2.jinja"
    (folder / "chat_template.jinja").write_text(template.read_text())
    with pytest.raises(UserError, match=r"today's date.*template_options: \{strftime_now"):
        fetch_seed_model.check_model(folder, "test")


def test_gemma_whose_turn_does_not_end_generation_is_refused(tmp_path):
    folder = families.save_model(tmp_path, "gemma")
    path = folder / "generation_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"eos_token_id": 1}))
    with pytest.raises(UserError, match=r"<end_of_turn>.*Add the id"):
        fetch_seed_model.check_model(folder, "test")
