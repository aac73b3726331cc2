"""From the aligned pieces of two readings to the tokens of one of them."""

from collections.abc import Iterable

from engine.arrays import Ints


def tokens_in(ranges: Ints, pieces: Iterable[int]) -> list[int]:
    """Indices of the tokens that make up some pieces.

    Parameters
    ----------
    ranges : (m, 2) tokens (start, stop) of each piece
    pieces : indices of pieces

    Examples
    --------
    >>> tokens_in(np.array([[0, 1], [1, 4]]), [1])
    [1, 2, 3]
    """
    return [token for piece in pieces for token in range(*ranges[piece].tolist())]
