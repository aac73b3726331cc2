"""What scoring and comparing give back: arrays over tokens, frozen, on the CPU.

Log-probabilities, entropies and divergences are in nats; NaN stands where nothing was predicted. The arrays are
read-only, since one result serves every session.
"""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from engine import export
from engine.arrays import Bools, Floats, Ints
from engine.models.opening import Bos
from engine.strip import page
from engine.units import to_bits


def _check(result: object, shapes: dict[str, tuple[int, ...]]) -> None:
    """Make the named arrays read-only, after checking their shapes. None is let through: not every result has all."""
    for name, shape in shapes.items():
        array = getattr(result, name)
        if array is None:
            continue
        if array.shape != shape:
            raise ValueError(f"{name} has shape {array.shape}, expected {shape}")
        array.setflags(write=False)


@dataclass(frozen=True, eq=False)
class TextScores:
    """One model's reading of one text, token by token: n tokens, the k most probable alternatives at each.

    Attributes
    ----------
    text, model_key, model_title : what was scored, and with what
    token_ids : (n,) int64. Opening tokens put in front are not among them.
    tokens : n strings for people; parts of characters show as bytes
    spans : (n, 2) int64, characters of the text; tokens that share a character overlap
    log_probs : (n,) float64, nats, <= 0: log p(token | tokens before). NaN where unpredicted.
    ranks : (n,) int64: 1 + number of tokens with a strictly larger logit; 0 where unpredicted
    ties : (n,) int64: number of other tokens with exactly the same logit. A rank of 3 with one tie is '3 to 4'.
    entropies : (n,) float64, nats, in [0, ln V]: of the whole distribution the token was drawn from. NaN where
        unpredicted.
    top_ids, top_log_probs : (n, k) int64 and float64, most probable first; -1 and NaN where unpredicted
    top_tokens : n tuples of k strings; empty strings where unpredicted
    window, stride : tokens the model saw at most at once, and how far the window moved. A text that fits has one
        window.
    bos : what was asked to stand in front: 'auto', 'on' or 'off'. See `engine.models.opening`.
    opening_ids, opening_tokens : ids that did stand in front of every window, so that the first token was predicted
        too, and their strings; often none
    special_tokens : whether text that spells a special token was read as that token
    """

    text: str
    model_key: str
    model_title: str
    token_ids: Ints
    tokens: tuple[str, ...]
    spans: Ints
    log_probs: Floats
    ranks: Ints
    entropies: Floats
    top_ids: Ints
    top_log_probs: Floats
    top_tokens: tuple[tuple[str, ...], ...]
    window: int
    stride: int
    ties: Ints
    bos: Bos = "auto"
    opening_ids: tuple[int, ...] = ()
    opening_tokens: tuple[str, ...] = ()
    special_tokens: bool = False

    def __post_init__(self) -> None:
        n, k = len(self.token_ids), self.top_ids.shape[-1]
        one_a_token = dict.fromkeys(("token_ids", "log_probs", "ranks", "ties", "entropies"), (n,))
        _check(self, {**one_a_token, "spans": (n, 2), "top_ids": (n, k), "top_log_probs": (n, k)})
        if len(self.tokens) != n or len(self.top_tokens) != n:
            raise ValueError(f"{len(self.tokens)} tokens and {len(self.top_tokens)} top_tokens for {n} token ids")

    def __len__(self) -> int:
        return len(self.token_ids)

    @property
    def prepend_bos(self) -> bool:
        """Whether an opening token stood in front, so that the first token was predicted too."""
        return bool(self.opening_ids)

    @property
    def predicted(self) -> Bools:
        """(n,) bool: which tokens have a prediction."""
        return self.ranks > 0

    @property
    def mean_log_prob(self) -> float:
        """Mean log-probability of the predicted tokens in nats; NaN if there are none."""
        known = self.log_probs[self.predicted]
        return float(known.mean()) if known.size else float("nan")

    @property
    def perplexity(self) -> float:
        """Exponential of the mean negative log-probability (nats) of the predicted tokens; NaN if there are none."""
        return float(np.exp(-self.mean_log_prob))

    @property
    def bits_per_byte(self) -> float:
        """Total surprisal in bits of the predicted tokens over the UTF-8 bytes of the characters they cover.

        An unpredicted first token counts on neither side, unless a predicted token shares its character. Windows
        change the surprisals, never the bytes. With a BOS token in front the bytes are the whole text's. Unlike
        perplexity, the number can be compared across tokenizers. NaN if nothing was predicted.
        """
        edges = np.zeros(len(self.text) + 1, dtype=np.int64)
        np.add.at(edges, self.spans[self.predicted, 0], 1)
        np.add.at(edges, self.spans[self.predicted, 1], -1)
        covered = np.cumsum(edges)[:-1] > 0
        n_bytes = int(octets(self.text)[covered].sum())
        total_bits = float(to_bits(-self.log_probs[self.predicted].sum()))
        return total_bits / n_bytes if n_bytes else float("nan")

    @property
    def surprisals_bits(self) -> Floats:
        """(n,) -log2 p of each token, in bits."""
        return to_bits(-self.log_probs)

    @property
    def probabilities(self) -> Floats:
        """(n,) p of each token, in [0, 1]."""
        return np.exp(self.log_probs)

    @property
    def top1_ratio(self) -> Floats:
        """(n,) p of the token over p of the most probable one, in [0, 1]; NaN with no alternatives (k = 0)."""
        if not self.top_ids.shape[1]:
            return np.full(len(self), np.nan)
        return np.minimum(np.exp(self.log_probs - self.top_log_probs[:, 0]), 1.0)

    @property
    def groups(self) -> list[tuple[int, int]]:
        """Ranges (start, stop) of tokens that share characters, in order; most hold one token."""
        alone = self.spans[1:, 0] >= self.spans[:-1, 1]
        cuts = [0, *(np.flatnonzero(alone) + 1).tolist(), len(self)]
        return list(itertools.pairwise(cuts))

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON-ready values; None where nothing was predicted."""
        listed = {field.name: getattr(self, field.name) for field in fields(self)}
        derived = {name: getattr(self, name) for name in ("prepend_bos", "perplexity", "bits_per_byte")}
        ready: dict[str, Any] = export.json_ready({**listed, **derived})
        return ready

    def to_csv(self) -> str:
        """One line per token. Tokens are JSON string literals (see `engine.export.csv_text`)."""
        columns = {
            "index": range(len(self)),
            "start": self.spans[:, 0],
            "end": self.spans[:, 1],
            "token_id": self.token_ids,
            "token": self.tokens,
            "log_prob_nats": self.log_probs,
            "probability": self.probabilities,
            "surprisal_bits": self.surprisals_bits,
            "rank": [rank or float("nan") for rank in self.ranks.tolist()],
            "ties": self.ties,
            "entropy_nats": self.entropies,
            "top1_ratio": self.top1_ratio,
        }
        for place in range(self.top_ids.shape[1]):
            columns[f"top{place + 1}_token"] = [names[place] for names in self.top_tokens]
            columns[f"top{place + 1}_log_prob_nats"] = self.top_log_probs[:, place]
        return export.csv_text(columns)

    def _repr_html_(self) -> str:
        return page.notebook_frame(page.scores_html(self))


@dataclass(frozen=True, eq=False)
class ModelComparison:
    """Two models' readings of one text, aligned: m common spans, and n tokens if both share a vocabulary.

    Attributes
    ----------
    a, b : the two readings
    spans : (m, 2) int64, characters. With one vocabulary these are the tokens (m = n); otherwise the finest spans whose
        borders both tokenizers have.
    ranges_a, ranges_b : (m, 2) int64: the tokens (start, stop) of a and of b that make up each span
    log_probs_a, log_probs_b : (m,) float64, nats: summed over each span; NaN where either model predicted only part of
        it or nothing
    pearson, spearman : correlations of the two over spans that both predict; NaN if a side is constant or there are
        fewer than 2
    share_above, share_below : share of those spans that b, or a, gives the higher log-probability; equal ones count in
        neither
    shared_vocabulary : whether both models read the same tokens, under the same ids
    kl_undefined_reason : one sentence for people if the next fields are None, else None
    kl_ab, kl_ba, js : (n,) float64, nats: D(a||b), D(b||a) >= 0 and Jensen-Shannon in [0, ln 2], over the whole
        vocabulary, or over the common tokens if `common_tokens` is a number. D(a||b) is infinite if b rules out (by a
        logit of -inf) a token that a allows.
    same_top1 : (n,) float64 in [0, 1]: how far both have the same most probable token; 0 where unpredicted. Logits of
        low precision tie, so it is |A ∩ B| / |A ∪ B| of the sets of tokens tied for the maximum: 1 for equal sets, 1/2
        if one model ties two of which the other has one, 0 if they share none.
    changed_ids, changed_log_probs_a, changed_log_probs_b : (n, c): the tokens whose probability differs most between
        the models, largest |p_a - p_b| first; -1 and NaN where unpredicted
    changed_tokens : n tuples of c strings; empty strings where unpredicted
    common_tokens : number of tokens that the divergences are over, each distribution made to sum to one there; None for
        all
    outside_a, outside_b : (n,) float64 in [0, 1]: probability that each model gives to all other tokens together; None
        likewise
    """

    a: TextScores
    b: TextScores
    spans: Ints
    ranges_a: Ints
    ranges_b: Ints
    log_probs_a: Floats
    log_probs_b: Floats
    pearson: float
    spearman: float
    share_above: float
    share_below: float
    shared_vocabulary: bool
    kl_undefined_reason: str | None
    kl_ab: Floats | None = None
    kl_ba: Floats | None = None
    js: Floats | None = None
    same_top1: Floats | None = None
    changed_ids: Ints | None = None
    changed_tokens: tuple[tuple[str, ...], ...] | None = None
    changed_log_probs_a: Floats | None = None
    changed_log_probs_b: Floats | None = None
    common_tokens: int | None = None
    outside_a: Floats | None = None
    outside_b: Floats | None = None

    def __post_init__(self) -> None:
        m, n = len(self.spans), len(self.a)
        pairs = dict.fromkeys(("spans", "ranges_a", "ranges_b"), (m, 2))
        _check(self, {**pairs, "log_probs_a": (m,), "log_probs_b": (m,)})
        _check(self, dict.fromkeys(("kl_ab", "kl_ba", "js", "same_top1", "outside_a", "outside_b"), (n,)))
        if self.changed_ids is not None:
            c = self.changed_ids.shape[-1]
            _check(self, dict.fromkeys(("changed_ids", "changed_log_probs_a", "changed_log_probs_b"), (n, c)))
        if (self.kl_ab is None) != (self.kl_undefined_reason is not None):
            raise ValueError("a comparison has either KL or the reason why it has none")

    @property
    def differences(self) -> Floats:
        """(m,) log p_b - log p_a in nats: above 0 where b predicts better."""
        return self.log_probs_b - self.log_probs_a

    @property
    def kl_basis(self) -> str | None:
        """What the divergences are over, for a person, if that is not the whole vocabulary."""
        if self.common_tokens is None or self.outside_a is None or self.outside_b is None:
            return None
        return basis_of_kl(self.common_tokens, [float(np.nanmean(side)) for side in (self.outside_a, self.outside_b)])

    @property
    def n_predicted(self) -> int:
        """Number of spans that both models predict."""
        return int(np.isfinite(self.differences).sum())

    def span_texts(self) -> list[str]:
        """Text of each span."""
        return [self.a.text[start:stop] for start, stop in self.spans.tolist()]

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON-ready values, `a` and `b` as `TextScores.to_dict` gives them."""
        listed = {field.name: getattr(self, field.name) for field in fields(self)}
        ready: dict[str, Any] = export.json_ready({**listed, "a": self.a.to_dict(), "b": self.b.to_dict()})
        return ready

    def to_csv(self) -> str:
        """One line per span; with a shared vocabulary the divergences too. Texts are JSON string literals."""
        columns: dict[str, Any] = {
            "start": self.spans[:, 0],
            "end": self.spans[:, 1],
            "text": self.span_texts(),
            "log_prob_a_nats": self.log_probs_a,
            "log_prob_b_nats": self.log_probs_b,
            "difference_nats": self.differences,
            "kl_ab_nats": self.kl_ab,
            "kl_ba_nats": self.kl_ba,
            "js_nats": self.js,
            "same_top1": self.same_top1,
        }
        return export.csv_text({name: column for name, column in columns.items() if column is not None})


def octets(text: str) -> Ints:
    """UTF-8 bytes (len(text),) of each character.

    Examples
    --------
    >>> octets("aé🙂").tolist()
    [1, 2, 4]
    """
    codes = np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)
    found: Ints = (1 + (codes > 0x7F) + (codes > 0x7FF) + (codes > 0xFFFF)).astype(np.int64)
    return found


def basis_of_kl(common_tokens: int, outside: Iterable[float]) -> str:
    """What a KL over common tokens is over, for a person; `outside` is the mean probability each model has elsewhere.

    Examples
    --------
    >>> basis_of_kl(151_643, (0.0002, 0.0001))
    'the 151,643 common tokens (probability outside: 0.0002 / 0.0001)'
    """
    masses = " / ".join(f"{mass:.2g}" for mass in outside)
    return f"the {common_tokens:,} common tokens (probability outside: {masses})"
