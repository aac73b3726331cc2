"""Which texts are kept: not too short, not going round in circles, not said before.

Repeats are found by sketches: of the hashes of all sequences of eight tokens, a text's smallest few stand for it, so
that two texts that share most of their sequences share most of their sketch (Broder, "On the resemblance and
containment of documents", 1997). An exact repeat is the extreme case.
"""

import hashlib
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.uint16]

_REPEAT_LENGTH = 4
_SHINGLE_LENGTH = 8
_SKETCH = 8
_SAME_SHARE = 0.5
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # 2**64 over the golden ratio, odd
_HASH_RANGE = 2**64


def sequence_hashes(tokens: Ids, length: int) -> npt.NDArray[np.uint64]:
    """(n - length + 1,) 64-bit hashes of all sequences of `length` tokens; one of the whole where it is shorter."""
    length = min(length, len(tokens))
    count = len(tokens) - length + 1
    found = np.zeros(count, dtype=np.uint64)
    for place in range(length):
        found = (found ^ (tokens[place : place + count].astype(np.uint64) + np.uint64(1))) * _MULTIPLIER
        found ^= found >> np.uint64(29)
    return found


def repeated_share(tokens: Ids) -> float:
    """Share of a text's sequences of four tokens that it has had before, in [0, 1).

    Examples
    --------
    >>> repeated_share(np.array([1, 1, 1, 1, 1], dtype=np.uint16))
    0.5
    """
    hashes = sequence_hashes(tokens, _REPEAT_LENGTH)
    return 1 - len(np.unique(hashes)) / len(hashes)


def is_held_out(tokens: Ids, share: float) -> bool:
    """Whether a text is one of the `share` that is never trained on: a matter of the text alone."""
    digest = hashlib.blake2b(tokens.astype("<u2").tobytes(), digest_size=8).digest()
    return int.from_bytes(digest, "big") < share * _HASH_RANGE


@dataclass(eq=False)
class Sieve:
    """Decides text by text; `seen` grows with every text it has kept."""

    least_tokens: int
    most_repeated: float
    seen: set[int] = field(default_factory=set)

    def fault(self, tokens: Ids) -> str | None:
        """Why a text is dropped ('short', 'repetitive', 'duplicate'), or None: it is kept and remembered."""
        if len(tokens) < self.least_tokens:
            return "short"
        if repeated_share(tokens) > self.most_repeated:
            return "repetitive"
        sketch = _sketch(tokens)
        if len(sketch & self.seen) >= _SAME_SHARE * len(sketch):
            return "duplicate"
        self.seen |= sketch
        return None

    def remember(self, tokens: Ids) -> None:
        """Take note of a text that was kept in an earlier run."""
        self.seen |= _sketch(tokens)


def _sketch(tokens: Ids) -> set[int]:
    hashes = np.unique(sequence_hashes(tokens, _SHINGLE_LENGTH))
    return set(hashes[:_SKETCH].tolist())
