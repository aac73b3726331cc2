"""Texts as points: the last hidden state of each text's last token, kept by model and text."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from engine.corpus.keeping import Keeper, NotKept
from engine.corpus.reading import digest
from engine.model import ScoringModel
from engine.steps import Progress, Steps, run

Features = npt.NDArray[np.float32]

MOST_TOKENS = 1024
"""mauve-text's own limit: of a longer text the beginning counts."""
BATCH_TOKENS = 2048
SHORT_TOKENS = 24
"""Texts whose median is below this say little to a feature of their last token."""


def text_features(model: ScoringModel, texts: Sequence[str]) -> Features:
    """Features (texts, width) of `texts`. See `text_features_steps`."""
    return run(text_features_steps(model, texts))


def text_features_steps(
    model: ScoringModel, texts: Sequence[str], *, keep: Keeper | None = None, what: str = "texts"
) -> Steps[Features]:
    """Features (texts, width) in float32: last hidden state, after the final norm, at the last token.

    The same as mauve-text's featuriser gives for GPT-2. Texts already featured by this model cost nothing; `what` names
    the set in the progress line.
    """
    keep = keep or NotKept()
    yield Progress(f"Looking up features of {what}", 0, len(texts), "texts")
    limit = min(MOST_TOKENS, model.context_length)
    digests = [digest([text]) for text in texts]
    key = f"{model.key} first {limit} tokens"
    known = keep.features(key, list(dict.fromkeys(digests)))
    missing = {name: text for name, text in zip(digests, texts, strict=True) if name not in known}
    encoded = {name: model.tokenizer.encode(text).token_ids[:limit] for name, text in missing.items()}
    for names in _batches({name: len(ids) for name, ids in encoded.items()}):
        vectors = _last_states(model, [encoded[name] for name in names])
        found = dict(zip(names, vectors, strict=True))
        keep.put_features(key, found)
        known.update(found)
        yield Progress(f"Reading {what} with {model.title}", len(known), len(set(digests)), "texts")
    return np.stack([known[name] for name in digests])


def _batches(lengths: dict[str, int]) -> list[list[str]]:
    """Names in batches of like length, at most `BATCH_TOKENS` with padding (or one text)."""
    found: list[list[str]] = []
    for name in sorted(lengths, key=lambda name: (-lengths[name], name)):
        if found and lengths[found[-1][0]] * (len(found[-1]) + 1) <= BATCH_TOKENS:
            found[-1].append(name)
        else:
            found.append([name])
    return found


@torch.inference_mode()
def _last_states(model: ScoringModel, encoded: Sequence[npt.NDArray[np.int64]]) -> Features:
    """(texts, width): padded on the right, where a causal model's earlier tokens do not see it."""
    lengths = torch.tensor([len(ids) for ids in encoded])
    token_ids = torch.zeros(len(encoded), int(lengths.max()), dtype=torch.int64)
    for row, ids in enumerate(encoded):
        token_ids[row, : len(ids)] = torch.from_numpy(ids)
    mask = (torch.arange(token_ids.shape[1]) < lengths[:, None]).long()
    hidden = model.hidden_states(token_ids, mask)
    rows = torch.arange(len(encoded), device=hidden.device)
    last: Features = hidden[rows, lengths.to(hidden.device) - 1].float().cpu().numpy()
    return last


def short_note(model: ScoringModel, texts: Sequence[str], what: str) -> tuple[str, ...]:
    """A note where half of the texts are shorter than `SHORT_TOKENS` tokens."""
    median = float(np.median([len(model.tokenizer.encode(text)) for text in texts]))
    if median >= SHORT_TOKENS:
        return ()
    return (f"Half of {what} have {median:.0f} tokens or fewer: MAUVE was made for texts of a hundred and more.",)
