"""The divergence page's charts by value, its table of numbers, and its sentence about progress."""

import csv
import dataclasses
import io
import json
from dataclasses import replace

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from engine import export, formatting
from engine.evaluation import divergence, kinds
from engine.evaluation.divergence import evaluate
from engine.evaluation.divergence.result import CorpusDivergence
from engine.evaluation.hellaswag import HellaSwagAnswers, paired
from engine.evaluation.hellaswag.evaluate import HellaSwagResult
from engine.evaluation.mauve.clusters import CURVE_POINTS
from engine.evaluation.mauve.result import MauveSet, MauveSets
from engine.evaluation.mauve.score import MauveResult, mauve_score
from engine.evaluation.runs.store import Run
from tests.engine import fakes
from ui.evaluation import (
    divergence_numbers,
    divergence_panel,
    hellaswag_panel,
    mauve_scores,
    panels,
    past_runs_panel,
)
from ui.figures import evaluation as figures

TEXTS = ["The goal of a correlation analysis is plain.", "A second text, with other words in it."]


@pytest.fixture(scope="module")
def result() -> CorpusDivergence:
    return evaluate.corpus_divergence(fakes.random_model(1), fakes.random_model(2), TEXTS)


@pytest.fixture(scope="module")
def score() -> MauveResult:
    rng = np.random.default_rng(0)
    return mauve_score(rng.normal(size=(110, 8)), rng.normal(0.3, 1, size=(110, 8)), seeds=(1, 2), splits=2)


def test_histograms_count_every_token_once(result: CorpusDivergence) -> None:
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


def test_the_paired_bar_parts_the_wrong_that_stayed_from_the_wrong_that_changed() -> None:
    right, choices = np.array([1, 0, 0, 0], bool), np.array([0, 1, 2, 3])
    outcome = paired.compare_outcomes(right, right, choices_a=choices, choices_b=np.array([0, 1, 2, 1]))
    bars = {bar.name: bar.x[0] for bar in figures.paired_outcomes(outcome, ("a", "b"), theme="light").data}
    assert sum(bars.values()) == 4
    assert (bars["Both wrong alike: 2"], bars["Wrong otherwise: 1"]) == (2, 1)


def test_ending_probabilities_name_the_true_one() -> None:
    figure = figures.ending_probabilities([("Base", np.array([0.1, 0.2, 0.3, 0.4]))], 2, theme="light")
    assert figure.data[0].y[2] == "Ending 3 (true)"
    assert list(figure.data[0].x) == [0.1, 0.2, 0.3, 0.4]


def test_the_curves_band_encloses_its_mean(score: MauveResult) -> None:
    band, line = figures.mauve_curves([("a", score)], theme="light").data
    assert band.fill == "toself"
    assert len(line.x) == CURVE_POINTS + 2


def test_clusters_are_sorted_from_human_to_other(score: MauveResult) -> None:
    human, other = figures.cluster_histogram(score, "Model <b>", theme="light").data
    assert (human.name, other.name) == ("Human", "Model &lt;b&gt;")
    difference = np.array(other.y) - np.array(human.y)
    assert (np.diff(difference) >= 0).all()
    assert sum(human.y) == pytest.approx(1)


def scored(*sets: tuple[str, MauveResult]) -> MauveSets:
    return MauveSets((), tuple(MauveSet(title, (), result) for title, result in sets), "f", "")


def test_beside_each_score_stands_human_against_human_once_if_it_is_the_same(score: MauveResult) -> None:
    assert score.reference is not None
    facts = mauve_scores.facts(scored(("A", score), ("B", score)))
    assert [fact.label for fact in facts] == ["MAUVE: A", mauve_scores.HUMAN, "MAUVE: B"]
    assert facts[1].shown == formatting.with_error(score.reference.alike.score)
    assert "55 and 55 texts" in facts[1].explanation
    larger = dataclasses.replace(score, reference=dataclasses.replace(score.reference, texts=(54, 54)))
    assert len(mauve_scores.facts(scored(("A", score), ("B", larger)))) == 4


