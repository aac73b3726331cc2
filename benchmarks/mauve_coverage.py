"""Whether MAUVE's 95 % interval covers the score that new samples have, for equal laws and for two that differ.

Features are 48 Gaussian directions of decaying scale; where the laws differ the six widest are shifted. What a score
of n texts against n has on average, and its standard deviation, come from fresh samples; each repeat draws new texts
and asks whether its interval holds that average. Beside it stand what human against human scores, and the error that
drawing from the histograms found (a bootstrap) would give. Ends with 1 where fewer than 90 % of the intervals cover.
"""

from argparse import Namespace
from typing import Any

import numpy as np

from benchmarks import common
from engine.evaluation.mauve import clusters, score
from engine.evaluation.mauve.clusters import Clustering

LEAST_COVERAGE = 0.9
SCALES = np.linspace(3, 0.2, 48)
SHIFTS = {"equal": 0.0, "apart": 1.6}
SHIFTED = 6
DRAWS = 60


def draw(generator: np.random.Generator, shift: float, texts: int) -> tuple[np.ndarray, np.ndarray]:
    """New samples of both laws, (texts, 48) each."""
    p, q = (generator.normal(size=(texts, len(SCALES))) * SCALES + 1.5 for _ in range(2))
    q[:, :SHIFTED] += shift
    return p.astype(np.float32), q.astype(np.float32)


def plain_score(p: np.ndarray, q: np.ndarray) -> float:
    """The mean over the default seeds, without errors."""
    rows, buckets = clusters.reduced(p, q), clusters.buckets_for(len(p), len(q))
    return float(np.mean([clusters.clustered(rows, len(q), buckets, seed).score for seed in score.DEFAULT_SEEDS]))


def bootstrap_error(clustering: Clustering) -> float:
    """Standard deviation of scores drawn from the histograms of one clustering."""
    generator = np.random.default_rng(clustering.seed)
    sides = (
        (clustering.p_histogram, len(clustering.p_labels)),
        (clustering.q_histogram, len(clustering.q_labels)),
    )
    p_draws, q_draws = (generator.multinomial(texts, shares, size=DRAWS) / texts for shares, texts in sides)
    return float(np.std([clusters.histogram_score(a, b)[0] for a, b in zip(p_draws, q_draws, strict=True)], ddof=1))


def case(law: str, texts: int, repeats: int, fresh: int) -> dict[str, Any]:
    first, again = np.random.default_rng(1), np.random.default_rng(2)
    scores = np.array([plain_score(*draw(first, SHIFTS[law], texts)) for _ in range(fresh)])
    results = [score.mauve_score(*draw(again, SHIFTS[law], texts)) for _ in range(repeats)]
    references = [result.reference for result in results if result.reference is not None]
    mean, deviation = scores.mean(), scores.std(ddof=1)
    error = np.mean([result.score.error for result in results])
    found = {
        "laws": law,
        "texts": texts,
        "mean_score_of_fresh_samples": mean,
        "its_standard_error": deviation / np.sqrt(fresh),
        "real_standard_deviation": deviation,
        "mean_error_shown": error,
        "error_over_real": error / deviation,
        "bootstrap_error": np.mean([bootstrap_error(result.clusterings[0]) for result in results]),
        "mean_reference": np.mean([reference.alike.score.value for reference in references]),
        "mean_score_at_its_size": np.mean([reference.other.score.value for reference in references]),
        "intervals_that_cover": np.mean([low <= mean <= high for low, high in (each.interval for each in results)]),
    }
    common.say(found)
    return found


def measure(chosen: Namespace) -> dict[str, Any]:
    cases = [case(law, texts, chosen.repeats, chosen.fresh) for law in SHIFTS for texts in chosen.sizes]
    least = min(each["intervals_that_cover"] for each in cases)
    return {"cases": cases, "least_coverage": least, "bounds_met": least >= LEAST_COVERAGE}


if __name__ == "__main__":
    common.run(
        "mauve_coverage",
        __doc__,
        measure,
        repeats=(40, 2, "intervals per case"),
        fresh=(200, 4, "samples for the score's own mean"),
        sizes=([200, 500], [100], "texts per side"),
    )
