"""The text that a model's new tokens add to what was there.

Tokenizers decode a first token otherwise than one within a text: SentencePiece's lose their leading space, WordPiece's
are not joined to the word before. So new tokens are decoded behind others, and the text of those is taken off.
"""

from collections.abc import Sequence

from engine.text.tokens import TextTokenizer

_BROKEN = "\ufffd"
_ANCHORS = ("a", "1", "的")
"""Words to decode new tokens behind, if the text that is really there does not decode on its own."""
_MOST_CUT = 3
"""Tokens at the end that may hold the beginning of one character: UTF-8 has at most 4 bytes, a token at least one."""


def added_text(tokenizer: TextTokenizer, prompt: Sequence[int], new: Sequence[int]) -> str:
    """Text that `new` ids add after those of `prompt`; a character cut off at the end is left out.

    Bytes that begin a character in vain spoil the whole run of byte tokens before them in some tokenizers, so that
    the last few tokens are tried without as well, and the longest text without a broken end is taken.
    """
    text = _behind(tokenizer, prompt, new)
    if not text.endswith(_BROKEN):
        return text
    shorter = (_behind(tokenizer, prompt, new[: len(new) - cut]) for cut in range(1, min(_MOST_CUT, len(new)) + 1))
    return max((found.rstrip(_BROKEN) for found in (text, *shorter)), key=len)


def _behind(tokenizer: TextTokenizer, prompt: Sequence[int], new: Sequence[int]) -> str:
    """Decoded behind the prompt, or behind an ordinary word if the prompt's own text changes when more follows."""
    if not new:
        return ""
    words = (tokenizer.encode(anchor).token_ids.tolist() for anchor in _ANCHORS)
    for before in (list(prompt), *words):
        alone, whole = _decoded(tokenizer, before), _decoded(tokenizer, [*before, *new])
        if alone and whole.startswith(alone):
            return whole[len(alone) :]
    return _decoded(tokenizer, new)


def _decoded(tokenizer: TextTokenizer, token_ids: Sequence[int]) -> str:
    text = tokenizer.backend.decode(list(token_ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)
    return str(text)
