"""MAUVE's arithmetic, clustering, features and texts, against the package and by hand."""

import dataclasses
import sys

import numpy as np
import pytest
import torch

from engine import steps
from engine.errors import InputError, ParameterError
from engine.evaluation.estimates import Estimate
from engine.evaluation.mauve import clusters, features, generation
from engine.evaluation.mauve import halves as mauve_halves
from engine.evaluation.mauve import score as mauve
from engine.models.loaded import LoadedModel
from tests.engine.keepers import MemoryKeeper


def gaussian_sets(n: int = 120, shift: float = 0.2) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, 16)).astype("f4"), rng.normal(shift, 1, size=(n + 10, 16)).astype("f4")


@pytest.mark.parametrize(
    ("p", "q", "score"),
    [
        ((1, 0), (0.5, 0.5), 0.27811372536724027),
        ((0.7, 0.3), (0.3, 0.7), 0.7562270283),
        ((0.1, 0.2, 0.7), (0.3, 0.3, 0.4), 0.8783600861),
        ((1, 0), (0, 1), 0.004072),
    ],
)
def test_histograms_score_as_published(p: tuple[float, ...], q: tuple[float, ...], score: float) -> None:
    assert clusters.histogram_score(np.array(p, float), np.array(q, float))[0] == pytest.approx(score, abs=1e-6)


def test_equal_histograms_score_one_where_the_package_says_three_quarters() -> None:
    half = np.array([0.5, 0.5])
    assert clusters.histogram_score(half, half)[0] == 1.0
    library = sys.modules["mauve.compute_mauve"]
    curve = library.get_divergence_curve_for_multinomials(half, half, np.linspace(1e-6, 1 - 1e-6, 25), 5)
    area = library.compute_area_under_curve
    by_x, by_y = curve[np.argsort(curve[:, 0])], curve[np.argsort(curve[:, 1])]
    assert 0.5 * (area(*by_x.T) + area(by_y[:, 1], by_y[:, 0])) == pytest.approx(0.75)


def test_each_seed_gives_the_packages_own_score(capfd: pytest.CaptureFixture[str]) -> None:
    import mauve as package

    p, q = gaussian_sets()
    result = mauve.mauve_score(p, q, seeds=(25, 7), splits=2)
    assert not capfd.readouterr().err  # faiss' warning goes to stderr past Python
    for clustering in result.clusterings:
        theirs = package.compute_mauve(p_features=p, q_features=q, seed=clustering.seed)
        assert clustering.score == pytest.approx(theirs.mauve, abs=1e-12)
        assert clustering.mauve_star == pytest.approx(theirs.mauve_star, abs=1e-12)
        assert clustering.frontier_integral == pytest.approx(theirs.frontier_integral, abs=1e-12)
        np.testing.assert_array_equal(clustering.p_histogram, theirs.p_hist)
        np.testing.assert_allclose(clustering.curve, theirs.divergence_curve)


def test_the_score_is_the_mean_over_seeds_with_their_spread() -> None:
    result = mauve.mauve_score(*gaussian_sets(), seeds=(1, 2, 3), splits=2)
    scores = [clustering.score for clustering in result.clusterings]
    assert result.score.value == pytest.approx(np.mean(scores))
    assert result.seed_spread == pytest.approx(np.std(scores, ddof=1))
    assert result.seed_error == pytest.approx(np.std(scores, ddof=1) / 3**0.5)
    assert result.mauve_star.value == pytest.approx(np.mean([one.mauve_star for one in result.clusterings]))
    mean, low, high = result.curve_band
    assert ((low <= mean) & (mean <= high)).all()


def scores_of_halves(texts: float, seeds: float, counted: int, splits: int = 4000) -> mauve_halves.Halves:
    """Halves whose scores are .5 with these variances of the texts and of one seed."""
    rng = np.random.default_rng(0)
    table = rng.normal(0, texts**0.5, (splits, 3, 1, 3)) + rng.normal(0, seeds**0.5, (splits, 3, counted, 3))
    return mauve_halves.Halves(0.5 + table, 50, 50, 50, 5)


@pytest.mark.parametrize(("texts", "seeds", "counted"), [(4e-4, 0, 5), (0, 4e-4, 1), (0, 4e-4, 4), (1e-4, 9e-4, 3)])
def test_a_whole_has_half_the_variance_of_a_half_with_the_seeds_divided_by_their_number(
    texts: float, seeds: float, counted: int
) -> None:
    halves = scores_of_halves(texts, seeds, counted)
    half = texts + seeds / counted
    assert halves.errors() == pytest.approx([(half / 2) ** 0.5] * 3, rel=0.04)
    reference = halves.reference()
    for measured in (reference.alike, reference.other):
        assert measured.score.value == pytest.approx(0.5, abs=1e-3)
        assert measured.mauve_star.error == pytest.approx(half**0.5, rel=0.04)


