"""Readings with numbers known in advance, for tests of what shows them: no model, no tokenizer file.

Tokens are words with their leading space, runs of punctuation, single white-space characters; a character of four
UTF-8 bytes is two tokens. Token i > 0 has log-probability `log_prob(i)`; the first is not predicted.
"""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from engine.scoring.results import ModelComparison, TextScores

ENGLISH = (
    "The goal of a correlation analysis is to measure how strongly two variables move together. A coefficient near one "
    "says that they rise and fall as a pair; it does not say why.\n\nIce cream sales and drownings correlate, because "
    "both follow the sun."
)
CODE = (
    'def mean(values):\n    """Average of a list."""\n    if not values:\n        raise ValueError("empty")\n'
    "\treturn sum(values) / len(values)\n"
)
WORLD = (
    "Cà phê sữa đá rất ngon 😀👍🏽 cùng bạn bè!\nاللغة العربية تكتب من اليمين إلى اليسار.\nשלום עולם 日本語の文章です。"
)
MARKUP = (
    '<script>window.__pwned = 1</script><img src=x onerror="window.__pwned=1"> ![](http://foreign.invalid/x.png) '
    "[x](javascript:alert(1)) </script> **bold** :red[x] $x^2$ &amp; abc\u202edcba\u202c \x07\u200b end"
)
TEXTS = {
    "english": ENGLISH,
    "code": CODE,
    "world": WORLD,
    "markup": MARKUP,
    "one": "Hello",
    "empty-lines": "a\n\n\nb",
    "long": " ".join(f"word{i}" for i in range(5_000)),
    "huge": " ".join(f"word{i}" for i in range(20_000)),
}
_PIECES = re.compile(r"\s(?=\s)|[ \t]?[^\W_]+|[ \t]?[^\w\s\U00010000-\U0010ffff]{1,3}|\s|.")
K = 5


def log_prob(i: int) -> float:
    """Nats of token i > 0: from -0.05 to -11.25 in steps of 0.1."""
    return -0.05 - (i * 37 % 113) / 10


def pieces(text: str) -> tuple[list[str], np.ndarray]:
    """Tokens and their spans."""
    tokens: list[str] = []
    spans: list[tuple[int, int]] = []
    for found in _PIECES.finditer(text):
        encoded = found.group().encode()
        if len(found.group()) == 1 and len(encoded) == 4:
            tokens += [f"⟨{part.hex(' ').upper()}⟩" for part in (encoded[:2], encoded[2:])]
            spans += [found.span()] * 2
        else:
            tokens.append(found.group())
            spans.append(found.span())
    return tokens, np.array(spans, dtype=np.int64)


def scores_of(tokens: Sequence[str], log_probs: ArrayLike, title: str = "Closed form", **more: Any) -> TextScores:
    """A reading of these tokens with these nats, NaN for one that is not predicted; whatever is in `more` replaces
    the rest: token i has rank i + 1, one nat of entropy, and ' x' and ' y' as what else could have come.
    """
    n, values = len(tokens), np.array(log_probs, dtype=np.float64)
    lengths, known = np.array([len(token) for token in tokens], dtype=np.int64), np.isfinite(values)
    ends = np.cumsum(lengths)
    given = {
        "text": "".join(tokens), "model_key": "closed", "model_title": title, "token_ids": np.arange(n),
        "tokens": tuple(tokens), "spans": np.stack([ends - lengths, ends], axis=1), "log_probs": values,
        "ranks": np.where(known, np.arange(n) + 1, 0), "entropies": np.where(known, 1.0, np.nan),
        "top_ids": np.where(known[:, None], [[7, 8]], -1),
        "top_log_probs": np.where(known[:, None], [[-0.1, -3.0]], np.nan),
        "top_tokens": tuple((" x", " y") if each else ("", "") for each in known),
        "window": n, "stride": n, "ties": np.zeros(n, dtype=np.int64),
    }  # fmt: skip
    return TextScores(**given | more)


def compared(a: TextScores, b: TextScores, **numbers: Any) -> ModelComparison:
    """Two readings of the same tokens side by side; without `numbers` of divergences the vocabularies differ."""
    ranges = np.stack([np.arange(len(a)), np.arange(len(a)) + 1], axis=1)
    shared = "kl_ab" in numbers
    given = {
        "a": a, "b": b, "spans": a.spans.copy(), "ranges_a": ranges, "ranges_b": ranges.copy(),
        "log_probs_a": a.log_probs.copy(), "log_probs_b": b.log_probs.copy(), "pearson": 0.5, "spearman": 0.5,
        "share_above": 0.4, "share_below": 0.6, "shared_vocabulary": shared,
        "kl_undefined_reason": None if shared else "The vocabularies differ.",
    }  # fmt: skip
    return ModelComparison(**given | numbers)


def reading(text: str, *, title: str = "Closed form", shift: int = 0, first_predicted: bool = False) -> TextScores:
    """Scores of `text`, its numbers moved on by `shift` tokens. A token of rank 1 heads its list of alternatives."""
    tokens, spans = pieces(text)
    n = len(tokens)
    log_probs = np.array([log_prob(i + shift) for i in range(n)])
    ranks = np.array([1 + int(-value * 4) ** 2 if value < -1 else 1 for value in log_probs])
    top = np.tile(np.log([0.4, 0.2, 0.1, 0.05, 0.02]), (n, 1))
    names = [list(row) for row in [(" the", " of", " goal", "\n", " 😀")] * n]
    for i in np.flatnonzero(ranks == 1):
        names[i][0], top[i, 0] = tokens[i], log_probs[i]
    entropies = 0.5 + np.arange(n) % 7
    if not first_predicted:
        log_probs[0] = entropies[0] = np.nan
        ranks[0], top[0], names[0] = 0, np.nan, [""] * K
    opening = {"bos": "on", "opening_ids": (0,), "opening_tokens": ("<s>",)} if first_predicted else {"bos": "off"}
    return scores_of(
        tokens, log_probs, title, text=text, model_key=f"closed-{shift}", spans=spans, ranks=ranks,
        entropies=entropies, top_ids=np.where(np.isnan(top), -1, np.arange(K)), top_log_probs=top,
        top_tokens=tuple(map(tuple, names)), window=1024, stride=1024, **opening,
    )  # fmt: skip


def comparison(text: str, *, shared: bool = True) -> ModelComparison:
    """Two readings, the second's numbers 5 tokens on; divergences that only need to be shown."""
    a, b = reading(text, title="Small model"), reading(text, title="Large model", shift=5)
    n = len(a)
    kl = np.where(np.isnan(a.log_probs), np.nan, (np.arange(n) % 9) / 5)
    changed = np.where(np.isnan(a.log_probs)[:, None], np.nan, np.log([[0.5, 0.2, 0.01]]))
    with_kl = {
        "kl_ab": kl, "kl_ba": kl / 2, "js": kl / 4, "same_top1": (np.arange(n) % 3 > 0).astype(np.float64),
        "changed_ids": np.tile(np.arange(3), (n, 1)), "changed_tokens": ((" the", " goal", " <b>"),) * n,
        "changed_log_probs_a": changed, "changed_log_probs_b": changed[:, ::-1].copy(),
    }  # fmt: skip
    return compared(a, b, **(with_kl if shared else {}))
