"""MAUVE's arithmetic, clustering, features and texts, against the package and by hand."""

import sys

import numpy as np
import pytest
import torch

from engine import steps
from engine.corpus import features, generation, mauve
from engine.errors import InputError, ParameterError
from engine.model import LoadedModel
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
    assert mauve.histogram_score(np.array(p, float), np.array(q, float))[0] == pytest.approx(score, abs=1e-6)


def test_equal_histograms_score_one_where_the_package_says_three_quarters() -> None:
    half = np.array([0.5, 0.5])
    assert mauve.histogram_score(half, half)[0] == 1.0
    library = sys.modules["mauve.compute_mauve"]
    curve = library.get_divergence_curve_for_multinomials(half, half, np.linspace(1e-6, 1 - 1e-6, 25), 5)
    area = library.compute_area_under_curve
    by_x, by_y = curve[np.argsort(curve[:, 0])], curve[np.argsort(curve[:, 1])]
    assert 0.5 * (area(*by_x.T) + area(by_y[:, 1], by_y[:, 0])) == pytest.approx(0.75)


def test_each_seed_gives_the_packages_own_score(capfd: pytest.CaptureFixture[str]) -> None:
    import mauve as package

    p, q = gaussian_sets()
    result = mauve.mauve_score(p, q, seeds=(25, 7), resamples=5)
    assert not capfd.readouterr().err  # faiss' warning goes to stderr past Python
    for clustering in result.clusterings:
        theirs = package.compute_mauve(p_features=p, q_features=q, seed=clustering.seed)
        assert clustering.score == pytest.approx(theirs.mauve, abs=1e-12)
        assert clustering.frontier_integral == pytest.approx(theirs.frontier_integral, abs=1e-12)
        np.testing.assert_array_equal(clustering.p_histogram, theirs.p_hist)
        np.testing.assert_allclose(clustering.curve, theirs.divergence_curve)


def test_the_score_is_the_mean_over_seeds_with_both_spreads() -> None:
    result = mauve.mauve_score(*gaussian_sets(), seeds=(1, 2, 3), resamples=20)
    scores = [clustering.score for clustering in result.clusterings]
    assert result.score.value == pytest.approx(np.mean(scores))
    assert result.seed_spread == pytest.approx(np.std(scores, ddof=1))
    assert result.score.error == pytest.approx(np.hypot(result.seed_spread, result.bootstrap_error))
    mean, low, high = result.curve_band
    assert ((low <= mean) & (mean <= high)).all()


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
    notes = mauve.mauve_score(p, np.vstack([q] * 3), seeds=(1,), resamples=2).notes
    assert "Only 120 texts" in notes[0]
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
