"""Text that people and models wrote never opens or closes a turn of the chat."""

from functools import lru_cache


def inert(text: str, tokenizer) -> str:
    """Return ``text`` with a zero-width space inside every special token that it spells out.

    A response that contains "<|im_end|>" would otherwise end its own turn when it is judged.
    """
    for token in _special_tokens(tokenizer):
        if token in text:
            text = text.replace(token, token[0] + "\u200b" + token[1:])
    return text


@lru_cache(maxsize=8)
def _special_tokens(tokenizer) -> tuple[str, ...]:
    tokens = {str(token) for token in tokenizer.added_tokens_decoder.values() if token.special}
    return tuple(sorted((token for token in tokens if len(token) > 1), key=len, reverse=True))
