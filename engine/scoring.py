"""How a model reads a text: each token's log-probability, rank, entropy and the most probable alternatives.

The transformer runs once over each window, in pieces; its hidden states go through the head in chunks (`engine.head`).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from engine import head, steps, windows
from engine.errors import ParameterError, TextError, UnsupportedModelError
from engine.model import ScoringModel
from engine.results import TextScores
from engine.steps import Progress, Steps
from engine.tokens import Encoding, IntArray

_PIECE = 1_024
"""Tokens that the transformer reads between two steps: about a second for a small model on a processor."""


@dataclass(frozen=True, eq=False)
class Reading:
    """A text made ready for a model: its tokens and the windows they are read in."""

    encoding: Encoding
    plan: windows.WindowPlan
    windows: tuple[windows.Window, ...]
    top_k: int

    @property
    def n(self) -> int:
        """Tokens of the text."""
        return len(self.encoding)

    @property
    def n_blank(self) -> int:
        """Tokens at the start that nothing predicts: one, unless a BOS token stands in front of it."""
        return 0 if self.plan.bos else 1


def score_text(
    model: ScoringModel,
    text: str,
    *,
    top_k: int = 10,
    prepend_bos: bool = False,
    window: int | None = None,
    stride: int | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> TextScores:
    """Score `text` token by token. Parameters, result and errors as in `score_text_steps`.

    on_progress
        Called with a `Progress` after each chunk.
    """
    work = score_text_steps(model, text, top_k=top_k, prepend_bos=prepend_bos, window=window, stride=stride)
    return steps.run(work, on_progress)


def score_text_steps(
    model: ScoringModel,
    text: str,
    *,
    top_k: int = 10,
    prepend_bos: bool = False,
    window: int | None = None,
    stride: int | None = None,
    encoding: Encoding | None = None,
) -> Steps[TextScores]:
    """Score `text` token by token, yielding a `Progress` after each chunk of positions.

    Parameters
    ----------
    model
        The model; it is not changed.
    text
        Any text. What spells a special token in it is read as plain text.
    top_k
        Most probable alternatives to keep at each position, 0..V.
    prepend_bos
        Whether to put the model's BOS token in front of every window, so that the first token is predicted too.
    window, stride
        Tokens read at once and tokens moved on between windows, for texts that do not fit; by default the context
        length and half of the window. See `engine.windows`.
    encoding
        The text's tokens, where another model's tokenizer has cut it already; by default the model's own does.

    Returns
    -------
    TextScores
        n rows for n tokens; without a BOS token the first is NaN, so that a text of one token has no perplexity.

    Raises
    ------
    TextError
        Where the text is empty or holds lone surrogates.
    ParameterError
        Where a setting is out of range, or the model has no BOS token to put in front.
    UnsupportedModelError
        Where the model's outputs do not fit its tokenizer, or are not numbers.
    """
    yield Progress(f"Reading the text with {model.title}", unit="tokens")
    message = f"Scoring with {model.title}"
    reading = prepare(
        model, text, top_k=top_k, prepend_bos=prepend_bos, window=window, stride=stride, encoding=encoding
    )
    readings: list[head.Readings] = []
    for part in reading.windows:
        done, workspace = part.first, None
        for hidden, targets in hidden_and_targets(model, reading, part):
            workspace = workspace or head.Workspace(model.vocab_size, hidden.device)
            for chunk in head.chunks(model.vocab_size, hidden):
                readings += head.read_chunk(model, hidden[chunk], targets[chunk], top_k, workspace)
                yield Progress(message, done + chunk.stop, reading.n, "tokens")
            done += len(targets)
    return text_scores(model, text, reading, readings)


def prepare(
    model: ScoringModel,
    text: str,
    *,
    top_k: int,
    prepend_bos: bool,
    window: int | None,
    stride: int | None,
    encoding: Encoding | None = None,
) -> Reading:
    """Check the settings, cut the text into tokens and these into windows. Errors as in `score_text_steps`."""
    if not 0 <= top_k <= model.vocab_size:
        raise ParameterError(f"top_k is {top_k:,}; it must be 0 to {model.vocab_size:,}, the size of the vocabulary.")
    if prepend_bos and model.bos_id is None:
        raise ParameterError(f"{model.title} has no token that opens a text. Turn the BOS token off.")
    plan = windows.plan(model.context_length, window, stride, bos=prepend_bos)
    encoding = model.tokenizer.encode(text) if encoding is None else encoding
    if not len(encoding):
        raise TextError("The tokenizer finds no token in this text. Type or paste at least one word.")
    if int(encoding.token_ids.max()) >= model.vocab_size:
        raise UnsupportedModelError(
            f"{model.title} gives {model.vocab_size:,} logits, but its tokenizer gave the id "
            f"{int(encoding.token_ids.max()):,}. The two do not belong together."
        )
    parts = windows.rolling_windows(len(encoding), plan.window, plan.stride, bos=prepend_bos)
    return Reading(encoding, plan, parts, top_k)


@torch.inference_mode()
def hidden_and_targets(
    model: ScoringModel, reading: Reading, part: windows.Window
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Run the transformer over one window: (C, width) hidden states and the (C,) token ids they predict, by pieces.

    This is the one place of the shift. For a window over tokens t0..t3 whose tokens from t1 on are wanted:

        read      [BOS]  t0   t1   t2   t3
        hidden      h    h0   h1   h2   h3
        predicts   t0    t1   t2   t3   (next)
                         '----.----'
                         kept: h0 h1 h2 for t1 t2 t3

    C is 0 for a piece that only gives context to the next ones.
    """
    ids = torch.from_numpy(reading.encoding.token_ids[part.start : part.stop].copy())
    if reading.plan.bos:
        ids = torch.cat([torch.tensor([model.bos_id]), ids])
    first, last = len(ids) - 1 - (part.stop - part.first), len(ids) - 1
    start = 0
    for hidden in model.hidden_pieces(ids, _PIECE):
        stop = start + len(hidden)
        kept = slice(max(first, start), max(first, start, min(last, stop)))
        yield hidden[kept.start - start : kept.stop - start], ids[kept.start + 1 : kept.stop + 1].to(hidden.device)
        start = stop


