"""Peak memory of the corpus divergence, by length of the text: it should not grow.

The embedded model in bfloat16 against itself on one long text in windows of 1,024 tokens. Memory is the peak of a fresh
process over what it held once the models were loaded and one window had run. Linux only, as the kernel counts it.
"""

from argparse import Namespace
from typing import Any

from benchmarks import common
from engine.evaluation.divergence import evaluate
from engine.models.loading import load_model
from engine.models.registry import DEFAULT_MODEL

LEAST_TOKENS = 1100
"""More than one window, so that what the first windows leave allocated is not counted as growth."""


def extra_bytes(tokens: int) -> int:
    model = load_model(DEFAULT_MODEL, "bfloat16", "cpu")
    text, first = (common.own_text("corpus", model, length) for length in (tokens, LEAST_TOKENS))
    evaluate.corpus_divergence(model, model, [first])
    return common.peak_extra_bytes(lambda: evaluate.corpus_divergence(model, model, [text]))


def measure(chosen: Namespace) -> dict[str, Any]:
    peaks = {tokens: common.in_fresh_process(extra_bytes, tokens) for tokens in chosen.tokens}
    return {"peak_extra_megabytes": {f"{tokens:,} tokens": peak / 1e6 for tokens, peak in peaks.items()}}


if __name__ == "__main__":
    common.run("divergence_memory", __doc__, measure, tokens=([1500, 6000], [1200], "lengths of the text"))
