"""WikiText-2 perplexity of the embedded model by two window rules, with tokens per second.

    python benchmarks/wikitext.py [--tokens 20000] [--precision bfloat16]

Reads ../shared/data/wikitext2_test.txt.bz2 (the tokenised form, with <unk> and @-@, as the file has it).
- rolling: windows of 1,024 tokens moved on by 512; every token is predicted once with at least 512 tokens before it,
  but for the text's first 1,024.
- chunks: disjoint windows of 1,024 tokens, each predicted from its own beginning, the common quick rule; its perplexity
  is higher, since tokens at a chunk's beginning have little before them.
"""

import argparse
import bz2
import sys
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from benchmarks import common
from engine import steps
from engine.evaluation.estimates import mean
from engine.evaluation.statistics import scaled_exp
from engine.models import registry
from engine.models.loaded import LoadedModel
from engine.models.loading import load_model
from engine.scoring import score
from engine.steps import Progress

DATA = common.ROOT.parent / "shared" / "data" / "wikitext2_test.txt.bz2"
WINDOW, STRIDE = 1024, 512


def rolling(model: LoadedModel, text: str) -> np.ndarray:
    """(n - 1,) log-probabilities in rolling windows."""
    result = steps.run(score.score_text_steps(model, text, top_k=0, window=WINDOW, stride=STRIDE), say)
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


def measured(name: str, model: LoadedModel, text: str) -> dict[str, Any]:
    print(f"{name} ...", file=sys.stderr)
    begun = perf_counter()
    log_probs = {"rolling": rolling, "chunks": chunks}[name](model, text)
    seconds = perf_counter() - begun
    perplexity = scaled_exp(mean(-log_probs))
    return {
        "perplexity": round(perplexity.value, 4),
        "error": round(perplexity.error, 4),
        "predicted_tokens": int(log_probs.size),
        "tokens_per_second": round(log_probs.size / seconds, 1),
    }


def say(progress: Progress) -> None:
    if progress.total and progress.total > WINDOW and progress.done % (8 * STRIDE) < 128:
        print(f"{progress.done:,} of {progress.total:,} tokens", file=sys.stderr)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--tokens", type=int, default=20_000, help="how much of the text; 0 for all")
    options.add_argument("--precision", default="auto")
    chosen = options.parse_args()
    if not DATA.exists():
        sys.exit(f"{DATA} is not here; this benchmark needs it.")
    model = load_model(registry.DEFAULT_MODEL, precision=chosen.precision)
    text = bz2.decompress(DATA.read_bytes()).decode()
    spans = model.tokenizer.encode(text).spans
    text = text[: spans[min(chosen.tokens or len(spans), len(spans)) - 1, 1]]
    results = {
        "machine": common.machine(),
        "model": model.title,
        "window": WINDOW,
        "stride": STRIDE,
        **{name: measured(name, model, text) for name in ("rolling", "chunks")},
    }
    common.write_results("wikitext", results)


if __name__ == "__main__":
    main()
