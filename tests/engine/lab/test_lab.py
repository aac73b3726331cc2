"""The lab's computations: relations with known information, bias by simulation, models looked into."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine import measures, steps
from engine.correlations import pearson
from engine.errors import ComparisonError, InputError, ParameterError, TextError, UnsupportedModelError
from engine.lab import activations, bias, estimators, next_token, relations
from engine.lab import neurons as engine_neurons
from engine.lab.neurons import NeuronInformation, Settings, neuron_information_steps
from engine.measures.binning import column_codes
from engine.models.loaded import LoadedModel

TEXT = "The goal of a correlation analysis is to measure how strongly two variables are related to each other. " * 3


# Relations


@pytest.mark.parametrize("name", [relation.name for relation in relations.RELATIONS])
def test_exact_information_is_where_nearest_neighbours_point(name: str) -> None:
    x, y = relations.sample(name, 3_000, 0.3, seed=0)
    exact = relations.exact_mutual_information(name, 0.3)
    found = measures.nearest_neighbour_mutual_information(x, y, neighbours=5)
    assert found == pytest.approx(exact, abs=0.06)


@pytest.mark.parametrize("name", ["quadratic", "circle", "sine", "step"])
def test_exact_information_falls_with_noise(name: str) -> None:
    values = [relations.exact_mutual_information(name, noise) for noise in (0.02, 0.1, 0.4, 2.0)]
    assert values == sorted(values, reverse=True)
    assert values[-1] > 0


def test_exact_information_at_the_ends() -> None:
    assert relations.exact_mutual_information("linear", 1.0) == pytest.approx(np.log(2) / 2)
    assert relations.exact_mutual_information("step", 0.0) == pytest.approx(np.log(2))
    assert relations.exact_mutual_information("step", 0.02) == pytest.approx(np.log(2), abs=1e-9)
    assert relations.exact_mutual_information("independent", 0.5) == 0.0
    assert relations.exact_mutual_information("circle", 0.0) == np.inf


def test_one_seed_gives_one_sample() -> None:
    for relation in relations.RELATIONS:
        first, again = (relations.sample(relation.name, 50, 0.1, seed=7) for _ in range(2))
        other = relations.sample(relation.name, 50, 0.1, seed=8)
        np.testing.assert_array_equal(first, again)
        assert not np.array_equal(first, other)


def test_covariance_does_not_see_the_circle_and_the_parabola() -> None:
    for name in ("circle", "quadratic"):
        x, y = relations.sample(name, 5_000, 0.1, seed=0)
        assert abs(pearson(x, y)) < 0.05
        assert relations.exact_mutual_information(name, 0.1) > 0.5


def test_unknown_relations_and_noise_out_of_range_are_refused() -> None:
    with pytest.raises(ParameterError, match="no relation 'spiral'; use one of independent"):
        relations.sample("spiral", 10, 0.1, 0)
    for noise in (-1.0, 0.001, float("nan")):
        with pytest.raises(ParameterError, match="noise"):
            relations.exact_mutual_information("sine", noise)


# Bias


def test_fifteen_bins_make_four_to_five_tenths_of_nothing_near_250_uniform_samples() -> None:
    few, many = bias.samples_with_bias(0.5), bias.samples_with_bias(0.4)
    assert 215 <= few < many <= 300
    x, y = np.random.default_rng(99).uniform(size=(2, 250, 40))
    estimates = [measures.histogram_mutual_information(x[:, i], y[:, i], 15) for i in range(40)]
    assert 0.4 < np.mean(estimates) < 0.5
    nearest = [measures.nearest_neighbour_mutual_information(x[:, i], y[:, i]) for i in range(10)]
    assert np.mean(nearest) < 0.05


def test_normal_samples_show_that_bias_at_fewer_samples() -> None:
    assert 140 <= bias.samples_with_bias(0.5, marginal="normal") < bias.samples_with_bias(0.4, marginal="normal") < 215


def test_first_order_holds_where_cells_are_filled_and_not_where_they_are_empty() -> None:
    table = bias.independent_bias([5, 15], [60, 10_000], repeats=40)
    first_order = [[measures.first_order_bias(b, b, int(n)) for n in table.columns] for b in table.rows]
    assert table.bias[0, 1] == pytest.approx(first_order[0][1], rel=0.15)
    assert table.bias[1, 1] == pytest.approx(first_order[1][1], rel=0.1)
    assert table.bias[1, 0] < 0.85 * first_order[1][0]


def test_more_bins_than_samples_have_no_bias_to_show() -> None:
    assert np.isnan(bias.independent_bias([30], [20]).bias).all()


def test_bias_is_not_flat_for_few_samples_and_flat_for_many_and_weak_relations() -> None:
    table = bias.bias_against_truth([200, 10_000], [0.0, 0.3, 0.9], 15)
    few, many = table.bias
    assert few[0] - few[2] > 0.2
    assert abs(many[0] - many[1]) < 0.02
    assert many[2] < -0.05


def test_entropy_estimates_approach_the_truth_from_below() -> None:
    table = bias.entropy_bias(50, [10, 100, 5_000], "zipf")
    assert (np.diff(table.plug_in) > 0).all()
    assert (table.plug_in < table.miller_madow).all()
    assert table.plug_in[-1] == pytest.approx(table.truth, abs=0.01)


def test_biases_that_cannot_be_had_are_refused() -> None:
    with pytest.raises(ParameterError, match="below ln 15"):
        bias.samples_with_bias(3.0)
    with pytest.raises(ParameterError, match="no shape"):
        bias.entropy_bias(5, [10], "square")  # type: ignore[arg-type]


def test_all_estimates_are_those_of_each_function() -> None:
    x, y = relations.sample("sine", 300, 0.2, seed=0)
    timed = {one.name: one for one in estimators.all_estimates(x, y, bins=8)}
    assert timed["equal_width"].value == measures.histogram_mutual_information(x, y, 8)
    assert timed["percentile"].value == measures.histogram_mutual_information(x, y, 8, "percentile")
    assert timed["nearest"].value == measures.nearest_neighbour_mutual_information(x, y, 3)
    assert timed["shuffled"].value < timed["equal_width"].value
    assert all(one.seconds > 0 for one in timed.values())


# Predictions of a model


def predicted(model: LoadedModel, text: str, position: int | None = None) -> next_token.NextToken:
    return steps.run(next_token.next_token_steps(model, text, position))


def test_a_prediction_is_the_softmax_of_the_last_logits(tiny_gpt2: LoadedModel) -> None:
    found = predicted(tiny_gpt2, "The cat sat on the mat", 3)
    ids = torch.from_numpy(tiny_gpt2.tokenizer.encode("The cat sat on the mat").token_ids[None, :3])
    with torch.no_grad():
        expected = torch.log_softmax(tiny_gpt2.network(ids).logits[0, -1].double(), -1).numpy()
    np.testing.assert_allclose(found.log_probs, expected, atol=1e-5)
    assert found.tokens[:3] == ("The", " cat", " sat")
    assert found.listed[found.actual_id] == " on"


def test_bars_sum_to_one_and_never_exceed_the_whole_divergence(tiny_gpt2: LoadedModel) -> None:
    a = predicted(tiny_gpt2, "The cat sat on the mat")
    b = next_token.at_temperature(predicted(tiny_gpt2, "Once upon a time there was"), 0.2)
    bars = next_token.shared_bars(a, b, shown=5)
    assert len(bars.labels) == len(bars.p) == 6
    assert bars.p.sum() == pytest.approx(1)
    assert float(measures.kl_divergence(bars.p, bars.q)) <= bars.kl_pq
    assert bars.js <= np.log(2)
    assert next_token.shared_bars(a, a).kl_pq == 0.0


def test_temperature_one_changes_nothing_and_a_high_one_flattens(tiny_gpt2: LoadedModel) -> None:
    prediction = predicted(tiny_gpt2, "The cat")
    np.testing.assert_allclose(next_token.at_temperature(prediction, 1.0).log_probs, prediction.log_probs, atol=1e-9)
    flat = next_token.at_temperature(prediction, 1e6).log_probs
    assert float(measures.entropy(np.exp(flat))) == pytest.approx(np.log(flat.size), abs=1e-6)


def test_positions_outside_the_text_and_no_text_are_refused(tiny_gpt2: LoadedModel) -> None:
    with pytest.raises(ParameterError, match="cut after token 1 to 2"):
        predicted(tiny_gpt2, "The cat", 3)
    with pytest.raises(TextError, match="empty"):
        predicted(tiny_gpt2, "")


def test_models_of_unlike_vocabularies_have_no_divergence(tiny_gpt2: LoadedModel, smollm2: LoadedModel) -> None:
    with pytest.raises(ComparisonError, match="different tokens"):
        steps.run(next_token.next_token_pair_steps(tiny_gpt2, smollm2, "The cat"))


# Neurons


@pytest.fixture(scope="module")
def measured(tiny_gpt2: LoadedModel) -> NeuronInformation:
    return steps.run(neuron_information_steps(tiny_gpt2, TEXT, Settings(neurons=20, nearest_pairs=5, bins=6)))


def test_feed_forward_activations_are_what_the_last_projection_reads(tiny_gpt2: LoadedModel) -> None:
    taken = steps.run(activations.activation_steps(tiny_gpt2, TEXT[:120]))
    ids = torch.from_numpy(tiny_gpt2.tokenizer.encode(TEXT[:120]).token_ids[None])
    block = tiny_gpt2.network.transformer.h[0]
    with torch.no_grad():
        hidden = tiny_gpt2.network(ids, output_hidden_states=True).hidden_states
        inside = hidden[0] + block.attn(block.ln_1(hidden[0]))[0]
        expected = block.mlp.act(block.mlp.c_fc(block.ln_2(inside)))[0].numpy()
    assert taken.values.shape == (2, ids.shape[1], 256)
    np.testing.assert_allclose(taken.values[0], expected, atol=1e-5)


def test_the_residual_stream_is_the_output_of_each_block(tiny_gpt2: LoadedModel) -> None:
    taken = steps.run(activations.activation_steps(tiny_gpt2, TEXT[:120], "residual"))
    ids = torch.from_numpy(tiny_gpt2.tokenizer.encode(TEXT[:120]).token_ids[None])
    with torch.no_grad():
        hidden = tiny_gpt2.network(ids, output_hidden_states=True).hidden_states
    np.testing.assert_allclose(taken.values[0], hidden[1][0].numpy(), atol=1e-5)


def test_no_hook_stays_on_the_pooled_model(tiny_gpt2: LoadedModel) -> None:
    def hooks() -> list[tuple[int, int]]:
        modules = tiny_gpt2.network.modules()
        return [(len(module._forward_hooks), len(module._forward_pre_hooks)) for module in modules]

    before = hooks()
    for site in activations.SITES:
        steps.run(activations.activation_steps(tiny_gpt2, TEXT, site))
    assert hooks() == before


def test_texts_longer_than_the_context_are_read_in_windows(tiny_gpt2: LoadedModel) -> None:
    text = TEXT * 4
    taken = steps.run(activations.activation_steps(tiny_gpt2, text))
    ids = tiny_gpt2.tokenizer.encode(text).token_ids
    assert len(ids) > 128
    assert taken.values.shape[1] == len(ids)
    alone = steps.run(activations.activation_steps(tiny_gpt2, "".join(taken.tokens[:128])))
    np.testing.assert_allclose(taken.values[:, :128], alone.values, atol=1e-5)


def test_entropies_are_those_of_each_neuron_alone(tiny_gpt2: LoadedModel, measured: NeuronInformation) -> None:
    taken = steps.run(activations.activation_steps(tiny_gpt2, TEXT)).without_first()
    sample = taken.values[1, :, 7].astype(np.float64)
    counts = np.bincount(measures.bin_codes(sample, measures.bin_edges(sample, 6)))
    assert measured.entropies[1, 7] == pytest.approx(measures.entropy_of_counts(counts), abs=1e-9)


def test_pairs_are_the_histogram_estimate_of_their_activations(measured: NeuronInformation) -> None:
    i, j = 2, 15
    x, y = measured.values[:, i].astype(np.float64), measured.values[:, j].astype(np.float64)
    assert measured.information[i, j] == pytest.approx(measures.histogram_mutual_information(x, y, 6), abs=1e-9)
    assert measured.correlation[i, j] == pytest.approx(np.corrcoef(x, y)[0, 1], abs=1e-6)
    a, b = measured.nearest_pairs[0]
    expected = measures.nearest_neighbour_mutual_information(
        measured.values[:, a].astype(np.float64), measured.values[:, b].astype(np.float64)
    )
    assert measured.nearest[0] == pytest.approx(expected, abs=1e-6)


def autoregressive(columns: int, samples: int, seed: int) -> np.ndarray:
    """Independent series (samples, columns) that each keep nine tenths of their last value."""
    noise = np.random.default_rng(seed).normal(size=(samples + 200, columns))
    series = np.zeros_like(noise)
    for row in range(1, len(noise)):
        series[row] = 0.9 * series[row - 1] + noise[row]
    return series[200:]


def test_independent_series_with_a_memory_have_nothing_above_the_baseline() -> None:
    series = autoregressive(60, 500, seed=0)
    codes = column_codes(series, 8)
    pairs = np.triu_indices(60, 1)
    raw = measures.pairwise_mutual_information(series, 8)[pairs]
    baseline = steps.run(engine_neurons._baseline_steps(codes, Settings()))[pairs]
    # The same pairs with shuffled tokens, which is what independent tokens would show.
    shuffled = np.random.default_rng(1).permuted(series, axis=0)
    left_by_shuffling = (raw - measures.pairwise_mutual_information(shuffled, 8)[pairs]).mean()
    assert left_by_shuffling > 0.03
    assert abs((raw - baseline).mean()) < 0.004


def test_what_two_series_share_stays_above_the_baseline() -> None:
    own = autoregressive(3, 500, seed=0)
    series = own[:, 1:] + own[:, :1]
    codes = column_codes(series, 8)
    raw = measures.pairwise_mutual_information(series, 8)
    baseline = steps.run(engine_neurons._baseline_steps(codes, Settings()))
    assert raw[0, 1] - baseline[0, 1] > 0.08  # ln(4/3) / 2 = .144 for normals that share half their variance


@given(samples=st.integers(15, 3000), count=st.integers(1, 8), seed=st.integers(0, 20))
def test_shifts_stay_away_from_where_they_would_undo_nothing(samples: int, count: int, seed: int) -> None:
    lags = engine_neurons.shifts(samples, count, seed)
    assert lags == engine_neurons.shifts(samples, count, seed)
    assert len(set(lags)) == count
    assert all(min(lag, samples - lag) >= samples / 10 for lag in lags)


def test_a_baseline_is_the_estimate_of_the_pair_so_shifted() -> None:
    x, y = autoregressive(2, 40, seed=3).T
    moved = steps.run(measures.pairwise_mutual_information_steps(column_codes(np.c_[x, y], 5), 5, lag=7))
    expected = measures.histogram_mutual_information(x, np.roll(y, 7), 5)
    assert moved[0, 1] == pytest.approx(expected, abs=1e-12)


def test_neurons_are_spread_over_layers_or_taken_from_one(tiny_gpt2: LoadedModel, measured: NeuronInformation) -> None:
    assert measured.layers.tolist() == [0] * 10 + [1] * 10
    one = steps.run(neuron_information_steps(tiny_gpt2, TEXT, Settings(neurons=12, nearest_pairs=0, layer=1)))
    assert one.layers.tolist() == [1] * 12
    assert one.nearest.size == 0


def test_layers_are_compared_by_the_mean_of_their_pairs(measured: NeuronInformation) -> None:
    between = measured.between_layers(measured.above_baseline)
    assert between.shape == (2, 2)
    assert between[0, 1] == pytest.approx(measured.above_baseline[:10, 10:].mean())
    assert between[0, 0] == pytest.approx(np.nanmean(measured.above_baseline[:10, :10]))


def test_the_first_token_is_left_out_unless_asked_for(tiny_gpt2: LoadedModel, measured: NeuronInformation) -> None:
    whole = steps.run(neuron_information_steps(tiny_gpt2, TEXT, Settings(neurons=4, skip_first=False)))
    assert whole.tokens[1:] == measured.tokens


def test_work_on_neurons_reports_each_stage(tiny_gpt2: LoadedModel) -> None:
    seen: list[str] = []
    work = neuron_information_steps(tiny_gpt2, TEXT, Settings(neurons=4, nearest_pairs=3))
    steps.run(work, lambda progress: seen.append(progress.message))
    assert list(dict.fromkeys(seen)) == [
        "Reading with Tiny GPT-2, float32",
        "Entropy of each neuron",
        "Mutual information of all pairs",
        "Baseline by shifts along the text",
        "Nearest-neighbour estimate for a sample of pairs",
    ]


def test_what_cannot_be_measured_on_a_model_is_refused(tiny_gpt2: LoadedModel) -> None:
    cases: list[tuple[str, Settings, type[InputError], str]] = [
        ("Too short", Settings(), TextError, "at least 16"),
        (TEXT, Settings(bins=100), TextError, "more text"),
        (TEXT, Settings(layer=9), ParameterError, "no layer 9; .* has 0 to 1"),
        (TEXT, Settings(neurons=1000), ParameterError, "from 2 to 256"),
        (TEXT, Settings(site="attention"), ParameterError, "no site"),  # type: ignore[arg-type]
    ]
    for text, settings, kind, said in cases:
        with pytest.raises(kind, match=said):
            steps.run(neuron_information_steps(tiny_gpt2, text, settings))


def test_a_network_of_another_build_is_refused(tiny_gpt2: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activations, "LAST_PROJECTIONS", ())
    with pytest.raises(UnsupportedModelError, match="residual stream instead"):
        steps.run(activations.activation_steps(tiny_gpt2, TEXT))


def test_memory_is_bounded_by_keeping_fewer_neurons(tiny_gpt2: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activations, "MOST_BYTES", 40_000)
    taken = steps.run(activations.activation_steps(tiny_gpt2, TEXT))
    assert taken.width == 256
    assert taken.values.nbytes <= 40_000
    assert len(set(taken.neurons.tolist())) == taken.neurons.size


def test_the_embedded_model_can_be_looked_into(smollm2: LoadedModel) -> None:
    found = steps.run(neuron_information_steps(smollm2, TEXT, Settings(neurons=60, nearest_pairs=2)))
    assert found.entropies.shape == (30, 1536)
    assert 0 < np.median(found.entropies) < np.log(8)
