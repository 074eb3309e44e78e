"""A tiny model with a tokenizer and a chat template of Llama 3's shape: byte-level BPE that adds a BOS to a text."""

from pathlib import Path

BOS, EOS, EOT = "<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>"
START, END = "<|start_header_id|>", "<|end_header_id|>"
SPECIALS = [BOS, EOS, START, END, EOT]

# The template itself writes the BOS, before the first turn, and trims every content.
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if loop.first %}{{ bos_token }}{% endif %}"
    "{{ '" + START + "' + message['role'] + '" + END + "\n\n' + message['content'] | trim + '" + EOT + "' }}"
    "{% endfor %}"
)
GENERATION_PROMPT = "{% if add_generation_prompt %}{{ '" + START + "assistant" + END + "\n\n' }}{% endif %}"


def tokenizer(eos_token: str = EOT, size: int = 0):
    """Return a fast tokenizer without a pad token; successive line breaks are one token, as in Llama 3.

    Tokens that no text has fill its vocabulary up to ``size``.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    line_break = "Ċ"  # "\n" in the byte-level alphabet
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [(line_break, line_break), (2 * line_break, line_break), ("u", "s"), ("e", "r"), ("Ġ", "a"), ("o", "k")]
    symbols = [*SPECIALS, *alphabet, *(left + right for left, right in merges)]
    symbols += [f"<{i}>" for i in range(len(symbols), size)]
    ids = {symbol: i for i, symbol in enumerate(symbols)}
    built = Tokenizer(models.BPE(vocab=ids, merges=merges))
    words = Regex(r"\s*[\r\n]+|\s+(?!\S)| ?\p{L}+|\p{N}{1,3}|\s+|[^\s\p{L}\p{N}]+")
    built.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(words, "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    built.decoder = decoders.ByteLevel()
    built.post_processor = processors.TemplateProcessing(single=f"{BOS} $A", special_tokens=[(BOS, ids[BOS])])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=built, bos_token=BOS, eos_token=eos_token, additional_special_tokens=[START, END, EOS, EOT]
    )
    fast.chat_template = CHAT_TEMPLATE + GENERATION_PROMPT
    return fast


def save_model(folder: Path, eos_token: str = EOT, device: str = "cpu", dtype: str = "float32", **shape) -> Path:
    """Write a random Llama with this tokenizer, which ends a text by <|end_of_text|> or <|eot_id|>.

    ``shape``: keys of LlamaConfig instead of the tiny ones here. Its weights are drawn on ``device``.
    """
    import torch
    from transformers import AutoModelForCausalLM, LlamaConfig

    built = tokenizer(eos_token, shape.get("vocab_size", 0))
    bos, eos, eot = built.convert_tokens_to_ids([BOS, EOS, EOT])
    torch.manual_seed(0)
    tiny = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = LlamaConfig(
        **{"vocab_size": len(built), "max_position_embeddings": 512} | tiny | shape,
        bos_token_id=bos,
        eos_token_id=built.convert_tokens_to_ids(eos_token),
    )
    with torch.device(device):
        model = AutoModelForCausalLM.from_config(config, dtype=dtype)
    model.generation_config.eos_token_id = [eos, eot]
    model.save_pretrained(folder)
    built.save_pretrained(folder)
    return folder
