"""Peak memory of the corpus divergence, by length of the text: it should not grow.

    python benchmarks/divergence_memory.py [--tokens 1500 6000]

The embedded model in bfloat16 against itself on one long text in windows of 1,024 tokens. Memory is the peak of a fresh
process over what it held once the models were loaded and one window had run. Linux only, as the kernel counts it.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import common
from engine.evaluation.divergence import evaluate
from engine.models import registry
from engine.models.loading import load_model

LEAST_TOKENS = 1100
"""More than one window, so that what the first windows leave allocated is not counted as growth."""


def extra_bytes(tokens: int) -> int:
    model = load_model(registry.DEFAULT_MODEL, precision="bfloat16", device="cpu")
    text = (common.ROOT / "assets" / "corpus" / "texts.txt").read_text(encoding="utf-8")
    while len(encoding := model.tokenizer.encode(text)) < tokens:
        text += "\n" + text
    spans = encoding.spans
    evaluate.corpus_divergence(model, model, [text[: spans[LEAST_TOKENS, 1]]])
    return common.peak_extra_bytes(
        lambda: evaluate.corpus_divergence(model, model, [text[: spans[tokens - 1, 1]]]),
    )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--tokens", type=int, nargs="+", default=[1500, 6000])
    options.add_argument("--one", type=int, help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.one:
        print(json.dumps(extra_bytes(chosen.one)))
        return
    found = {}
    for tokens in chosen.tokens:
        command = [sys.executable, __file__, "--one", str(tokens)]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        found[f"{tokens:,} tokens"] = round(json.loads(output.splitlines()[-1]) / 1e6, 1)
    common.write_results("divergence_memory", {"machine": common.machine(), "peak_extra_megabytes": found})


if __name__ == "__main__":
    main()
