"""One prediction of a model as a distribution over its whole vocabulary, and two of them side by side."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy import special

from engine import measures
from engine.arrays import Floats, Ints
from engine.errors import ComparisonError, ParameterError, TextError
from engine.measures.checks import check_count, check_positive
from engine.models.loaded import ScoringModel
from engine.steps import Progress, Steps

MOST_CONTEXT = 256
"""Tokens read before the prediction: the lab is for short texts, and each move of the position reads them anew."""
LISTED = 32


@dataclass(frozen=True, eq=False)
class NextToken:
    """What a model expects after the first `position` tokens of a text.

    `log_probs` (V,) in nats; `listed` holds the most probable ids with their display texts; `actual_id` is the token
    that follows in the text, None at its end.
    """

    model_key: str
    model_title: str
    vocabulary_id: str
    tokens: tuple[str, ...]
    position: int
    log_probs: Floats
    listed: dict[int, str]
    actual_id: int | None


@dataclass(frozen=True, eq=False)
class SharedBars:
    """Two predictions over one vocabulary, reduced to bars: some tokens and everything else together.

    p, q (k + 1,), the last entry is the rest. Divergences and the entropy are over the whole vocabulary, in nats; over
    the bars alone a divergence is never larger: lumping outcomes only loses information.
    """

    labels: tuple[str, ...]
    p: Floats
    q: Floats
    kl_pq: float
    kl_qp: float
    js: float
    entropy_p: float


def next_token_steps(model: ScoringModel, text: str, position: int | None = None) -> Steps[NextToken]:
    """What `model` expects after the first `position` tokens of `text`; None reads to its end, or to the limit.

    Raises
    ------
    TextError
        If the text is empty, or the tokenizer finds no token in it.
    ParameterError
        If the position lies outside the text, or beyond what is read here.
    """
    ids = model.tokenizer.encode(text).token_ids
    if not ids.size:
        raise TextError("The tokenizer finds no token in this text. Type at least one word.")
    limit = min(MOST_CONTEXT, model.context_length)
    last = min(int(ids.size), limit)
    position = last if position is None else position
    if not 1 <= position <= last:
        raise ParameterError(f"Position {position} is outside; this text can be cut after token 1 to {last}.")
    yield Progress(f"Reading with {model.title}", 0, 1, "texts")
    with torch.inference_mode():
        hidden = model.hidden_states(torch.from_numpy(ids[:position]).unsqueeze(0))
        logits = model.logits(hidden[0, -1]).double()
        log_probs = torch.log_softmax(logits, dim=-1).cpu().numpy()
    actual = int(ids[position]) if position < ids.size else None
    listed = top_ids(log_probs, LISTED).tolist() + ([actual] if actual is not None else [])
    return NextToken(
        model_key=model.key,
        model_title=model.title,
        vocabulary_id=model.tokenizer.vocabulary_id,
        tokens=tuple(model.tokenizer.token_texts(ids[:limit])),
        position=position,
        log_probs=log_probs,
        listed=dict(zip(listed, model.tokenizer.token_texts(np.array(listed, dtype=np.int64)), strict=True)),
        actual_id=actual,
    )


def next_token_pair_steps(
    a: ScoringModel, b: ScoringModel, text: str, position: int | None = None
) -> Steps[tuple[NextToken, NextToken]]:
    """What two models of one vocabulary expect at the same place; else a `ComparisonError`."""
    _refuse_unlike(a.title, b.title, a.tokenizer.vocabulary_id == b.tokenizer.vocabulary_id)
    first = yield from next_token_steps(a, text, position)
    second = yield from next_token_steps(b, text, first.position)
    return first, second


def top_ids(log_probs: Floats, count: int) -> Ints:
    """Ids of the `count` most probable tokens of (V,), best first."""
    best = np.argpartition(-log_probs, min(count, log_probs.size - 1))[:count]
    return best[np.argsort(-log_probs[best], kind="stable")].astype(np.int64)


def shared_bars(a: NextToken, b: NextToken, shown: int = 7) -> SharedBars:
    """The `shown` tokens that A or B expects most, and the rest, under both; divergences over the whole vocabulary.

    Raises
    ------
    ComparisonError
        If the two do not share a vocabulary: no token then means the same under both.
    """
    alike = a.vocabulary_id == b.vocabulary_id and a.log_probs.size == b.log_probs.size
    _refuse_unlike(a.model_title, b.model_title, alike)
    check_count(shown, "The number of bars", 1, LISTED)
    names = {**b.listed, **a.listed}
    larger = np.maximum(a.log_probs, b.log_probs)
    chosen = [token for token in top_ids(larger, LISTED).tolist() if token in names][:shown]
    return SharedBars(
        labels=(*(names[token] for token in chosen), "all others"),
        p=_lumped(a.log_probs, chosen),
        q=_lumped(b.log_probs, chosen),
        kl_pq=float(measures.kl_divergence_of_logs(a.log_probs, b.log_probs)),
        kl_qp=float(measures.kl_divergence_of_logs(b.log_probs, a.log_probs)),
        js=float(measures.js_divergence(np.exp(a.log_probs), np.exp(b.log_probs))),
        entropy_p=float(measures.entropy(np.exp(a.log_probs))),
    )


def at_temperature(prediction: NextToken, temperature: float) -> NextToken:
    """The same prediction with its logits divided by `temperature`; log-probabilities do as well as logits."""
    scaled = prediction.log_probs / check_positive(temperature, "The temperature")
    return replace(prediction, log_probs=special.log_softmax(scaled))


def _refuse_unlike(title_a: str, title_b: str, alike: bool) -> None:
    if not alike:
        raise ComparisonError(
            f"{title_a} and {title_b} cut text into different tokens, so KL between their predictions is not defined. "
            "Choose two models of one family."
        )


def _lumped(log_probs: Floats, chosen: Sequence[int]) -> Floats:
    kept = np.exp(log_probs[list(chosen)])
    return np.append(kept, np.delete(np.exp(log_probs), list(chosen)).sum())