def test_halves_are_disjoint_and_hold_every_text_but_an_odd_one(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(mauve_halves, "_scored", lambda p, q, buckets, seed: seen.append((p, q, buckets)) or (0, 0, 0))
    both, human = np.arange(231.0)[:, None], np.arange(1000.0, 1101)[:, None]  # 130 of Q, 101 of P
    steps.run(mauve_halves.halves_steps(both, human, 10, (1,), splits=2))
    for first, second, alike in (seen[:3], seen[3:]):
        of_p, of_q = np.concatenate([first[0], second[0]]), np.concatenate([first[1], second[1]])
        assert (len(np.unique(of_p)), of_p.min() >= 130, len(np.unique(of_q)), of_q.max() < 130) == (100, 1, 130, 1)
        assert len(np.unique(np.concatenate(alike[:2]))) == 100  # 50 human texts in Q's place, for want of 65
        assert min(alike[0].min(), alike[1].min()) >= 1000
        assert {part[2] for part in (first, second, alike)} == {5}
    assert not np.array_equal(seen[0][0], seen[3][0])


@pytest.mark.parametrize("shift", [0.0, 1.6])
def test_the_error_is_the_real_deviation_over_new_samples_for_equal_laws_and_others(shift: float) -> None:
    rng = np.random.default_rng(1)

    def draw() -> tuple[np.ndarray, np.ndarray]:
        p, q = (rng.normal(size=(160, 24)) * np.linspace(3, 0.2, 24) + 1.5 for _ in range(2))
        q[:, :4] += shift
        return p, q

    results = [mauve.mauve_score(*draw(), seeds=(1, 2, 3), splits=4) for _ in range(12)]
    more = [score_alone(*draw(), seeds=(1, 2, 3)) for _ in range(28)]
    real = np.std([*more, *(result.score.value for result in results)], ddof=1)
    shown = np.mean([result.score.error**2 for result in results]) ** 0.5
    assert real / 1.6 < shown < 1.6 * real
    held = [low <= np.mean(more) <= high for low, high in (result.interval for result in results)]
    assert sum(held) >= 10
    alike = [result.reference.alike.score.value for result in results]
    near = [abs(result.score.value - one) < 0.05 for result, one in zip(results, alike, strict=True)]
    assert all(near) if shift == 0 else not any(near)
    assert all(0.93 < one < 0.99 for one in alike)  # alike, and still not 1


def score_alone(p: np.ndarray, q: np.ndarray, seeds: tuple[int, ...]) -> float:
    """The package's own score, the mean over seeds."""
    import mauve as package

    return float(np.mean([package.compute_mauve(p_features=p, q_features=q, seed=seed).mauve for seed in seeds]))


def test_the_reference_is_of_the_human_texts_whatever_the_other_set_is() -> None:
    p, q = gaussian_sets(shift=0.1)
    near, far = (mauve.mauve_score(p, other, seeds=(1, 2), splits=3) for other in (q, q + 3))
    assert near.reference.alike == far.reference.alike
    assert (near.reference.texts, near.reference.other_texts) == ((60, 60), (60, 65))
    assert far.reference.other.score.value < 0.1 < far.reference.alike.score.value


def test_an_interval_stays_within_0_and_1_and_counts_two_splits_as_one_degree_of_freedom() -> None:
    result = mauve.mauve_score(*gaussian_sets(), seeds=(1, 2), splits=6)
    for value, error in ((0.5, 0.1), (0.99, 0.1), (0.01, 0.1)):
        low, high = dataclasses.replace(result, score=Estimate(value, error)).interval
        # 3.182: the 97.5 % point of t with 3 degrees of freedom, from a printed table
        assert (low, high) == pytest.approx((max(0, value - 0.3182), min(1, value + 0.3182)), abs=1e-4)
    kept = dataclasses.replace(result, score=Estimate(0.5, 0.1), splits=0)
    assert kept.interval == pytest.approx((0.5 - 0.196, 0.5 + 0.196), abs=1e-4)


def test_a_score_is_counted_by_clustering_and_can_be_stopped_at_each() -> None:
    work = mauve.mauve_score_steps(*gaussian_sets(), seeds=(1, 2), splits=3)
    told = list(work)
    assert [progress.total for progress in told] == [2] * 2 + [3 * 3 * 2] * 18
    assert [progress.done for progress in told] == [0, 1, *range(18)]


def test_texts_that_are_all_one_have_a_reference_of_one() -> None:
    _, q = gaussian_sets()
    result = mauve.mauve_score(np.ones((120, 16)), q, seeds=(1,), splits=2)
    assert result.reference.alike.score == Estimate(1.0, 0.0)
    assert result.score.value < 0.1


def test_labels_are_of_the_texts_in_order() -> None:
    rng = np.random.default_rng(0)
    near, far = rng.normal(0, 0.1, size=(100, 8)), rng.normal(0, 0.1, size=(100, 8)) + 5
    result = mauve.mauve_score(
        np.vstack([near, far]), np.vstack([near, far]) * np.tile([1, -1], 4), buckets=2, seeds=(1,)
    )
    labels = result.clusterings[0].p_labels
    assert len(labels) == 200
    counts = np.bincount(labels, minlength=2) / 200
    np.testing.assert_array_equal(counts, result.clusterings[0].p_histogram)


def test_few_texts_and_uneven_sets_are_said() -> None:
    p, q = gaussian_sets()
    notes = mauve.mauve_score(p, np.vstack([q] * 3), seeds=(1,), splits=2).notes
    assert "Only 120 texts" in notes[0]
    assert "alike too low" in notes[0]
    assert "human against human" in notes[0]
    assert "differ much in size" in notes[1]
    assert mauve.size_notes(600, 700) == ()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda p, q: (p[:99], q), "A set has 99 texts"),
        (lambda p, q: (p[:0], q), "A set has 0 texts"),
        (lambda p, q: (np.where(np.arange(len(p))[:, None] == 4, np.nan, p), q), "first: text 5"),
        (lambda p, q: (p, np.where(np.arange(len(q))[:, None] == 0, np.inf, q)), "second set hold NaN or infinity"),
        (lambda p, q: (p, q[:, :8]), "width 16 and 8"),
        (lambda p, q: (np.ones_like(p), np.ones_like(q)), "same features"),
        (lambda p, q: (p[0], q), "1 dimensions"),
    ],
)
def test_features_without_a_meaning_are_refused(change, said: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match=said):
        mauve.mauve_score(*change(*gaussian_sets()))


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(ParameterError):
        mauve.mauve_score(*gaussian_sets(), seeds=())
    with pytest.raises(ParameterError, match="at least 2"):
        mauve.mauve_score(*gaussian_sets(), splits=1)


