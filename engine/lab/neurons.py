"""Entropy of a model's neurons and mutual information between them, on a text."""

from dataclasses import dataclass

import numpy as np

from engine import measures
from engine.arrays import Floats, Floats32, Ints
from engine.correlations import pearson_matrix
from engine.errors import ParameterError, TextError
from engine.lab.activations import Activations, Site, activation_steps
from engine.measures.binning import BinRule, column_codes
from engine.measures.checks import check_count
from engine.models.loaded import LoadedModel
from engine.steps import Progress, Stages, Steps, run

MOST_NEURONS = 256
SHIFTS = 8
"""Rounds averaged into the baseline of each pair."""
_LEAST_SHIFT = 0.1
"""Shifts stay this share of the text away from 0 on both sides, so that what neighbouring tokens share is gone."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What is measured: where, with how many bins by which rule, on how many neurons in pairs."""

    site: Site = "mlp"
    bins: int = 8
    rule: BinRule = "equal_width"
    neurons: int = 240
    layer: int | None = None
    """None spreads the paired neurons over all layers; a number takes them all from that layer."""
    nearest_pairs: int = 40
    neighbours: int = 3
    skip_first: bool = True
    seed: int = 0


@dataclass(frozen=True, eq=False)
class NeuronInformation:
    """Entropies of single neurons and information between pairs, all in nats.

    entropies (L, k): every kept neuron's, over `settings.bins` equal-width bins. The m paired neurons: `layers` (m,),
    `numbers` (m,), `values` (n, m), `information` (m, m) with entropies on the diagonal, `correlation` (m, m) NaN for a
    constant neuron; `baseline` (m, m) is what is left of each pair, on average, when one neuron is shifted along the
    text and the tokens that fall off its end go to its front: its bias, with each neuron's dependence on its own past.
    `nearest_pairs` (s, 2) with `nearest` (s,) by scikit-learn's estimator, for a sample of pairs.
    """

    model_title: str
    settings: Settings
    tokens: tuple[str, ...]
    width: int
    entropies: Floats
    layers: Ints
    numbers: Ints
    values: Floats32
    information: Floats
    correlation: Floats
    baseline: Floats
    nearest_pairs: Ints
    nearest: Floats

    @property
    def above_baseline(self) -> Floats:
        """Information of each pair less its own baseline, (m, m); the diagonal is NaN. May be negative."""
        off = ~np.eye(len(self.layers), dtype=bool)
        return np.asarray(np.where(off, self.information - self.baseline, np.nan))

    @property
    def from_correlation(self) -> Floats:
        """What a bivariate normal with the same correlation would share, (m, m) nats: all that covariance can see."""
        off = ~np.eye(len(self.layers), dtype=bool)
        squared = np.clip(np.where(off, self.correlation, np.nan) ** 2, 0.0, 1 - 1e-12)
        return np.asarray(-0.5 * np.log1p(-squared))

    def between_layers(self, pairs: Floats) -> Floats:
        """Mean of a pair table (m, m) over the neurons of each two layers: (L', L') for the layers that were paired."""
        present = np.unique(self.layers)
        member = self.layers == present[:, None]  # (L', m)
        known = np.isfinite(pairs)
        totals = member @ np.where(known, pairs, 0.0) @ member.T
        counts = member.astype(np.float64) @ known @ member.T
        return np.asarray(np.divide(totals, counts, out=np.full(totals.shape, np.nan), where=counts > 0))


def neuron_information_steps(model: LoadedModel, text: str, settings: Settings) -> Steps[NeuronInformation]:
    """Read `text`, measure every neuron's entropy and the information of pairs of some of them, step by step."""
    check_count(settings.neurons, "The number of neurons", 2, MOST_NEURONS)
    stages = Stages(4, 1, 1, SHIFTS, 1)
    taken = yield from stages.next(activation_steps(model, text, settings.site, seed=settings.seed))
    if settings.skip_first:
        taken = taken.without_first()
    if settings.bins > len(taken.tokens):
        raise TextError(
            f"{settings.bins} bins for {len(taken.tokens)} tokens leave most bins empty; use fewer bins or more text."
        )
    entropies = yield from stages.next(_entropy_steps(taken, settings))
    layers, numbers = _chosen(taken, settings)
    columns = taken.values[layers, :, numbers].T.astype(np.float64)  # (n, m)
    codes = column_codes(columns, settings.bins, settings.rule, allow_constant=True)
    information = yield from stages.next(measures.pairwise_mutual_information_steps(codes, settings.bins))
    baseline = yield from stages.next(_baseline_steps(codes, settings))
    pairs, nearest = yield from stages.next(_nearest_steps(columns, settings))
    return NeuronInformation(
        model_title=taken.model_title,
        settings=settings,
        tokens=taken.tokens,
        width=taken.width,
        entropies=entropies,
        layers=layers,
        numbers=taken.neurons[numbers],
        values=columns.astype(np.float32),
        information=information,
        correlation=pearson_matrix(columns),
        baseline=baseline,
        nearest_pairs=pairs,
        nearest=nearest,
    )


