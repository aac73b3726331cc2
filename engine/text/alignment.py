"""Two tokenizations of one text, set side by side: the finest spans of characters whose borders both have.

This module knows nothing of models: it works on spans as `engine.text.tokens.Encoding` describes them.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from engine.arrays import Floats, Ints


@dataclass(frozen=True, eq=False)
class Alignment:
    """m spans of characters, and the tokens (start, stop) of either side that make up each: all (m, 2) int64."""

    spans: Ints
    ranges_a: Ints
    ranges_b: Ints


def token_by_token(spans: Ints) -> Alignment:
    """One tokenization (n, 2) shared by both sides: every token is a span, even where tokens share a character."""
    places = np.arange(len(spans))
    ranges = np.stack([places, places + 1], axis=1)
    return Alignment(spans, ranges, ranges)


def common_spans(spans_a: Ints, spans_b: Ints) -> Alignment:
    """Finest common spans of two tokenizations of the same text.

    A border is common where on both sides one token ends and the next begins; inside tokens that share a character
    there is none.

    Parameters
    ----------
    spans_a, spans_b : (n, 2) characters, covering the same text without gaps

    Raises
    ------
    ValueError
        If the two do not cover the same text.

    Examples
    --------
    >>> a, b = np.array([[0, 3], [3, 4], [4, 9]]), np.array([[0, 1], [1, 4], [4, 9]])
    >>> common_spans(a, b).spans.tolist()
    [[0, 4], [4, 9]]
    """
    if spans_a[-1, 1] != spans_b[-1, 1]:
        raise ValueError(f"the tokenizations end at characters {spans_a[-1, 1]} and {spans_b[-1, 1]}")
    borders_a, stops_a = _borders(spans_a)
    borders_b, stops_b = _borders(spans_b)
    ends, in_a, in_b = np.intersect1d(borders_a, borders_b, assume_unique=True, return_indices=True)
    return Alignment(_ranges(ends), _ranges(stops_a[in_a]), _ranges(stops_b[in_b]))


def sums(log_probs: Floats, ranges: Ints) -> Floats:
    """(m,) sums of (n,) log-probabilities over ranges that follow one another; NaN where a token of it is NaN."""
    summed: Floats = np.add.reduceat(log_probs, ranges[:, 0])
    return summed


def tokens_in(ranges: Ints, pieces: Iterable[int]) -> list[int]:
    """Indices of the tokens that make up the pieces (indices into the m rows) whose tokens `ranges` (m, 2) gives.

    >>> tokens_in(np.array([[0, 1], [1, 4]]), [1])
    [1, 2, 3]
    """
    return [token for piece in pieces for token in range(*ranges[piece].tolist())]


def _borders(spans: Ints) -> tuple[Ints, Ints]:
    """Character positions where a token ends and no other goes on, and the number of tokens up to there."""
    last_of_group = np.append(spans[1:, 0] >= spans[:-1, 1], True)
    return spans[last_of_group, 1], np.flatnonzero(last_of_group) + 1


def _ranges(stops: Ints) -> Ints:
    return np.stack([np.concatenate([[0], stops[:-1]]), stops], axis=1)
