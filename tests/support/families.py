"""Tiny random models of four families, each with a chat template of its family's shape, written for these tests."""

from pathlib import Path

import llama3

# Qwen 2.5 and 3, SmolLM 2 and 3: the EOS ends a turn, padding is another token, and a line break follows. As in
# Qwen 3, enable_thinking decides whether the generation prompt holds an empty thought.
QWEN = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' }}"
    "{% if message['role'] == 'assistant' and loop.last %}{{ '<think>\n\n</think>\n\n' }}{% endif %}"
    "{{ message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}"
    "{% if enable_thinking is defined and enable_thinking is false %}{{ '<think>\n\n</think>\n\n' }}{% endif %}"
    "{% endif %}"
)
# Gemma: no system role, the assistant is called model, and the EOS of the tokenizer does not end a turn.
GEMMA = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message['role'] == 'system' %}{{ raise_exception('There is no system role') }}{% endif %}"
    "{{ '<start_of_turn>' + ('model' if message['role'] == 'assistant' else message['role']) + '\n' }}"
    "{{ message['content'] | trim + '<end_of_turn>\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)
# Mistral: the user's turn is in brackets, the assistant's has no opening, no pad token, and no system role.
MISTRAL = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Roles must alternate') }}{% endif %}"
    "{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}"
    "{% else %}{{ ' ' + message['content'] + eos_token }}{% endif %}"
    "{% endfor %}"
)
FAMILIES = ("llama", "qwen3", "gemma", "mistral")


def _tokenizer(specials: list[str], template: str, **named):
    """Return a tokenizer of single bytes."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    symbols = [*specials, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    built = Tokenizer(models.BPE(vocab={symbol: i for i, symbol in enumerate(symbols)}, merges=[]))
    built.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    built.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(tokenizer_object=built, additional_special_tokens=specials, **named)
    fast.chat_template = template
    return fast


def save_model(folder: Path, family: str) -> Path:
    """Write a random model of ``family`` with two layers to ``folder``."""
    import torch
    from transformers import (
        GemmaConfig,
        GemmaForCausalLM,
        MistralConfig,
        MistralForCausalLM,
        Qwen3Config,
        Qwen3ForCausalLM,
    )

    if family == "llama":
        return llama3.save_model(folder)
    architecture, config_class, tokenizer, ends = {
        "qwen3": (
            Qwen3ForCausalLM,
            Qwen3Config,
            _tokenizer(
                ["<|endoftext|>", "<|im_start|>", "<|im_end|>"], QWEN, eos_token="<|im_end|>", pad_token="<|endoftext|>"
            ),
            ["<|im_end|>", "<|endoftext|>"],
        ),
        "gemma": (
            GemmaForCausalLM,
            GemmaConfig,
            _tokenizer(
                ["<pad>", "<eos>", "<bos>", "<start_of_turn>", "<end_of_turn>"],
                GEMMA,
                bos_token="<bos>",
                eos_token="<eos>",
                pad_token="<pad>",
            ),
            ["<eos>", "<end_of_turn>"],
        ),
        "mistral": (
            MistralForCausalLM,
            MistralConfig,
            _tokenizer(["<s>", "</s>", "[INST]", "[/INST]"], MISTRAL, bos_token="<s>", eos_token="</s>"),
            ["</s>"],
        ),
    }[family]
    torch.manual_seed(0)
    config = config_class(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=32,
        max_position_embeddings=512,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = architecture(config)
    model.generation_config.eos_token_id = tokenizer.convert_tokens_to_ids(ends)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