def _entropy_steps(taken: Activations, settings: Settings) -> Steps[Floats]:
    """Plug-in entropy (L, k) of every kept neuron over equal-width bins, one step per layer."""
    depth, samples, kept = taken.values.shape
    entropies = np.empty((depth, kept))
    for layer in range(depth):
        yield Progress("Entropy of each neuron", layer, depth, "layers")
        codes = column_codes(taken.values[layer], settings.bins, allow_constant=True)
        cells = codes + settings.bins * np.arange(kept)
        counts = np.bincount(cells.ravel(), minlength=settings.bins * kept).reshape(kept, settings.bins)
        entropies[layer] = measures.entropy(counts / samples)
    return entropies


def _baseline_steps(codes: Ints, settings: Settings) -> Steps[Floats]:
    """Mean information (m, m) of the pairs once one of each is shifted along the text.

    Activations of neighbouring tokens resemble each other, so that a text holds less than n tokens' worth and its bias
    is larger than n independent tokens would have. Shuffled tokens have lost that; shifted ones keep it.
    """
    lags = shifts(len(codes), SHIFTS, settings.seed)
    total = np.zeros((codes.shape[1], codes.shape[1]))
    for turn, lag in enumerate(lags):
        yield Progress("Baseline by shifts along the text", turn, len(lags), "rounds")
        total += run(measures.pairwise_mutual_information_steps(codes, settings.bins, lag=lag))
    return total / len(lags)


def shifts(samples: int, count: int, seed: int) -> list[int]:
    """`count` different shifts of a series of n samples, one from each equal part of [n / 10, n - n / 10].

    Fewer if so many different ones do not lie there.

    >>> shifts(100, 4, seed=0)
    [27, 43, 61, 76]
    """
    least = max(1, int(np.ceil(_LEAST_SHIFT * samples)))
    parts = np.array_split(np.arange(least, samples - least + 1), count)
    generator = np.random.default_rng(seed)
    return [int(generator.choice(part)) for part in parts if part.size]


def _chosen(taken: Activations, settings: Settings) -> tuple[Ints, Ints]:
    """Layer and column (m,) of the neurons taken in pairs: spread evenly over the layers, or from one."""
    depth, _, kept = taken.values.shape
    generator = np.random.default_rng(settings.seed)
    if settings.layer is not None:
        if not 0 <= settings.layer < depth:
            raise ParameterError(f"There is no layer {settings.layer}; {taken.model_title} has 0 to {depth - 1}.")
        numbers = np.sort(generator.choice(kept, min(kept, settings.neurons), replace=False))
        return np.full(numbers.size, settings.layer), numbers
    each = min(kept, max(1, settings.neurons // depth))
    numbers = np.concatenate([np.sort(generator.choice(kept, each, replace=False)) for _ in range(depth)])
    return np.repeat(np.arange(depth), each)[:MOST_NEURONS], numbers[:MOST_NEURONS]


def _nearest_steps(columns: Floats, settings: Settings) -> Steps[tuple[Ints, Floats]]:
    """The nearest-neighbour estimate for a sample of pairs of neurons that are not constant, one step per pair."""
    live = np.flatnonzero(columns.min(axis=0) < columns.max(axis=0))
    generator = np.random.default_rng(settings.seed)
    wanted = settings.nearest_pairs if live.size > 1 else 0
    pairs = np.array([generator.choice(live, 2, replace=False) for _ in range(wanted)], dtype=np.int64).reshape(-1, 2)
    values = np.empty(len(pairs))
    for index, (i, j) in enumerate(pairs):
        yield Progress("Nearest-neighbour estimate for a sample of pairs", index, len(pairs), "pairs")
        values[index] = measures.nearest_neighbour_mutual_information(
            columns[:, i], columns[:, j], settings.neighbours, settings.seed
        )
    return pairs, values
