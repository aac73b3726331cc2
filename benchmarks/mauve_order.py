"""MAUVE's sanity order on real text, with the embedded model as writer and as reader.

    python benchmarks/mauve_order.py [--items 1000] [--new-tokens 32]

Reads ../shared/data/wikitext2_test.txt.bz2: its paragraphs, cut to an opening and as many tokens more, are the human
texts. Expected: one half of them against the other scores above human against the model's sampling at temperature 1,
and that above human against greedy continuations, each gap wider than its spread; where human texts with their tokens
shuffled fall is reported, and how much each set repeats itself. Generated texts and features are kept, so that a run
that was stopped goes on.
"""

import argparse
import bz2
import re
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from benchmarks import common
from engine import paths, steps
from engine.evaluation.mauve import generation, score
from engine.evaluation.mauve.features import text_features_steps
from engine.evaluation.mauve.generation import Sampling
from engine.evaluation.runs.batches import RunKeeper
from engine.evaluation.runs.planning import Plan
from engine.evaluation.runs.store import RunStore
from engine.models import registry
from engine.models.loaded import LoadedModel
from engine.models.loading import load_model
from engine.steps import Progress

DATA = common.ROOT.parent / "shared" / "data" / "wikitext2_test.txt.bz2"
OPENING = 12


def paragraphs(model: LoadedModel, count: int, new_tokens: int) -> list[tuple[str, str]]:
    """(opening, whole) of `count` pieces of running text, each OPENING + new_tokens tokens, none overlapping."""
    text = bz2.decompress(DATA.read_bytes()).decode()
    bodies = [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("=")]
    found, length = [], OPENING + new_tokens
    for body in bodies:
        body = re.sub(r" ([,.;:!?)])", r"\1", body.replace(" @-@ ", "-").replace(" @,@ ", ",").replace(" @.@ ", "."))
        spans = model.tokenizer.encode(body).spans
        for start in range(0, len(spans) - length + 1, length):
            first, opening, last = spans[start, 0], spans[start + OPENING - 1, 1], spans[start + length - 1, 1]
            found.append((body[first:opening].lstrip(), body[first:last].lstrip()))
    order = np.random.default_rng(0).permutation(len(found))[:count]
    return [found[index] for index in order]


def shuffled(model: LoadedModel, texts: list[str]) -> list[str]:
    """Each text with its tokens after the opening in another order."""
    generator = np.random.default_rng(1)
    mixed = []
    for text in texts:
        ids = model.tokenizer.encode(text).token_ids
        order = np.concatenate([ids[:OPENING], generator.permutation(ids[OPENING:])])
        mixed.append(model.tokenizer.backend.decode(order.tolist(), clean_up_tokenization_spaces=False))
    return mixed


def repeated(texts: list[str]) -> float:
    """Mean share of a text's sequences of four words that it has had before."""
    shares = []
    for text in texts:
        words = text.split()
        fours = [tuple(words[i : i + 4]) for i in range(len(words) - 3)]
        if fours:
            shares.append(1 - len(set(fours)) / len(fours))
    return round(float(np.mean(shares)), 4)


def say(progress: Progress) -> None:
    if progress.unit == "texts" and progress.done:
        print(f"\r{progress.message}: {progress.done} of {progress.total}    ", end="", file=sys.stderr)


def scored(name: str, p: np.ndarray, q: np.ndarray) -> dict[str, Any]:
    result = score.mauve_score(p, q)
    found = {
        "texts": [result.texts_p, result.texts_q],
        "score": round(result.score.value, 4),
        "error": round(result.score.error, 4),
        "seed_spread": round(result.seed_spread, 4),
        "frontier_integral": round(result.frontier_integral.value, 4),
    }
    print(f"\n{name}: {found}", file=sys.stderr)
    return found


def gaps_between(ordered: list[dict[str, Any]]) -> list[dict[str, float]]:
    """How far each score lies above the next, and the error of that."""
    return [
        {"gap": round(a["score"] - b["score"], 4), "spread": round(float(np.hypot(a["error"], b["error"])), 4)}
        for a, b in pairwise(ordered)
    ]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--items", type=int, default=1000, help="texts per set")
    options.add_argument("--new-tokens", type=int, default=32)
    chosen = options.parse_args()
    if not DATA.exists():
        sys.exit(f"{DATA} is not here; this benchmark needs it.")
    model = load_model(registry.DEFAULT_MODEL)
    pairs = paragraphs(model, 2 * chosen.items, chosen.new_tokens)
    if len(pairs) < 2 * score.LEAST_TEXTS:
        sys.exit(f"Only {len(pairs)} texts of that length; ask for fewer new tokens.")
    half = len(pairs) // 2
    store = RunStore(paths.cache_dir() / "benchmarks" / "mauve.sqlite")
    run_id = f"{model.key} {half} {chosen.new_tokens}"
    store.begin(Plan(run_id, "mauve", "benchmark", {}, [], ""))
    keep = RunKeeper(store, run_id)
    first, second = [whole for _, whole in pairs[:half]], [whole for _, whole in pairs[half : 2 * half]]
    openings = [opening for opening, _ in pairs[half : 2 * half]]
    sets = {"other human half": second}
    for name, temperature in (("temperature 1", 1.0), ("greedy", 0.0)):
        sampling = Sampling(temperature=temperature, new_tokens=chosen.new_tokens)
        work = generation.continue_texts_steps(model, openings, sampling, keep=keep, stage=name)
        sets[name] = steps.run(work, say)
    sets["tokens shuffled"] = shuffled(model, second)
    features = {name: steps.run(text_features_steps(model, texts, keep=keep), say) for name, texts in sets.items()}
    human = steps.run(text_features_steps(model, first, keep=keep), say)
    scores = {name: scored(name, human, found) for name, found in features.items()}
    gaps = gaps_between([scores[name] for name in ("other human half", "temperature 1", "greedy")])
    results = {
        "machine": common.machine(),
        "model": model.title,
        "tokens_a_text": OPENING + chosen.new_tokens,
        "scores_against_one_human_half": scores,
        "repeated_sequences_of_four_words": {"human": repeated(first)} | {name: repeated(sets[name]) for name in sets},
        "gaps": gaps,
        "order_holds": all(gap["gap"] > gap["spread"] for gap in gaps),
    }
    common.write_results(f"mauve_order_{OPENING + chosen.new_tokens}_tokens", results)


if __name__ == "__main__":
    main()
