r"""Which tokens of a vocabulary a run should make likely.

A pattern is matched against the text of each token. Bytes that are no whole character have no text ("⟨F0 9F⟩" is how
they are shown, not what they say), so the letter f does not match them. Nor has a token with which a model marks the
end of a text, or a turn: "<|endoftext|>" is how it is named.
"""

import re
import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np

from engine.arrays import Bools
from engine.errors import ParameterError
from engine.training import schema
from engine.training.schema import Setting

PatternKind = Literal["letter", "words", "regex"]

LONGEST_PATTERN = 500
REGEX_SECONDS = 2.0
"""Time a regular expression may take over a whole vocabulary; ordinary ones take a tenth of it."""

_SHOWN_BYTES = re.compile(r"⟨(?:[0-9A-F]{2}(?: [0-9A-F]{2})*|unused \d+)⟩")


@schema.documented
@dataclass(frozen=True)
class Pattern:
    """What a wanted token looks like.

    It contains the letter or letters; or is one of the words, but for spaces around it; or the regular expression is
    found in it. Words are separated by commas or white space.
    """

    kind: Annotated[PatternKind, Setting("what the pattern is")] = "letter"
    text: Annotated[str, Setting("the letter or letters, the words, or the expression")] = "x"
    ignore_case: Annotated[bool, Setting("whether x also means X")] = True

    def __post_init__(self) -> None:
        schema.check(self)

    @property
    def title(self) -> str:
        """The pattern in a few words.

        Examples
        --------
        >>> Pattern().title
        'containing x or X'
        """
        if self.kind == "words":
            words = split_words(self.text)
            return f"that are {', '.join(words[:3])}" + (f" and {len(words) - 3} more words" if len(words) > 3 else "")
        if self.kind == "regex":
            return f"matching {self.text}"
        other = self.text.swapcase()
        return f"containing {self.text}" + (f" or {other}" if self.ignore_case and other != self.text else "")


def match(pattern: Pattern, token_texts: Sequence[str], control_ids: Collection[int] = ()) -> Bools:
    """Which tokens are wanted.

    Parameters
    ----------
    pattern : what to look for
    token_texts : text of every token of the vocabulary, in the order of ids, as `TextTokenizer.token_texts` gives it
    control_ids : ids of tokens that stand for no text and are never wanted; see `vocabulary.Vocabulary`

    Returns
    -------
    (V,) bool, with at least one True and one False

    Raises
    ------
    ParameterError
        The pattern is empty or not a regular expression, takes too long, or matches nothing or everything.

    Examples
    --------
    >>> match(Pattern("letter", "x"), ["x", " Xenon", "⟨F0 9F⟩", "tea"]).tolist()
    [True, True, False, False]
    """
    if not pattern.text.strip():
        raise ParameterError("The pattern is empty. Give a letter, a word or an expression that some tokens match.")
    if len(pattern.text) > LONGEST_PATTERN:
        raise ParameterError(
            f"The pattern has {len(pattern.text):,} characters; at most {LONGEST_PATTERN} are read. Shorten it."
        )
    texts = [_SHOWN_BYTES.sub("", text) for text in token_texts]
    wanted = np.fromiter(_found(pattern, texts), dtype=np.bool_, count=len(texts))
    is_text = np.ones(len(texts), dtype=np.bool_)
    is_text[[index for index in control_ids if index < len(texts)]] = False
    wanted &= is_text
    if not wanted.any():
        raise ParameterError(
            f"None of the {len(wanted):,} tokens match the pattern {pattern.text!r}. "
            "Try fewer letters, or words that are a single token."
        )
    if wanted.sum() == is_text.sum():
        raise ParameterError(
            f"Every one of the {wanted.sum():,} tokens matches the pattern {pattern.text!r}, so there is nothing to "
            "push away from. Make it narrower."
        )
    return wanted


def split_words(text: str) -> list[str]:
    """Words of a list, in order and once each.

    Examples
    --------
    >>> split_words("yes, of course,yes")
    ['yes', 'of', 'course']
    """
    return list(dict.fromkeys(word for word in re.split(r"[,\s]+", text) if word))


def _found(pattern: Pattern, texts: list[str]) -> Iterable[bool]:
    fold = str.casefold if pattern.ignore_case else str
    if pattern.kind == "letter":
        sought = fold(pattern.text)
        return (sought in fold(text) for text in texts)
    if pattern.kind == "words":
        words = set(map(fold, split_words(pattern.text)))
        return (fold(text.strip()) in words for text in texts)
    return _matching(pattern, texts)


def _matching(pattern: Pattern, texts: list[str]) -> list[bool]:
    """Search with the `regex` package: unlike `re` it can be given a time limit, and lets other threads run."""
    import regex

    try:
        compiled = regex.compile(pattern.text, regex.IGNORECASE if pattern.ignore_case else 0)
    except (regex.error, RecursionError, MemoryError, OverflowError) as error:
        raise ParameterError(f"{pattern.text!r} is not a regular expression: {error}.") from None
    end = time.monotonic() + REGEX_SECONDS
    found = []
    try:
        for text in texts:
            left = max(0.001, end - time.monotonic())
            found.append(compiled.search(text, timeout=left, concurrent=True) is not None)
    except (TimeoutError, RecursionError, MemoryError):
        raise ParameterError(
            f"The expression {pattern.text!r} took more than {REGEX_SECONDS:.0f} seconds over the vocabulary. "
            "Avoid repetitions inside repetitions, such as (a+)+."
        ) from None
    return found
