"""MAUVE's sanity order on real text, with the embedded model as writer and as reader.

Reads wikitext2_test.txt.bz2: its paragraphs, cut to so many tokens, of which 12 are an opening, are the human texts.
Expected: one half of them against the other scores above human against the model's sampling at temperature 1,
and that above human against greedy continuations, each gap wider than its spread; where human texts with their tokens
shuffled fall is reported, and how much each set repeats itself. Generated texts and features are kept, so that a run
that was stopped goes on.
"""

import re
from argparse import Namespace
from itertools import pairwise
from typing import Any

import numpy as np

from benchmarks import common
from engine import steps
from engine.evaluation.mauve import generation, score
from engine.evaluation.mauve.features import text_features_steps
from engine.evaluation.mauve.generation import Sampling
from engine.models.loaded import LoadedModel
from engine.models.loading import load_model
from engine.models.registry import DEFAULT_MODEL

OPENING = 12


def paragraphs(model: LoadedModel, count: int, length: int) -> list[tuple[str, str]]:
    """(opening, whole) of `count` pieces of running text, each `length` tokens, none overlapping."""
    text = common.data("wikitext2_test.txt.bz2")
    bodies = [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("=")]
    found = []
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
    return float(np.mean(shares))


def scored(name: str, p: np.ndarray, q: np.ndarray) -> dict[str, Any]:
    result = score.mauve_score(p, q)
    found = {
        "texts": [result.texts_p, result.texts_q],
        "score": result.score.value,
        "error": result.score.error,
        "seed_spread": result.seed_spread,
        "frontier_integral": result.frontier_integral.value,
    }
    common.say(f"{name}: {found}")
    return found


def gaps_between(ordered: list[dict[str, Any]]) -> list[dict[str, float]]:
    """How far each score lies above the next, and the error of that."""
    return [{"gap": a["score"] - b["score"], "spread": np.hypot(a["error"], b["error"])} for a, b in pairwise(ordered)]


def measure(chosen: Namespace) -> dict[str, Any]:
    model = load_model(DEFAULT_MODEL)
    pairs = paragraphs(model, 2 * chosen.items, chosen.tokens)
    if len(pairs) < 2 * score.LEAST_TEXTS:
        common.skip(f"there are only {len(pairs)} texts of that length; ask for fewer tokens.")
    half = len(pairs) // 2
    keep = common.keeper("mauve", f"{model.key} {half} {chosen.tokens - OPENING}")
    first, second = ([whole for _, whole in part] for part in (pairs[:half], pairs[half : 2 * half]))
    openings = [opening for opening, _ in pairs[half : 2 * half]]
    sets = {"other human half": second}
    for name, temperature in (("temperature 1", 1.0), ("greedy", 0.0)):
        sampling = Sampling(temperature=temperature, new_tokens=chosen.tokens - OPENING)
        work = generation.continue_texts_steps(model, openings, sampling, keep=keep, stage=name)
        sets[name] = steps.run(work, common.show)
    sets["tokens shuffled"] = shuffled(model, second)

    def features(texts: list[str]) -> np.ndarray:
        return steps.run(text_features_steps(model, texts, keep=keep), common.show)

    human = features(first)
    scores = {name: scored(name, human, features(texts)) for name, texts in sets.items()}
    gaps = gaps_between([scores[name] for name in ("other human half", "temperature 1", "greedy")])
    return {
        "model": model.title,
        "scores_against_one_human_half": scores,
        "repeated_sequences_of_four_words": {
            name: repeated(texts) for name, texts in ({"human": first} | sets).items()
        },
        "gaps": gaps,
        "order_holds": all(gap["gap"] > gap["spread"] for gap in gaps),
    }


if __name__ == "__main__":
    items, tokens = (1000, 100, "texts per set"), (44, 16, "per text, its opening included")
    common.run("mauve_order_{tokens}_tokens", __doc__, measure, items=items, tokens=tokens)
