"""Whether two models speak over the same tokens: all of them, most of them, or other ones.

Sizes of one family often have one vocabulary but for padding (Qwen2.5 gives 151,936 logits at 0.5B and 152,064 at 7B
for the same 151,665 tokens), and a tuned copy often has a token or two added. Their distributions are then over
different sets, and a KL between them is not defined; over the tokens that both know, with both distributions made to
sum to one there, it is, and how much probability that leaves out can be said.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from engine.arrays import Ints
from engine.models.loaded import ScoringModel
from engine.text.tokens import TextTokenizer

MOST_OUTSIDE = 0.01
"""Largest mean probability outside the common tokens at which a KL over them is still given as one of these models."""
SIDES = ("outside_a", "outside_b")


@dataclass(frozen=True, eq=False)
class CommonVocabulary:
    """What two models' vocabularies have in common.

    Attributes
    ----------
    ids : (c,) int64, ascending: the ids under which both tokenizers know the same token and both networks have a logit
    whole : whether both networks give logits for the same set, so that nothing is left out
    """

    ids: Ints
    whole: bool


def shared(
    a: ScoringModel, b: ScoringModel, text: str | None, *, special_tokens: bool = False
) -> CommonVocabulary | None:
    """What the vocabularies of two models have in common; None if they do not read a text as the same tokens.

    Parameters
    ----------
    a, b : the two models
    text : if only most of the vocabulary is common, both tokenizers have to cut this text alike; None if it is known
        that they do
    special_tokens : as in `engine.scoring.score.score_text_steps`
    """
    ids = _common_ids(a.tokenizer, b.tokenizer)
    if ids is None:
        return None
    same = a.tokenizer.vocabulary_id == b.tokenizer.vocabulary_id
    if not same and text is not None:
        cut_a, cut_b = (model.tokenizer.encode(text, special_tokens=special_tokens) for model in (a, b))
        if not np.array_equal(cut_a.token_ids, cut_b.token_ids):
            return None
    return CommonVocabulary(ids[ids < min(a.vocab_size, b.vocab_size)], same and a.vocab_size == b.vocab_size)


@lru_cache(maxsize=4)
def _common_ids(a: TextTokenizer, b: TextTokenizer) -> Ints | None:
    """Ids (c,) that both tokenizers know, ascending; None if one of them means another token in each."""
    tokens_a, tokens_b = ({index: token for token, index in one.backend.get_vocab().items()} for one in (a, b))
    both = tokens_a.keys() & tokens_b.keys()
    if not both or any(tokens_a[index] != tokens_b[index] for index in both):
        return None
    return np.array(sorted(both), dtype=np.int64)


def reason(a: ScoringModel, b: ScoringModel, vocabulary: CommonVocabulary | None) -> str:
    """Why there is no KL between two models, and what there is instead; `vocabulary` is what `shared` found."""
    if vocabulary is None:
        return (
            f"{a.title} and {b.title} have different vocabularies, so that there is no token-by-token KL between them."
        )
    sizes = f"{a.vocab_size:,} and {b.vocab_size:,} logits"
    if a.vocab_size == b.vocab_size:
        sizes = "a few tokens of their own"
    return (
        f"{a.title} and {b.title} share {len(vocabulary.ids):,} tokens but have {sizes}, so that their distributions "
        "are over different sets. Ask for the KL over the common tokens to compare them there."
    )


def too_much_outside(columns: Mapping[str, Any]) -> str | None:
    """Why a KL over the common tokens is not given after all; None if it is, or is over the whole vocabulary."""
    if "common_tokens" not in columns:
        return None
    means = [float(np.nanmean(side)) if np.isfinite(side).any() else 0.0 for side in map(columns.__getitem__, SIDES)]
    if max(means) <= MOST_OUTSIDE:
        return None
    return (
        f"{means[0]:.2g} and {means[1]:.2g} of the two models' probability lie outside the "
        f"{columns['common_tokens']:,} tokens they share; above {MOST_OUTSIDE} a KL over these would not be theirs."
    )
