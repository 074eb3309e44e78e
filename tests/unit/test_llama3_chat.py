"""With a tokenizer of Llama 3's shape: one BOS everywhere, <|eot_id|> ends a turn and is learned, and sampling, SFT and
DPO see the same token ids. The post-processor adds a BOS and so does the chat template: encoding rendered text has two.
"""

import json

import llama3
import pytest
from test_engines import printed

from data import fetch_seed_model
from metarewarding.engines.engine import open_engine, render
from metarewarding.engines.sampling import Decoding, Request, sample
from metarewarding.errors import UserError
from metarewarding.training.arguments import RunArguments
from train import train_dpo, train_sft

GREEDY = Decoding(temperature=0, top_p=1.0, max_tokens=40)
PROMPTS = ["Judge this, user.\n\nIs it ok?", "Say hi."]  # of lengths that differ: one is padded in a batch
GOOD, BAD = "It is ok.\n\nScore: 4", "No."


def user(text):
    return [{"role": "user", "content": text}]


def assistant(text):
    return [{"role": "assistant", "content": text}]


def count(ids, tokenizer, token):
    return list(ids).count(tokenizer.convert_tokens_to_ids(token))


@pytest.fixture(scope="module", params=[llama3.EOT, llama3.EOS], ids=["eos-is-eot", "eos-is-end-of-text"])
def seed(tmp_path_factory, request):
    """Return a seed model with either EOS token, as revisions of Llama 3's tokenizer config differ."""
    folder = llama3.save_model(tmp_path_factory.mktemp("seed"), request.param)
    fetch_seed_model.check_model(folder, "test")
    return folder


@pytest.fixture(scope="module")
def tokenizer(seed):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(seed)


def run_training(script, folder, seed, rows, config, **options):
    """Return what ``script`` trains on, from inside: (its trainer, the folder of the trained weights)."""
    import trl

    folder.mkdir()
    data = folder / "data.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    words = {"config": f"config/trl/{config}_laptop.yaml", "model": seed, "data": data, "weights": folder / "weights"}
    words |= {"stats": folder / "stats.json", "manifest": folder / "manifest.json", "output_dir": folder / "c"}
    words |= {"batch_size": 2, "per_device_train_batch_size": 2, "token_limit": 200, "bf16": "false"} | options
    arguments, settings = {
        "sft": (RunArguments, trl.SFTConfig),
        "dpo": (train_dpo.DpoArguments, trl.DPOConfig),
    }[config]
    given = [str(word) for name, value in words.items() for word in (f"--{name}", value)]
    trainers, train = [], script.train
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(script, "train", lambda trainer, *rest: (trainers.append(trainer), train(trainer, *rest)))
        script.main(*trl.TrlParser((arguments, settings, trl.ModelConfig)).parse_args_and_config(given))
    return trainers[0], folder / "weights"


@pytest.fixture(scope="module")
def sft(tmp_path_factory, seed):
    rows = [
        {
            "prompt_id": f"p{i}",
            "response_id": f"p{i}/r0",
            "prompt": user(prompt),
            "completion": assistant(GOOD),
            "score": 4,
        }
        for i, prompt in enumerate(PROMPTS)
    ]
    epochs = {"num_train_epochs": 60, "stop_epoch": 60, "learning_rate": 5e-3}
    return run_training(train_sft, tmp_path_factory.mktemp("sft") / "run", seed, rows, "sft", **epochs)


@pytest.fixture(scope="module")
def dpo(tmp_path_factory, seed):
    rows = [
        {"prompt_id": f"p{i}", "kind": "judge", "prompt": user(prompt), "chosen": assistant(GOOD)}
        | {"rejected": assistant(BAD), "chosen_id": "a", "rejected_id": "b", "chosen_by": 1.0, "rejected_by": 0.0}
        for i, prompt in enumerate(PROMPTS)
    ]
    epochs = {"num_train_epochs": 1, "stop_epoch": 1, "learning_rate": 1e-6}
    return run_training(train_dpo, tmp_path_factory.mktemp("dpo") / "run", seed, rows, "dpo", **epochs)


