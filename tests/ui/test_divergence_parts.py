"""The divergence page's charts by value, its table of numbers, and its sentence about progress."""

import dataclasses

import numpy as np
import pytest

from engine.corpus import divergence, divergence_result, mauve, mauve_run, paired
from engine.corpus.driving import Pace
from engine.steps import Progress
from tests.engine import fakes
from ui.divergence import mauve_scores, numbers, progress
from ui.figures import divergence as figures

TEXTS = ["The goal of a correlation analysis is plain.", "A second text, with other words in it."]


@pytest.fixture(scope="module")
def result() -> divergence_result.CorpusDivergence:
    return divergence.corpus_divergence(fakes.random_model(1), fakes.random_model(2), TEXTS)


@pytest.fixture(scope="module")
def score() -> mauve.MauveResult:
    rng = np.random.default_rng(0)
    return mauve.mauve_score(rng.normal(size=(110, 8)), rng.normal(0.3, 1, size=(110, 8)), seeds=(1, 2), splits=2)


def test_histograms_count_every_token_once(result: divergence_result.CorpusDivergence) -> None:
    assert result.kl is not None
    assert figures.kl_histogram(result.kl, theme="light").data[0].y.sum() == len(result)
    assert figures.delta_histogram(result.delta_p, theme="dark").data[0].y.sum() == len(result)


def test_kl_of_zero_has_a_place_on_the_logarithmic_axis() -> None:
    figure = figures.kl_histogram(np.zeros(5), theme="light", marked=0.0)
    assert figure.layout.xaxis.type == "log"
    assert figure.data[0].y.sum() == 5
    assert figure.layout.shapes[0].x0 > 0


def test_empty_columns_give_a_titled_figure_with_the_reason() -> None:
    for draw in (figures.kl_histogram, figures.delta_histogram):
        figure = draw(np.zeros(0), theme="light")
        assert figure.layout.title.text
        assert "predicted" in figure.layout.annotations[0].text


def test_the_paired_bar_adds_up_to_all_items() -> None:
    outcome = paired.compare_outcomes(np.array([1, 1, 0, 0], bool), np.array([1, 0, 1, 0], bool))
    figure = figures.paired_outcomes(outcome, ("<b>", "b"), theme="light")
    assert sum(bar.x[0] for bar in figure.data) == 4
    assert "&lt;b&gt;" in figure.data[1].name


def test_ending_probabilities_name_the_true_one() -> None:
    figure = figures.ending_probabilities([("Base", np.array([0.1, 0.2, 0.3, 0.4]))], 2, theme="light")
    assert figure.data[0].y[2] == "Ending 3 (true)"
    assert list(figure.data[0].x) == [0.1, 0.2, 0.3, 0.4]


def test_the_curves_band_encloses_its_mean(score: mauve.MauveResult) -> None:
    band, line = figures.mauve_curves([("a", score)], theme="light").data
    assert band.fill == "toself"
    assert len(line.x) == mauve.CURVE_POINTS + 2


def test_clusters_are_sorted_from_human_to_other(score: mauve.MauveResult) -> None:
    human, other = figures.cluster_histogram(score, "Model <b>", theme="light").data
    assert (human.name, other.name) == ("Human", "Model &lt;b&gt;")
    difference = np.array(other.y) - np.array(human.y)
    assert (np.diff(difference) >= 0).all()
    assert sum(human.y) == pytest.approx(1)


def scored(*sets: tuple[str, mauve.MauveResult]) -> mauve_run.MauveRun:
    return mauve_run.MauveRun((), tuple(mauve_run.MauveSet(title, (), result) for title, result in sets), "f", "")


def test_beside_each_score_stands_human_against_human_once_if_it_is_the_same(score: mauve.MauveResult) -> None:
    assert score.reference is not None
    facts = mauve_scores.facts(scored(("A", score), ("B", score)))
    assert [fact.label for fact in facts] == ["MAUVE: A", mauve_scores.HUMAN, "MAUVE: B"]
    assert facts[1].shown == numbers.pair(score.reference.alike.score)
    assert "55 and 55 texts" in facts[1].explanation
    larger = dataclasses.replace(score, reference=dataclasses.replace(score.reference, texts=(54, 54)))
    assert len(mauve_scores.facts(scored(("A", score), ("B", larger)))) == 4


def test_the_details_name_the_set_of_every_measure(score: mauve.MauveResult) -> None:
    table = mauve_scores.table(scored(("A", score), ("B", score))).set_index("set")
    assert table.index.tolist() == ["A", "A, halves", "Human against human, halves", "B", "B, halves"]
    assert table.loc["B", "MAUVE*"] == numbers.pair(score.mauve_star)
    assert table.loc["A", "frontier integral"] == numbers.pair(score.frontier_integral)


def test_a_score_kept_without_a_reference_is_shown_without_one(score: mauve.MauveResult) -> None:
    old = dataclasses.replace(score, reference=None, splits=0)
    assert [fact.label for fact in mauve_scores.facts(scored(("A", old)))] == ["MAUVE: A"]
    assert mauve_scores.table(scored(("A", old)))["set"].tolist() == ["A"]


def test_every_number_opens_to_tokens_of_the_corpus(result: divergence_result.CorpusDivergence) -> None:
    for number in numbers.lines(result):
        indices = number.opens()
        assert indices.size, number.label
        assert set(indices.tolist()) <= set(range(len(result)))


def test_a_percentile_opens_to_its_own_value(result: divergence_result.CorpusDivergence) -> None:
    assert result.kl is not None
    maximum = next(number for number in numbers.lines(result) if number.label == "Maximum KL")
    assert result.kl[maximum.opens()[0]] == result.kl.max()


def test_without_a_shared_vocabulary_the_table_has_no_kl() -> None:
    other = fakes.uniform_model(258, tokenizer=fakes.byte_tokenizer((("t", "h"),)))
    lines = numbers.lines(divergence.corpus_divergence(fakes.uniform_model(), other, TEXTS))
    assert not [number for number in lines if "KL" in number.label]
    assert [number for number in lines if "Bits per byte" in number.label]


@pytest.mark.parametrize(
    ("pace", "said"),
    [
        (Pace(None, None, None, 0), "Starting"),
        (Pace(Progress("X", 1, 2, "items"), 3.0, 1.0, 2), "Two ahead of you"),
        (Pace(Progress("X", 10, 100, "items"), None, None, 0), "X: 10 of 100 items"),
        (Pace(Progress("X", 10, 100, "items"), 20.0, 4.5, 0), "X: 10 of 100 items, 20 items/s, 4 s left"),
    ],
)
def test_progress_is_one_sentence(pace: Pace, said: str) -> None:
    assert progress.sentence(pace) == said