def test_features_equal_the_packages_featuriser_on_gpt2(tiny_gpt2: LoadedModel) -> None:
    from mauve.utils import featurize_tokens_from_model

    texts = ["A short text.", "Another, somewhat longer text, with commas.", "x", "One more 🙂"]
    ids = [torch.from_numpy(tiny_gpt2.tokenizer.encode(text).token_ids)[None] for text in texts]
    theirs = featurize_tokens_from_model(tiny_gpt2.network.base_model, ids, 2, "p").numpy()
    np.testing.assert_allclose(features.text_features(tiny_gpt2, texts), theirs, atol=1e-5)


def test_features_are_kept_by_text_and_repeated_texts_read_once(tiny_gpt2: LoadedModel) -> None:
    keep = MemoryKeeper()
    first = steps.run(features.text_features_steps(tiny_gpt2, ["a b", "c", "a b"], keep=keep))
    np.testing.assert_array_equal(first[0], first[2])
    progress = list(features.text_features_steps(tiny_gpt2, ["c", "a b"], keep=keep))
    assert len(progress) == 1  # looked up, nothing read


def test_a_text_longer_than_the_context_counts_by_its_beginning(tiny_gpt2: LoadedModel) -> None:
    limit = tiny_gpt2.context_length
    long = "word" + " word" * 400
    short = "word" + " word" * (limit - 1)
    assert len(tiny_gpt2.tokenizer.encode(short)) == limit
    np.testing.assert_allclose(*features.text_features(tiny_gpt2, [long, short]), atol=1e-5)


def test_greedy_continuations_are_transformers_own(tiny_gpt2: LoadedModel) -> None:
    openings = ["The goal of", "A", "Once upon a time there was"]
    sampling = generation.Sampling(temperature=0, new_tokens=6)
    ours = steps.run(generation.continue_texts_steps(tiny_gpt2, openings, sampling))
    backend = tiny_gpt2.tokenizer.backend
    for opening, text in zip(openings, ours, strict=True):
        ids = backend(opening, return_tensors="pt")
        theirs = tiny_gpt2.network.generate(**ids, do_sample=False, max_new_tokens=6, pad_token_id=0)
        assert text == backend.decode(theirs[0]).rstrip("\ufffd")


def test_sampled_texts_depend_on_the_seed_and_not_on_a_stop_in_between(tiny_gpt2: LoadedModel) -> None:
    openings = ["The", "A goal", "Of"]

    def written(seed: int, keep: MemoryKeeper | None = None) -> list[str]:
        sampling = generation.Sampling(new_tokens=5, seed=seed, top_p=0.9, top_k=50)
        return steps.run(generation.continue_texts_steps(tiny_gpt2, openings, sampling, keep=keep, batch_texts=2))

    keep = MemoryKeeper()
    stopped = generation.continue_texts_steps(
        tiny_gpt2, openings, generation.Sampling(new_tokens=5, seed=3, top_p=0.9, top_k=50), keep=keep, batch_texts=2
    )
    for _ in range(7):
        next(stopped)
    stopped.close()
    assert written(3, keep) == written(3)
    assert written(3) != written(4)


def test_limits_hold_for_each_text(tiny_gpt2: LoadedModel) -> None:
    sampling = generation.Sampling(temperature=0, new_tokens=8)
    texts = steps.run(generation.continue_texts_steps(tiny_gpt2, ["A", "B"], sampling, limits=[1, 8]))
    lengths = [len(tiny_gpt2.tokenizer.encode(text)) for text in texts]
    assert lengths[0] <= 2 < lengths[1]


@pytest.mark.parametrize("settings", [{"temperature": -1}, {"top_p": 0}, {"top_k": -1}, {"new_tokens": 0}])
def test_sampling_settings_out_of_range_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ParameterError):
        generation.Sampling(**settings)  # type: ignore[arg-type]