def received(engine, prompts):
    """Return (what the engine's model was given for each prompt, padding aside; what it wrote; the completions.)"""
    engine.backend = engine.start()  # which the first request would do
    given, written, generate = {}, {}, engine.backend.model.generate

    def recorded(input_ids, attention_mask, **rest):
        output = generate(input_ids=input_ids, attention_mask=attention_mask, **rest)
        for ids, mask, row in zip(input_ids.tolist(), attention_mask.tolist(), output.tolist(), strict=True):
            prompt = tuple(token for token, keep in zip(ids, mask, strict=True) if keep)
            given[prompt], written[prompt] = list(prompt), row[len(ids) :]
        return output

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine.backend.model, "generate", recorded)
        requests = [Request(f"p{i}", user(text), 1, 1024 * i, GREEDY) for i, text in enumerate(prompts)]
        completions, _ = sample(engine, requests)
    keys = [tuple(render(engine.tokenizer, user(text))) for text in prompts]
    return [given[key] for key in keys], [written[key] for key in keys], [row[0] for row in completions.values()]


def test_encoding_the_rendered_text_would_give_two(tokenizer):
    text = tokenizer.apply_chat_template(user("Say hi."), tokenize=False, add_generation_prompt=True)
    assert count(tokenizer(text)["input_ids"], tokenizer, llama3.BOS) == 2


def test_a_rendered_prompt_has_one_bos_and_ends_where_the_assistant_begins(tokenizer):
    for prompt in PROMPTS:
        ids = render(tokenizer, user(prompt))
        assert ids[0] == tokenizer.bos_token_id
        assert count(ids, tokenizer, llama3.BOS) == 1
        header = f"{llama3.START}assistant{llama3.END}\n\n"
        assert ids[-len(tokenizer.encode(header, add_special_tokens=False)) :] == tokenizer.encode(
            header, add_special_tokens=False
        )


def test_the_trained_model_says_what_it_learned_and_stops(sft, tokenizer):
    trainer, weights = sft
    learned = [
        [token for token in labels if token != -100] for labels in (row["labels"] for row in trainer.train_dataset)
    ]
    engine = open_engine(weights, "transformers", max_model_len=200, dtype="float32", batch_size=2)
    given, written, completions = received(engine, PROMPTS)
    for prompt, ids, answer, completion, row, labels in zip(
        PROMPTS, given, written, completions, trainer.train_dataset, learned, strict=True
    ):
        assert ids == render(tokenizer, user(prompt))
        assert count(ids, tokenizer, llama3.BOS) == 1
        assert row["input_ids"] == ids + labels  # SFT sees the prompt's tokens as sampling does
        assert labels[-1] == tokenizer.convert_tokens_to_ids(llama3.EOT)
        assert answer[: len(labels)] == labels  # and learns the tokens that are then drawn, the end among them
        assert (completion.text, completion.tokens, completion.finish_reason) == (GOOD, len(labels), "stop")


@pytest.mark.slow
def test_vllm_receives_the_same_prompts_and_stops_there_too(sft, tokenizer, tmp_path):
    pytest.importorskip("vllm", reason="no vLLM in this environment")
    code = """
    from test_llama3_chat import GOOD, GREEDY, PROMPTS, user
    from metarewarding.engines.engine import open_engine
    from metarewarding.engines.sampling import Request, sample
    engine = open_engine(sys.argv[1], 'vllm', max_model_len=200, dtype='float32', cpu_cache_gb=1)
    engine.backend = engine.start()
    outputs, run = {}, engine.backend.llm.run
    def recorded(prompts, parameters, finished):
        run(prompts, parameters, lambda i, output: (outputs.update({i: output}), finished(i, output)))
    engine.backend.llm.run = recorded
    drawn, _ = sample(engine, [Request(f'p{i}', user(text), 1, 0, GREEDY) for i, text in enumerate(PROMPTS)])
    print('=', {id: [list(outputs[i].prompt_token_ids), list(outputs[i].outputs[0].token_ids), row[0].text,
           row[0].finish_reason] for i, (id, row) in enumerate(drawn.items())})
"""
    trainer, weights = sft
    (result,) = printed(tmp_path, code, weights)
    for i, (prompt, row) in enumerate(zip(PROMPTS, trainer.train_dataset, strict=True)):
        ids, written, text, finish_reason = result[f"p{i}"]
        assert ids == render(tokenizer, user(prompt))
        assert ids + written == row["input_ids"]
        assert (text, finish_reason) == (GOOD, "stop")


