"""Whether MAUVE's 95 % interval covers the score that new samples have, for equal laws and for two that differ.

    python benchmarks/mauve_coverage.py [--repeats 40] [--fresh 200]

Features are 48 Gaussian directions of decaying scale; where the laws differ the six widest are shifted. What a score
of n texts against n has on average, and its standard deviation, come from fresh samples; each repeat draws new texts
and asks whether its interval holds that average. Beside it stand what human against human scores, and the error that
drawing from the histograms found (a bootstrap) would give. Ends with 1 where fewer than 90 % of the intervals cover.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from benchmarks import common
from engine.evaluation.mauve import clusters, score
from engine.evaluation.mauve.clusters import Clustering
from engine.evaluation.mauve.score import MauveResult

LEAST_COVERAGE = 0.9
SIZES = (200, 500)
SCALES = np.linspace(3, 0.2, 48)
SHIFTS = {"equal": 0.0, "apart": 1.6}
SHIFTED = 6
DRAWS = 60

Pair = tuple[np.ndarray, np.ndarray]


def sampler(shift: float, texts: int, seed: int) -> Callable[[], Pair]:
    """New samples of both laws at each call."""
    generator = np.random.default_rng(seed)

    def draw() -> Pair:
        p, q = (generator.normal(size=(texts, len(SCALES))) * SCALES + 1.5 for _ in range(2))
        q[:, :SHIFTED] += shift
        return p.astype(np.float32), q.astype(np.float32)

    return draw


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


def measure(law: str, texts: int, repeats: int, fresh: int) -> dict[str, Any]:
    draw = sampler(SHIFTS[law], texts, 1)
    scores = np.array([plain_score(*draw()) for _ in range(fresh)])
    again = sampler(SHIFTS[law], texts, 2)
    results = [score.mauve_score(*again()) for _ in range(repeats)]
    covered = [low <= scores.mean() <= high for low, high in (result.interval for result in results)]
    found = {
        "laws": law,
        "texts": texts,
        "mean_score_of_fresh_samples": scores.mean(),
        "its_standard_error": scores.std(ddof=1) / np.sqrt(fresh),
        "real_standard_deviation": scores.std(ddof=1),
        "mean_error_shown": np.mean([result.score.error for result in results]),
        "error_over_real": np.mean([result.score.error for result in results]) / scores.std(ddof=1),
        "bootstrap_error": np.mean([bootstrap_error(result.clusterings[0]) for result in results]),
        "mean_reference": np.mean([alike(result) for result in results]),
        "mean_score_at_its_size": np.mean([other(result) for result in results]),
        "intervals_that_cover": np.mean(covered),
    }
    rounded = {name: value if isinstance(value, str | int) else round(float(value), 4) for name, value in found.items()}
    print(rounded, file=sys.stderr)
    return rounded


def alike(result: MauveResult) -> float:
    assert result.reference is not None
    return result.reference.alike.score.value


def other(result: MauveResult) -> float:
    assert result.reference is not None
    return result.reference.other.score.value


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=40)
    parser.add_argument("--fresh", type=int, default=200, help="samples for the score's own mean")
    options = parser.parse_args()
    machine = common.machine()
    cases = [measure(law, texts, options.repeats, options.fresh) for law in SHIFTS for texts in SIZES]
    least = min(case["intervals_that_cover"] for case in cases)
    setting = {"repeats": options.repeats, "fresh_samples": options.fresh, "directions": len(SCALES)}
    common.write_results("mauve_coverage", {"machine": machine, **setting, "cases": cases, "least_coverage": least})
    return 0 if least >= LEAST_COVERAGE else 1


if __name__ == "__main__":
    raise SystemExit(main())
