"""Mutual information of all pairs of 256 neurons over 1,000 tokens, against a loop over scikit-learn.

Both work on the same bin numbers in the same run and take turns. The loop calls `sklearn.metrics.mutual_info_score` on
a random sample of the pairs; its time for all of them is that time scaled up. Ours includes cutting into bins. Ends
with 1 where a bound is missed (5 s, 50 times, 1e-9).
"""

import statistics
from argparse import Namespace
from typing import Any

import numpy as np
from sklearn.metrics import mutual_info_score

from benchmarks import common
from engine import measures
from engine.measures.binning import column_codes

MOST_SECONDS, LEAST_RATIO, MOST_DIFFERENCE = 5.0, 50.0, 1e-9


def activations(tokens: int, neurons: int) -> np.ndarray:
    """Correlated, skewed columns (tokens, neurons), as gated feed-forward neurons give."""
    generator = np.random.default_rng(0)
    shared = generator.normal(size=(tokens, 16)) @ generator.normal(size=(16, neurons)) / 4
    return shared * generator.normal(size=(tokens, neurons))


def measure(chosen: Namespace) -> dict[str, Any]:
    columns = activations(chosen.tokens, chosen.neurons)
    codes = column_codes(columns, chosen.bins)
    rows, others = np.triu_indices(chosen.neurons, 1)
    sample = np.random.default_rng(1).choice(rows.size, min(chosen.sample, rows.size), replace=False)
    rows_, others_ = rows[sample], others[sample]

    def ours() -> np.ndarray:
        return measures.pairwise_mutual_information(columns, chosen.bins)

    def theirs() -> np.ndarray:
        return np.array([mutual_info_score(codes[:, a], codes[:, b]) for a, b in zip(rows_, others_, strict=True)])

    seconds = common.interleaved({"ours": ours, "loop": theirs}, chosen.rounds)
    loop = [taken * rows.size / sample.size for taken in seconds["loop"]]
    faster = common.median_ratio(loop, seconds["ours"])
    difference = np.abs(ours()[rows_, others_] - theirs()).max()
    taken = statistics.median(seconds["ours"])
    return {
        "pairs": rows.size,
        "ours_seconds": taken,
        "loop_pairs_timed": sample.size,
        "loop_seconds_scaled": statistics.median(loop),
        "times_faster": faster,
        "largest_difference_nats": difference,
        "bounds_met": taken < MOST_SECONDS and faster >= LEAST_RATIO and difference <= MOST_DIFFERENCE,
    }


if __name__ == "__main__":
    common.run(
        "mutual_information",
        __doc__,
        measure,
        tokens=(1000, 200, "values per neuron"),
        neurons=(256, 32, "whose pairs are taken"),
        bins=(15, 15, "per neuron"),
        sample=(1000, 100, "pairs that the loop is timed on"),
        rounds=(3, 1, common.ROUNDS[2]),
    )