def batches(trainer):
    return list(trainer.get_train_dataloader())


def test_what_sft_collates_has_one_bos_and_learns_the_end_of_the_turn(sft, tokenizer):
    trainer, _ = sft
    eot = tokenizer.convert_tokens_to_ids(llama3.EOT)
    (batch,) = batches(trainer)
    wanted = {tuple(render(tokenizer, user(prompt))) for prompt in PROMPTS}
    completion = [*tokenizer.encode(GOOD, add_special_tokens=False), eot]
    for ids, labels, mask in zip(
        *(batch[key].tolist() for key in ("input_ids", "labels", "attention_mask")), strict=True
    ):
        real = sum(mask)
        learned = [i for i, label in enumerate(labels) if label != -100]
        assert count(ids[:real], tokenizer, llama3.BOS) == 1
        assert tuple(ids[: learned[0]]) in wanted
        assert learned == list(range(learned[0], real))  # to the last token, and no padding
        assert [labels[i] for i in learned] == ids[learned[0] : real] == completion


def test_what_dpo_collates_is_what_sft_and_sampling_see(dpo, tokenizer):
    trainer, _ = dpo
    eot = tokenizer.convert_tokens_to_ids(llama3.EOT)
    (batch,) = batches(trainer)
    wanted = {tuple(render(tokenizer, user(prompt))) for prompt in PROMPTS}
    columns = (batch[key].tolist() for key in ("input_ids", "completion_mask", "attention_mask"))
    rows = list(zip(*columns, strict=True))
    assert len(rows) == 4  # the chosen, then the rejected
    for i, (ids, completion_mask, mask) in enumerate(rows):
        real = sum(mask)
        completion = [*tokenizer.encode(GOOD if i < 2 else BAD, add_special_tokens=False), eot]
        assert count(ids[:real], tokenizer, llama3.BOS) == 1
        assert tuple(ids[: real - len(completion)]) in wanted
        assert ids[real - len(completion) : real] == completion
        assert [j for j, keep in enumerate(completion_mask) if keep] == list(range(real - len(completion), real))


def test_the_trained_model_still_ends_a_turn_by_both_tokens(sft, dpo, tokenizer):
    for _, weights in (sft, dpo):
        ends = json.loads((weights / "generation_config.json").read_text())["eos_token_id"]
        assert set(ends) == set(tokenizer.convert_tokens_to_ids([llama3.EOS, llama3.EOT]))
        fetch_seed_model.check_model(weights, "trained")


# -- templates that would teach or draw something else are refused


def changed(folder, template=None, ends=None):
    llama3.save_model(folder)
    if template:
        (folder / "chat_template.jinja").write_text(template)
    if ends:
        path = folder / "generation_config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"eos_token_id": ends}))
    return folder


def test_a_template_that_always_opens_the_assistants_turn_is_refused(tmp_path):
    """An early template of Llama 3 did: training would learn the header of another turn after <|eot_id|>."""
    always = llama3.CHAT_TEMPLATE + f"{{{{ '{llama3.START}assistant{llama3.END}\n\n' }}}}"
    with pytest.raises(UserError, match="add_generation_prompt"):
        fetch_seed_model.check_model(changed(tmp_path, template=always), "test")


def test_a_turn_whose_end_does_not_stop_generation_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"<\|eot_id\|>.*generation_config\.json"):
        fetch_seed_model.check_model(changed(tmp_path, ends=[1]), "test")


def test_a_template_that_writes_two_is_refused(tmp_path):
    twice = "{{ bos_token }}" + llama3.CHAT_TEMPLATE + llama3.GENERATION_PROMPT
    with pytest.raises(UserError, match="2 times"):
        fetch_seed_model.check_model(changed(tmp_path, template=twice), "test")


def test_a_template_that_renders_the_prompt_otherwise_when_an_answer_follows_is_refused(tmp_path):
    template = llama3.CHAT_TEMPLATE + llama3.GENERATION_PROMPT.replace("assistant", "helper")
    with pytest.raises(UserError, match="renders a prompt differently"):
        fetch_seed_model.check_model(changed(tmp_path, template=template), "test")
