"""How a model reads a text: each token's log-probability, rank, entropy and the most probable alternatives.

The transformer runs once over each window, in pieces; its hidden states go through the head in chunks of positions
(`engine.scoring.head`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from engine import steps
from engine.arrays import Ints
from engine.errors import ParameterError, TextError, UnsupportedModelError
from engine.models import opening
from engine.models.loaded import ScoringModel
from engine.models.opening import Bos
from engine.scoring import head
from engine.scoring.results import TextScores
from engine.steps import Progress, Steps
from engine.text import windows
from engine.text.tokens import Encoding

_PIECE = 1_024
"""Tokens that the transformer reads between two steps: about a second for a small model on a processor."""

_Pieces = Iterator[tuple[torch.Tensor, torch.Tensor]]
"""Hidden states (C, width) and the (C,) token ids they predict, piece by piece."""


@dataclass(frozen=True, slots=True)
class ReadingSettings:
    """How a text is read. Fields as the parameters of `score_text_steps`."""

    top_k: int = 10
    bos: Bos = "auto"
    window: int | None = None
    stride: int | None = None
    special_tokens: bool = False


@dataclass(frozen=True, eq=False)
class Reading:
    """A text made ready for a model: its tokens, what stands in front of them, and the windows they are read in."""

    encoding: Encoding
    settings: ReadingSettings
    opening_ids: tuple[int, ...]
    plan: windows.WindowPlan
    windows: tuple[windows.Window, ...]

    @property
    def n(self) -> int:
        """Tokens of the text."""
        return len(self.encoding)

    @property
    def n_blank(self) -> int:
        """Tokens at the start that nothing predicts: one, unless an opening token stands in front of it."""
        return 0 if self.plan.predicts_first else 1


def score_text_steps(
    model: ScoringModel,
    text: str,
    *,
    top_k: int = 10,
    bos: Bos = "auto",
    window: int | None = None,
    stride: int | None = None,
    special_tokens: bool = False,
    prepend_bos: bool | None = None,
    encoding: Encoding | None = None,
) -> Steps[TextScores]:
    """Score `text` token by token.

    Parameters
    ----------
    model : the model; it is not changed
    text : any text
    top_k : most probable alternatives to keep at each position, 0..V
    bos : what stands in front of every window. 'auto': what the model's own tokenizer puts there, which for GPT-2 and
        SmolLM2 is nothing. 'on': its opening token in any case, so that the first token is predicted too. 'off':
        nothing.
    window, stride : tokens read at once and tokens moved on between windows, for texts that do not fit; by default the
        context length and half of the window. See `engine.text.windows`.
    special_tokens : whether text that spells a special token ("<|endoftext|>") is read as that token rather than as
        plain text
    prepend_bos : an older way to say `bos`: True is 'on', False is 'off'
    encoding : the text's tokens, if another model's tokenizer has cut it already; by default the model's own does

    Returns
    -------
    TextScores
        n rows for n tokens; without an opening token the first is NaN, so that a text of one token has no perplexity.

    Raises
    ------
    TextError
        The text is empty or holds lone surrogates.
    ParameterError
        A setting is out of range, or the model has no opening token to put in front.
    UnsupportedModelError
        The model's outputs do not fit its tokenizer, or are not numbers.
    """
    settings = ReadingSettings(top_k, opening.choice(bos, prepend_bos), window, stride, special_tokens)
    return (yield from scored_steps(model, text, settings, encoding))


score_text = steps.blocking(score_text_steps)


def scored_steps(
    model: ScoringModel, text: str, settings: ReadingSettings, encoding: Encoding | None = None
) -> Steps[TextScores]:
    """`score_text_steps` for settings that are together already."""
    yield Progress(f"Reading the text with {model.title}", unit="tokens")
    readings = prepare((model,), text, settings, encoding)
    reader = head.Reader(settings.top_k)
    message = f"Scoring with {model.title}"
    yield from walk_steps((model,), readings, message, lambda logits, targets: reader.read(logits[0], targets))
    return text_scores(model, text, readings[0], reader.predictions)


def walk_steps(
    models: Sequence[ScoringModel], readings: Sequence[Reading], message: str, take: head.TakeTile
) -> Steps[None]:
    """Models in step over the same tokens, window by window: `take` gets the logits, tile by tile."""
    widest = max(model.vocab_size for model in models)
    for part in readings[0].windows:
        done = part.first
        streams = [hidden_and_targets(model, own, part) for model, own in zip(models, readings, strict=True)]
        for hidden, targets in _together(*streams):
            for chunk in head.chunks(widest, hidden[0]):
                head.read_chunk(models, [own[chunk] for own in hidden], targets[chunk], take)
                yield Progress(message, done + chunk.stop, readings[0].n, "tokens")
            done += len(targets)


def prepare(
    models: Sequence[ScoringModel], text: str, settings: ReadingSettings, encoding: Encoding | None = None
) -> list[Reading]:
    """Check the settings, cut the text into tokens and these into windows. Errors as in `score_text_steps`.

    Several models share one vocabulary and walk the same windows, each with the opening it needs in front. The first
    token counts as predicted only if it is for all of them.
    """
    first = models[0]
    if encoding is None:
        encoding = first.tokenizer.encode(text, special_tokens=settings.special_tokens)
    openings = [_opening_of(model, encoding, settings) for model in models]
    plan = window_plan(models, openings, settings.window, settings.stride)
    for model in models:
        _check_fit(model, encoding, settings.top_k)
    parts = windows.rolling_windows(len(encoding), plan)
    return [Reading(encoding, settings, ids, plan, parts) for ids in openings]


def window_plan(
    models: Sequence[ScoringModel], openings: Sequence[tuple[int, ...]], window: int | None, stride: int | None
) -> windows.WindowPlan:
    """Windows that all models can read, with room for the longest of their openings."""
    return windows.plan(
        min(model.context_length for model in models),
        window,
        stride,
        opening=max(map(len, openings)),
        predicts_first=all(openings),
    )


def _opening_of(model: ScoringModel, encoding: Encoding, settings: ReadingSettings) -> tuple[int, ...]:
    """What stands in front of the text; nothing if the text spells it out itself and is read so."""
    ids = opening.opening_ids(model, settings.bos)
    spelt_out = settings.special_tokens and tuple(encoding.token_ids[: len(ids)].tolist()) == ids
    return () if spelt_out else ids


def _check_fit(model: ScoringModel, encoding: Encoding, top_k: int) -> None:
    if not 0 <= top_k <= model.vocab_size:
        raise ParameterError(f"top_k is {top_k:,}; it must be 0 to {model.vocab_size:,}, the size of the vocabulary.")
    if not len(encoding):
        raise TextError("The tokenizer finds no token in this text. Type or paste at least one word.")
    if int(encoding.token_ids.max()) >= model.vocab_size:
        raise UnsupportedModelError(
            f"{model.title} gives {model.vocab_size:,} logits, but its tokenizer gave the id "
            f"{int(encoding.token_ids.max()):,}. The two do not belong together."
        )


@torch.inference_mode()
def hidden_and_targets(model: ScoringModel, reading: Reading, part: windows.Window) -> _Pieces:
    """Run the transformer over one window: (C, width) hidden states and the (C,) token ids they predict, by pieces.

    This is the one place of the shift. For a window over tokens t0..t3 whose tokens from t1 on are wanted:

        read    [opening] t0  t1   t2   t3
        hidden      h    h0   h1   h2   h3
        predicts   t0    t1   t2   t3   (next)
                         '----.----'
                         kept: h0 h1 h2 for t1 t2 t3

    C is 0 for a piece that only gives context to the next ones.
    """
    ids = torch.from_numpy(reading.encoding.token_ids[part.start : part.stop].copy())
    if reading.opening_ids:
        ids = torch.cat([torch.tensor(reading.opening_ids), ids])
    first, last = len(ids) - 1 - (part.stop - part.first), len(ids) - 1
    start = 0
    for hidden in model.hidden_pieces(ids, _PIECE):
        stop = start + len(hidden)
        kept = slice(max(first, start), max(first, start, min(last, stop)))
        yield hidden[kept.start - start : kept.stop - start], ids[kept.start + 1 : kept.stop + 1].to(hidden.device)
        start = stop


def _together(first: _Pieces, *others: _Pieces) -> Iterator[tuple[list[torch.Tensor], torch.Tensor]]:
    """Hidden states of several models for the same tokens, and these. Openings of unlike length shift the pieces."""
    held = [torch.empty(0) for _ in others]
    for hidden, targets in first:
        while len(targets):
            for place, pieces in enumerate(others):
                while not len(held[place]):
                    held[place], _ = next(pieces)
            length = min([len(targets), *map(len, held)])
            yield [own[:length] for own in (hidden, *held)], targets[:length]
            hidden, targets, held = hidden[length:], targets[length:], [own[length:] for own in held]


def text_scores(model: ScoringModel, text: str, reading: Reading, predictions: list[head.Predictions]) -> TextScores:
    """Put the predictions of all chunks, which are in the order of the text, into one result on the CPU.

    Raises
    ------
    UnsupportedModelError
        If a log-probability is not a number.
    """
    numbers = columns(reading, predictions, {"log_probs": np.nan, "ranks": 0, "ties": 0, "entropies": np.nan})
    if np.isnan(numbers["log_probs"][reading.n_blank :]).any():
        raise UnsupportedModelError(
            f"{model.title} gave outputs that are not numbers for this text. Load it in float32, or take another model."
        )
    top = columns(reading, predictions, {"top_ids": -1, "top_log_probs": np.nan}, reading.settings.top_k)
    return TextScores(
        text=text,
        model_key=model.key,
        model_title=model.title,
        token_ids=reading.encoding.token_ids,
        tokens=tuple(model.tokenizer.token_texts(reading.encoding.token_ids)),
        spans=reading.encoding.spans,
        **numbers,
        **top,
        top_tokens=token_table(model, top["top_ids"]),
        window=reading.plan.window,
        stride=reading.plan.stride,
        bos=reading.settings.bos,
        opening_ids=reading.opening_ids,
        opening_tokens=tuple(model.tokenizer.token_texts(reading.opening_ids)),
        special_tokens=reading.settings.special_tokens,
    )


def columns(reading: Reading, parts: Sequence[object], blanks: dict[str, float], *width: int) -> dict[str, Any]:
    """Arrays (n, *width) on the CPU of fields of all parts, which are in the order of the text.

    `blanks` names the fields, each with what stands for it where nothing was predicted: an int makes them int64.
    """
    found = {name: np.full((reading.n, *width), blank) for name, blank in blanks.items()}
    for name, column in found.items():
        if parts:
            column[reading.n_blank :] = torch.cat([getattr(part, name) for part in parts]).cpu().numpy()
    return found


def token_table(model: ScoringModel, ids: Ints) -> tuple[tuple[str, ...], ...]:
    """Strings for (n, k) ids; empty ones for -1."""
    flat = np.array(["", *model.tokenizer.token_texts(ids[ids >= 0])], dtype=object)
    places = np.where(ids.ravel() >= 0, np.cumsum(ids.ravel() >= 0), 0)
    return tuple(map(tuple, flat[places].reshape(ids.shape).tolist()))