def text_scores(model: ScoringModel, text: str, reading: Reading, readings: list[head.Readings]) -> TextScores:
    """Put the readings of all chunks, which are in the order of the text, into one result on the CPU.

    Raises
    ------
    UnsupportedModelError
        Where a log-probability is not a number.
    """
    log_probs = column(reading, readings, "log_probs", np.nan, np.float64)
    if np.isnan(log_probs[reading.n_blank :]).any():
        raise UnsupportedModelError(
            f"{model.title} gave outputs that are not numbers for this text. Load it in float32, or take another model."
        )
    top_ids = column(reading, readings, "top_ids", -1, np.int64, reading.top_k)
    return TextScores(
        text=text,
        model_key=model.key,
        model_title=model.title,
        token_ids=reading.encoding.token_ids,
        tokens=tuple(model.tokenizer.token_texts(reading.encoding.token_ids)),
        spans=reading.encoding.spans,
        log_probs=log_probs,
        ranks=column(reading, readings, "ranks", 0, np.int64),
        entropies=column(reading, readings, "entropies", np.nan, np.float64),
        top_ids=top_ids,
        top_log_probs=column(reading, readings, "top_log_probs", np.nan, np.float64, reading.top_k),
        top_tokens=token_table(model, top_ids),
        window=reading.plan.window,
        stride=reading.plan.stride,
        prepend_bos=reading.plan.bos,
    )


def column(
    reading: Reading, parts: Sequence[object], name: str, blank: float, dtype: type, *width: int
) -> npt.NDArray[Any]:
    """Array (n, *width) on the CPU of the field `name` of all parts, which are in the order of the text."""
    out: npt.NDArray[Any] = np.full((reading.n, *width), blank, dtype=dtype)
    if parts:
        out[reading.n_blank :] = torch.cat([getattr(part, name) for part in parts]).cpu().numpy()
    return out


def token_table(model: ScoringModel, ids: IntArray) -> tuple[tuple[str, ...], ...]:
    """Strings for (n, k) ids; empty ones for -1."""
    flat = np.array(["", *model.tokenizer.token_texts(ids[ids >= 0])], dtype=object)
    places = np.where(ids.ravel() >= 0, np.cumsum(ids.ravel() >= 0), 0)
    return tuple(map(tuple, flat[places].reshape(ids.shape).tolist()))
