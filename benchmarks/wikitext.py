"""WikiText-2 perplexity of the embedded model by two window rules, with tokens per second.

Reads wikitext2_test.txt.bz2 (the tokenised form, with <unk> and @-@, as the file has it).
- rolling: windows of 1,024 tokens moved on by 512; every token is predicted once with at least 512 tokens before it,
  but for the text's first 1,024.
- chunks: disjoint windows of 1,024 tokens, each predicted from its own beginning, the common quick rule; its perplexity
  is higher, since tokens at a chunk's beginning have little before them.
"""

from argparse import Namespace
from collections.abc import Iterator
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks import common
from engine import steps
from engine.evaluation.estimates import mean
from engine.evaluation.statistics import scaled_exp
from engine.models.loaded import LoadedModel
from engine.models.loading import load_model
from engine.models.registry import DEFAULT_MODEL
from engine.scoring import score

WINDOW, STRIDE = 1024, 512


def rolling(model: LoadedModel, text: str) -> np.ndarray:
    """(n - 1,) log-probabilities in rolling windows."""
    result = steps.run(score.score_text_steps(model, text, top_k=0, window=WINDOW, stride=STRIDE), common.show)
    return result.log_probs[result.predicted]


def chunks(model: LoadedModel, text: str) -> np.ndarray:
    """Log-probabilities in disjoint windows; the first token of each is not predicted."""
    return np.concatenate([rolling(model, part) for part in pieces(model, text)])


def pieces(model: LoadedModel, text: str) -> Iterator[str]:
    spans = model.tokenizer.encode(text).spans
    for start in range(0, len(spans), WINDOW):
        part = spans[start : start + WINDOW]
        if len(part) > 1:
            yield text[part[0, 0] : part[-1, 1]]


def measure(chosen: Namespace) -> dict[str, Any]:
    text = common.data("wikitext2_test.txt.bz2")
    model = load_model(DEFAULT_MODEL, chosen.precision)
    if chosen.tokens:
        text = common.beginning(text, model, chosen.tokens)
    found: dict[str, Any] = {"model": model.title, "window": WINDOW, "stride": STRIDE}
    for way in (rolling, chunks):
        begun = perf_counter()
        log_probs = way(model, text)
        seconds = perf_counter() - begun
        perplexity = scaled_exp(mean(-log_probs))
        found[way.__name__] = {
            "perplexity": perplexity.value,
            "error": perplexity.error,
            "predicted_tokens": log_probs.size,
            "tokens_per_second": log_probs.size / seconds,
        }
    return found


if __name__ == "__main__":
    tokens = (20_000, 2_000, "how much of the text; 0 for all")
    common.run("wikitext", __doc__, measure, tokens=tokens, precision=("auto", "auto", "of the model"))