def test_the_details_name_the_set_of_every_measure(score: MauveResult) -> None:
    table = mauve_scores.table(scored(("A", score), ("B", score))).set_index("set")
    assert table.index.tolist() == ["A", "A, halves", "Human against human, halves", "B", "B, halves"]
    assert table.loc["B", "MAUVE*"] == formatting.with_error(score.mauve_star)
    assert table.loc["A", "frontier integral"] == formatting.with_error(score.frontier_integral)


def test_a_score_kept_without_a_reference_is_shown_without_one(score: MauveResult) -> None:
    old = dataclasses.replace(score, reference=None, splits=0)
    assert [fact.label for fact in mauve_scores.facts(scored(("A", old)))] == ["MAUVE: A"]
    assert mauve_scores.table(scored(("A", old)))["set"].tolist() == ["A"]


def test_every_number_opens_to_tokens_of_the_corpus(result: CorpusDivergence) -> None:
    for number in divergence_numbers.lines(result):
        indices = number.opens()
        assert indices.size, number.label
        assert set(indices.tolist()) <= set(range(len(result)))


def test_a_percentile_opens_to_its_own_value(result: CorpusDivergence) -> None:
    assert result.kl is not None
    maximum = next(number for number in divergence_numbers.lines(result) if number.label == "Maximum KL")
    assert result.kl[maximum.opens()[0]] == result.kl.max()


def test_a_stated_error_is_over_texts_and_the_one_over_tokens_is_named(
    result: CorpusDivergence,
) -> None:
    assert result.statistics is not None
    kl = result.statistics.kl
    assert formatting.with_error(kl).endswith(f"± {kl.error_by_text:.2f}")
    assert f"{kl.error_by_text:.2f}" != f"{kl.error:.2f}"
    line = next(number for number in divergence_numbers.lines(result) if number.label == "Mean KL")
    assert (line.by_text, line.by_token) == (f"{kl.error_by_text:.2g}", f"{kl.error:.2g}")
    assert line.interval == formatting.interval(*kl.interval())
    assert "2 texts" in divergence_numbers.rests_on(kl)


def test_one_text_has_the_error_over_tokens_and_says_so() -> None:
    model = fakes.random_model(1)
    result = evaluate.corpus_divergence(model, fakes.random_model(2), TEXTS[:1])
    assert result.statistics is not None
    assert "±" in formatting.with_error(result.statistics.kl)
    assert "tokens as independent" in divergence_numbers.rests_on(result.statistics.kl)
    assert not any(number.by_text or number.interval for number in divergence_numbers.lines(result))
    assert "nothing better" in divergence_panel.how_sure(result)


def test_delta_p_has_its_quartiles(result: CorpusDivergence) -> None:
    assert {"75.0% Δp", "25.0% Δp"} <= {number.label for number in divergence_numbers.lines(result)}


def test_first_guesses_that_are_tied_open_too(result: CorpusDivergence) -> None:
    shares = np.ones(len(result))
    shares[3], shares[5] = 0.5, 0.0
    tied = dataclasses.replace(result, same_top1=shares)
    line = next(number for number in divergence_numbers.lines(tied) if number.label == "Same first guess")
    assert set(line.opens().tolist()) == {3, 5}
    assert export.csv_text({"same": shares * 1}).splitlines()[4] == "0.5"
    assert ",0.5\n" in divergence_panel._csv(tied, {})


def test_the_table_in_words_names_both_errors(result: CorpusDivergence) -> None:
    said = divergence_panel._markdown(result, "")
    assert "| number | value | ± by text | 95 % interval | ± by token |" in said
    assert "llama.cpp" in said
    assert "Only 2 texts" in said


def test_without_a_shared_vocabulary_the_table_has_no_kl() -> None:
    other = fakes.uniform_model(258, tokenizer=fakes.byte_tokenizer((("t", "h"),)))
    lines = divergence_numbers.lines(evaluate.corpus_divergence(fakes.uniform_model(), other, TEXTS))
    assert not [number for number in lines if "KL" in number.label]
    assert [number for number in lines if "Bits per byte" in number.label]
    assert [number for number in lines if number.label == "Correlation per character"]


