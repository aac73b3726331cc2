"""Mutual information of all pairs of 256 neurons over 1,000 tokens, against a loop over scikit-learn.

    python benchmarks/mutual_information.py [--neurons 256] [--tokens 1000] [--bins 15] [--sample 1000]

Both work on the same bin numbers in the same run. The loop calls `sklearn.metrics.mutual_info_score` on a random
sample of the pairs; its time for all of them is that time scaled up. Ours is the best of three, cutting into bins
included. Ends with 1 where a bound is missed (5 s, 50 times, 1e-9).
"""

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from sklearn.metrics import mutual_info_score

from benchmarks import common
from engine import measures
from engine.measures.binning import column_codes

MOST_SECONDS, LEAST_RATIO, MOST_DIFFERENCE = 5.0, 50.0, 1e-9
ROUNDS = 3


def activations(tokens: int, neurons: int, seed: int = 0) -> np.ndarray:
    """Correlated, skewed columns (tokens, neurons), as gated feed-forward neurons give."""
    generator = np.random.default_rng(seed)
    shared = generator.normal(size=(tokens, 16)) @ generator.normal(size=(16, neurons)) / 4
    return shared * generator.normal(size=(tokens, neurons))


def measure(tokens: int, neurons: int, bins: int, sample: int) -> dict[str, float]:
    columns = activations(tokens, neurons)
    seconds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        table = measures.pairwise_mutual_information(columns, bins)
        seconds.append(time.perf_counter() - start)

    codes = column_codes(columns, bins)
    rows, others = np.triu_indices(neurons, 1)
    chosen = np.random.default_rng(1).choice(rows.size, min(sample, rows.size), replace=False)
    start = time.perf_counter()
    theirs = np.array([mutual_info_score(codes[:, rows[at]], codes[:, others[at]]) for at in chosen])
    loop = (time.perf_counter() - start) * rows.size / chosen.size
    return {
        "pairs": int(rows.size),
        "ours_seconds": min(seconds),
        "loop_pairs_timed": int(chosen.size),
        "loop_seconds_scaled": loop,
        "times_faster": loop / min(seconds),
        "largest_difference_nats": float(np.abs(table[rows[chosen], others[chosen]] - theirs).max()),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("tokens", 1000), ("neurons", 256), ("bins", 15), ("sample", 1000)):
        parser.add_argument(f"--{name}", type=int, default=default)
    found = measure(**vars(parser.parse_args()))
    common.write_results("mutual_information", {"machine": common.machine(), **found})
    kept = (
        found["ours_seconds"] < MOST_SECONDS
        and found["times_faster"] >= LEAST_RATIO
        and found["largest_difference_nats"] <= MOST_DIFFERENCE
    )
    return 0 if kept else 1


if __name__ == "__main__":
    raise SystemExit(main())