def test_runs_side_by_side_show_numbers_and_not_what_their_errors_rest_on(
    result: CorpusDivergence,
) -> None:
    found = past_runs_panel._flat(divergence.summary(result))
    assert found["statistics kl"] == pytest.approx(result.statistics.kl.value)  # type: ignore[union-attr]
    assert found["bits_per_byte_difference"] == pytest.approx(result.bits_per_byte_difference.value)
    assert not [name for name in found if any(part in name for part in ("error", "low", "high", "percentiles"))]
    assert [name for name in found if "texts" in name] == ["statistics texts"]


def test_no_question_that_differs_is_not_called_equality() -> None:
    right, choices = np.arange(12) % 3 == 0, np.zeros(12, int)
    outcome = paired.compare_outcomes(right, right, choices_a=choices, choices_b=choices)
    said = " ".join(hellaswag_panel.sentences(outcome))
    assert "-24.2 to +24.2 points" in said
    assert "No question differs; with 12 questions up to 22 % of all such questions could (95 %)." in said
    assert "A large p does not show that they are equal" in said


def test_flips_are_said_three_ways() -> None:
    right_a, right_b = np.array([1] * 60 + [0] * 40, bool), np.array([1] * 55 + [0] * 43 + [1] * 2, bool)
    choices_a, choices_b = np.where(right_a, 0, 1), np.where(right_b, 0, np.where(np.arange(100) % 2, 2, 1))
    outcome = paired.compare_outcomes(right_a, right_b, choices_a=choices_a, choices_b=choices_b)
    said = hellaswag_panel.sentences(outcome)
    assert said[1].startswith("Right to wrong 5 (5.0 %, 2.2 to 11 %); wrong to right 2 (2.0 %, 0.6 to 7.0 %); wrong to")
    assert "wrong to another wrong ending 19 (19 %" in said[1]
    assert not any("No question" in sentence for sentence in said)


def test_notes_of_both_models_are_said_once_and_those_of_one_with_its_name() -> None:
    one = HellaSwagResult(
        model_key="a",
        model_title="Small",
        items=np.arange(1),
        labels=np.zeros(1, dtype=np.int64),
        log_likelihoods=np.zeros((1, 4)),
        characters=np.ones((1, 4), dtype=np.int64),
        octets=np.ones((1, 4), dtype=np.int64),
        tokens=np.ones((1, 4), dtype=np.int64),
        seconds=1.0,
        notes=("1 item left out.",),
    )
    other = replace(one, model_title="Large", notes=("1 item left out.", "Read one by one."))
    found = hellaswag_panel.notes(HellaSwagAnswers((), (one, other)))
    assert found == ["1 item left out.", "Large: Read one by one."]
    assert hellaswag_panel.notes(HellaSwagAnswers((), (one,))) == ["1 item left out."]


def test_the_table_and_the_tokens_say_how_texts_opened(result: CorpusDivergence) -> None:
    models = {
        "base": {"title": "Large", "opening_tokens": ["<|endoftext|>"]},
        "candidate": {"title": "Small", "opening_tokens": []},
    }
    run = Run("r", divergence.KIND, "t", 0.0, 0.0, True, {"bos": "auto"}, models, "", {}, {})
    markdown, tokens = (export.make() for export in divergence_panel.files(run, result, "stem"))
    assert "Texts opened with <|endoftext|> for Large and with nothing for Small" in markdown
    rows = list(csv.DictReader(io.StringIO(tokens)))
    assert len(rows) == len(result)
    opened = {(json.loads(row["opening_base"]), json.loads(row["opening_candidate"])) for row in rows}
    assert opened == {("<|endoftext|>", "")}


def test_every_evaluation_has_a_panel() -> None:
    assert list(panels.PANELS) == list(kinds.EVALUATIONS)


def test_a_choice_that_is_no_longer_offered_is_the_first() -> None:
    def page() -> None:
        from ui import layout

        layout.choice("Set", {"a": "First", "b": "Second"}, "set")

    app = AppTest.from_function(page)
    app.session_state["set"] = "of another run"
    assert app.run().segmented_control(key="set").value == "a"
    assert app.segmented_control(key="set").set_value("b").run().segmented_control(key="set").value == "b"
    assert not app.exception
