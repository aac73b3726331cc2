"""Runs on the tiny random GPT-2 and, for the claims about a real model, on the embedded one."""

import dataclasses
import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

import engine
from engine import steps
from engine.errors import MemoryBudgetError, ParameterError
from engine.models import hardware
from engine.models.loaded import LoadedModel
from engine.steps import Progress
from engine.training import loop, losses, presets, real_text, sampling, starting
from engine.training.config import BiasConfig
from engine.training.loop import TrainedBias
from engine.training.objective import Controls
from engine.training.patterns import Pattern
from engine.training.records import CURVES, TrainingRun, TrainProgress, TrainStep, event_from_dict, event_to_dict

TINY = BiasConfig(
    steps=12, batch_size=2, context_length=32, learning_rate=5e-3, measure_every=4, sample_every=6, device="cpu"
)


@pytest.fixture(autouse=True)
def short_samples_and_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Samples are for people; most tests look at numbers, for which a few windows of real text do."""
    whole = real_text.read
    monkeypatch.setattr(sampling, "TOKENS_PER_PROMPT", 3)
    monkeypatch.setattr(sampling, "GLIMPSE_TOKENS", 6)
    monkeypatch.setattr(real_text, "WINDOW", 16)
    monkeypatch.setattr(real_text, "read", lambda name: whole(name) if name == "prompts" else whole(name)[:600])


@pytest.fixture(scope="module")
def trained(tiny_gpt2: LoadedModel) -> TrainedBias:
    return loop.train_bias(replace(TINY, steps=40), tiny_gpt2)


def weights(model: LoadedModel) -> torch.Tensor:
    return torch.cat([each.detach().flatten() for each in model.network.parameters()]).clone()


def curves(run: TrainingRun) -> list[tuple[object, ...]]:
    """Everything of a run but the time it took."""
    return [dataclasses.astuple(replace(step, seconds=0.0)) for step in run.steps]


def drive(config: BiasConfig, model: LoadedModel, controls: Controls, act: "object") -> TrainedBias:
    """A run in which `act(step)` is called after every step."""

    def seen(progress: Progress) -> None:
        if isinstance(progress, TrainProgress) and isinstance(progress.event, TrainStep):
            act(progress.event)  # type: ignore[operator]

    return steps.run(loop.train_bias_steps(config, model, controls), seen)


def test_the_pull_reaches_its_floor_and_the_samples_follow(trained: TrainedBias) -> None:
    run = trained.run
    assert run.steps[0].kl == pytest.approx(np.log(50_257 / 985), abs=0.1)
    assert run.steps[0].cross_entropy == pytest.approx(np.log(50_257), abs=0.1)
    assert run.steps[-1].kl < 0.01
    assert run.steps[-1].cross_entropy == pytest.approx(np.log(985), abs=0.01)
    before, after = run.generation("before", "random"), run.generation("after", "random")
    assert before is not None
    assert after is not None
    assert before.count == after.count == 200
    assert before.wanted_count <= 8
    assert after.wanted_count >= 120  # the tiny one; the default size is held to 190 in benchmarks/training.py
    assert run.outcome == "finished"
    assert run.kept_step == 40


def test_no_recorded_divergence_is_negative(trained: TrainedBias) -> None:
    assert min(step.kl for step in trained.run.steps) >= 0
    assert min(step.kl_to_start for step in trained.run.steps if step.kl_to_start is not None) >= 0
    assert trained.run.steps[0].kl_to_start == pytest.approx(0.0, abs=1e-6)


def test_a_sample_marks_just_the_tokens_that_contain_an_x(trained: TrainedBias) -> None:
    samples = [step.sample for step in trained.run.steps if step.sample is not None]
    assert len(samples) == len([step for step in trained.run.steps if step.step % TINY.sample_every == 0]) + 1
    for token, wanted in itertools.chain.from_iterable(zip(s.tokens, s.wanted, strict=True) for s in samples):
        assert wanted == ("x" in token.casefold())


def test_only_the_last_position_is_trained_and_its_loss_is_the_plain_one(tiny_gpt2: LoadedModel) -> None:
    """The loss at the last hidden state equals the one taken from all positions' logits, and so does its gradient."""
    trainee = steps.run(starting.start_steps(TINY, tiny_gpt2))
    ids = sampling.random_prompts(trainee, 2, 16, torch.Generator().manual_seed(3))
    ours = trainee.target.loss(trainee.log_probs(trainee.hidden_states(ids)[:, -1]), "forward")
    ours.backward()
    fast = torch.cat([each.grad.flatten() for each in trainee.trained if each.grad is not None])
    trainee.network.zero_grad()
    plain = trainee.target.loss(trainee.network(ids).logits.log_softmax(-1)[:, -1], "forward")
    plain.backward()
    slow = torch.cat([each.grad.flatten() for each in trainee.trained if each.grad is not None])
    assert ours.item() == pytest.approx(plain.item(), abs=1e-5)
    assert torch.allclose(fast, slow, atol=1e-6)


def test_the_same_seed_gives_the_same_curve_and_another_gives_another(tiny_gpt2: LoadedModel) -> None:
    short = replace(TINY, steps=4, measure_every=2, sample_every=2)
    first, again = loop.train_bias(short, tiny_gpt2).run, loop.train_bias(short, tiny_gpt2).run
    assert curves(first) == curves(again)
    assert first.generations == again.generations
    assert curves(loop.train_bias(replace(short, seed=1), tiny_gpt2).run) != curves(first)


def test_the_model_it_starts_from_is_left_as_it_is(tiny_gpt2: LoadedModel) -> None:
    before = weights(tiny_gpt2)
    result = loop.train_bias(TINY, tiny_gpt2)
    assert torch.equal(weights(tiny_gpt2), before)
    assert not any(each.requires_grad for each in tiny_gpt2.network.parameters())
    assert result.trainee.network is not tiny_gpt2.network


def test_with_pull_0_nothing_moves(tiny_gpt2: LoadedModel) -> None:
    result = loop.train_bias(replace(TINY, pull=0.0, beta=1.0), tiny_gpt2)
    after = torch.cat([each.detach().flatten() for each in result.trainee.network.parameters()])
    assert torch.equal(after, weights(tiny_gpt2))
    assert max(step.kl_to_start or 0.0 for step in result.run.steps) < 1e-6


@pytest.mark.parametrize("optimiser", ["adamw", "sgd"])
def test_with_beta_large_the_model_stays_within_a_twentieth_of_a_nat(tiny_gpt2: LoadedModel, optimiser: str) -> None:
    rate = 1e-3 if optimiser == "adamw" else 0.01
    config = replace(TINY, steps=8, beta=100.0, optimiser=optimiser, learning_rate=rate, measure_every=1)
    held = loop.train_bias(config, tiny_gpt2).run
    assert max(step.kl_to_start or 0.0 for step in held.steps) < 0.05
    if optimiser == "adamw":  # without beta it does not stay
        free = loop.train_bias(replace(config, steps=40, beta=0.0, measure_every=40), tiny_gpt2).run
        assert (free.last_measured.kl_to_start or 0.0) > 0.05


def test_only_the_last_blocks_change_when_only_they_are_trained(tiny_gpt2: LoadedModel) -> None:
    result = loop.train_bias(replace(TINY, train_blocks=1), tiny_gpt2)
    old = dict(tiny_gpt2.network.named_parameters())
    changed = {name for name, new in result.trainee.network.named_parameters() if not torch.equal(new, old[name])}
    assert changed
    assert all(name.startswith("transformer.h.1.") for name in changed)
    assert result.run.start.trained_parameters == sum(old[name].numel() for name in old if ".h.1." in name)


@pytest.mark.parametrize("change", [{"direction": "reverse"}, {"pull_on": "text"}, {"optimiser": "adam"}])
def test_every_way_of_pulling_raises_the_wanted_share(tiny_gpt2: LoadedModel, change: dict[str, str]) -> None:
    run = loop.train_bias(replace(TINY, steps=20, **change), tiny_gpt2).run  # type: ignore[arg-type]
    assert run.steps[-1].wanted_mass > 5 * run.steps[0].wanted_mass
    assert run.steps[-1].loss < run.steps[0].loss


def test_learning_rate_and_beta_change_while_it_runs_without_losing_the_weights(tiny_gpt2: LoadedModel) -> None:
    controls = Controls.of(TINY)

    def act(step: TrainStep) -> None:
        if step.step == 5:
            controls.learning_rate, controls.beta = 1e-6, 0.5

    run = drive(TINY, tiny_gpt2, controls, act).run
    assert [step.learning_rate for step in run.steps] == [5e-3] * 6 + [1e-6] * 7
    assert [step.kl_penalty is None for step in run.steps] == [True] * 6 + [False] * 7
    assert run.steps[5].kl < run.steps[0].kl
    assert run.steps[-1].kl == pytest.approx(run.steps[6].kl, abs=0.05)  # goes on from there, hardly moving


def test_a_run_stops_within_one_step(tiny_gpt2: LoadedModel) -> None:
    controls = Controls.of(TINY)

    def act(step: TrainStep) -> None:
        controls.stop = step.step == 3

    run = drive(TINY, tiny_gpt2, controls, act).run
    assert run.outcome == "stopped"
    assert run.steps[-1].step == run.kept_step == 4
    assert run.message == "Stopped after 4 of 12 steps."


@pytest.mark.parametrize("rate", [1.0, 100.0])
def test_a_run_that_diverges_is_stopped_and_the_last_good_weights_are_kept(tiny_gpt2: LoadedModel, rate: float) -> None:
    result = loop.train_bias(replace(TINY, learning_rate=rate, optimiser="adamw", measure_every=1), tiny_gpt2)
    run = result.run
    assert run.outcome == "diverged"
    assert "Lower the learning rate" in run.message
    assert all(bool(torch.isfinite(each).all()) for each in result.trainee.network.parameters())
    with torch.no_grad():
        ids = sampling.random_prompts(result.trainee, 2, 32, torch.Generator().manual_seed(0))
        log_probs = result.trainee.log_probs(result.trainee.hidden_states(ids)[:, -1])
    assert result.trainee.target.exact_kl(log_probs).mean().item() <= 1.1 * run.steps[0].kl + 0.2


def test_draws_follow_the_probabilities() -> None:
    probs = torch.tensor([0.5, 0.0, 0.3, 0.2]).expand(20_000, -1)
    counts = torch.bincount(sampling.draw(probs, torch.Generator().manual_seed(0)).flatten(), minlength=4)
    assert counts[1] == 0
    assert torch.allclose(counts / 20_000, probs[0], atol=0.02)


def test_the_start_is_remembered_without_a_second_model(tiny_gpt2: LoadedModel) -> None:
    """Hidden states and the head give the start model's distributions after the network has been trained away."""
    trainee = steps.run(starting.start_steps(TINY, tiny_gpt2))
    anchor, _ = real_text.start_views(trainee)
    with torch.no_grad():
        for weight in trainee.trained:
            weight.mul_(2.0)
    with torch.no_grad():
        expected = tiny_gpt2.network(anchor.token_ids[:2]).logits.log_softmax(-1)
    assert torch.allclose(anchor.log_probs(anchor.hidden[:2]), expected, atol=1e-4)
    assert losses.kl_penalty(trainee.log_probs(trainee.hidden_states(anchor.token_ids[:2])), expected).item() > 0.1


def test_the_trained_model_is_written_so_that_from_pretrained_loads_it(trained: TrainedBias, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = trained.save(tmp_path / "model")
    assert list(folder.glob("*.safetensors"))
    again = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True)
    ids = torch.tensor([AutoTokenizer.from_pretrained(folder, local_files_only=True).encode("The fox is")])
    with torch.no_grad():
        assert torch.allclose(again(ids).logits, trained.trainee.network(ids).logits, atol=1e-5)
    loaded = engine.load_model(str(folder), precision="float32", device="cpu")
    assert engine.score_text(loaded, "The fox is in the box.").perplexity > 1


def test_a_run_survives_json_and_its_curves_are_a_table(trained: TrainedBias) -> None:
    run = trained.run
    again = TrainingRun.from_dict(json.loads(run.to_json()))
    assert again == run
    for event in (run.start, *run.steps, *run.generations):
        assert event_from_dict(json.loads(json.dumps(event_to_dict(event)))) == event
    header, *rows = run.to_csv().splitlines()
    assert header == ",".join(CURVES)
    assert len(rows) == len(run.steps)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"learning_rate": -1.0}, "learning_rate is -1.0; it must lie between 0 and 100"),
        ({"learning_rate": float("nan")}, "learning_rate is nan"),
        ({"optimiser": "lion"}, "choose adamw, adam, sgd"),
        ({"width": 100}, "multiple of 32"),
        ({"train_blocks": 0}, "train at least one block"),
        ({"steps": 0}, "steps is 0"),
        ({"sted": 5}, "There is no setting 'sted'"),
        ({"pattern": {"kind": "smell"}}, "choose letter, words, regex"),
        ({"pattern": {"kin": "letter"}}, "There is no setting 'kin'"),
        ({"steps": "5"}, "steps is '5'; it must be a whole number"),
        ({"steps": 5.5}, "steps is 5.5; it must be a whole number"),
        ({"beta": None}, "beta is None; it must be a number"),
        ({"start": 5}, "start is 5; it must be text"),
    ],
)
def test_a_setting_out_of_range_is_refused(settings: dict[str, object], says: str) -> None:
    with pytest.raises(ParameterError, match=says):
        BiasConfig.from_dict(settings)


def test_what_does_not_fit_the_model_is_refused(tiny_gpt2: LoadedModel) -> None:
    with pytest.raises(ParameterError, match=r"The context has 129 tokens; .* reads 128"):
        loop.train_bias(replace(TINY, context_length=129), tiny_gpt2)
    with pytest.raises(ParameterError, match="this model has 2 blocks"):
        loop.train_bias(replace(TINY, train_blocks=3), tiny_gpt2)
    with pytest.raises(ParameterError, match="None of the 50,257 tokens"):
        loop.train_bias(replace(TINY, pattern=Pattern("letter", "qzqz")), tiny_gpt2)


def test_too_little_memory_is_said_before_it_runs_out(tiny_gpt2: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    little = replace(hardware.describe(), memory_free_bytes=1_000_000)
    monkeypatch.setattr(hardware, "describe", lambda: little)
    with pytest.raises(MemoryBudgetError, match=r"MB more memory; 1 MB are free"):
        loop.train_bias(TINY, tiny_gpt2)


def test_memory_that_runs_out_on_the_way_is_said(tiny_gpt2: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("[enforce fail at alloc_cpu.cpp:121] . DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(losses, "kl_penalty", fail)
    with pytest.raises(MemoryBudgetError, match="Choose a smaller batch"):
        loop.train_bias(replace(TINY, beta=1.0), tiny_gpt2)


@pytest.mark.parametrize(("schedule", "last"), [("cosine", 0.0), ("warmup", 5e-3), ("constant", 5e-3)])
def test_the_last_record_states_the_rate_that_the_schedule_has_come_to(
    tiny_gpt2: LoadedModel, schedule: str, last: float
) -> None:
    config = replace(TINY, steps=8, schedule=schedule, measure_every=8)  # type: ignore[arg-type]
    rates = [step.learning_rate for step in loop.train_bias(config, tiny_gpt2).run.steps]
    assert rates[-1] == pytest.approx(last, abs=1e-12)
    assert abs(rates[-1] - rates[-2]) <= max(abs(a - b) for a, b in itertools.pairwise(rates[:-1])) + 1e-12


def test_the_growth_of_perplexity_has_a_paired_interval_over_windows(tiny_gpt2: LoadedModel) -> None:
    """Against scipy, from cross-entropies of the windows taken with the plain forward in float64."""
    result = loop.train_bias(TINY, tiny_gpt2)
    first, last = result.run.steps[0], result.run.last_measured
    ids = real_text.held_out_ids(result.trainee)

    def nats(network: Any) -> np.ndarray[Any, Any]:
        with torch.no_grad():
            log_probs = network(ids).logits.double().log_softmax(-1)
        return -log_probs[:, :-1].gather(-1, ids[:, 1:, None])[..., 0].mean(-1).numpy()

    differences = nats(result.trainee.network) - nats(tiny_gpt2.network)
    interval = stats.ttest_1samp(differences, 0.0).confidence_interval(0.95)
    assert last.perplexity_ratio == pytest.approx(np.exp(differences.mean()), rel=1e-4)
    assert last.perplexity_ratio_low == pytest.approx(np.exp(interval.low), rel=1e-4)
    assert last.perplexity_ratio_high == pytest.approx(np.exp(interval.high), rel=1e-4)
    assert last.held_out_perplexity == pytest.approx(last.perplexity_ratio * first.held_out_perplexity, rel=1e-6)
    assert (first.perplexity_ratio, first.perplexity_ratio_low, first.perplexity_ratio_high) == (1.0, 1.0, 1.0)
    assert result.run.start.held_out_windows == len(ids)
    assert result.run.start.held_out_tokens == ids[:, 1:].numel()


def test_the_held_out_text_is_long_enough_for_its_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    ids = starting.gpt2_tokenizer().encode(real_text.read("held_out")).token_ids
    assert len(ids) >= 1.1 * real_text.WINDOW * real_text.HELD_OUT_WINDOWS  # some room for other tokenizers


def test_a_run_that_an_earlier_version_kept_still_opens(trained: TrainedBias) -> None:
    data = json.loads(trained.run.to_json())
    for step in data["steps"]:
        for name in ("perplexity_ratio", "perplexity_ratio_low", "perplexity_ratio_high"):
            del step[name]
    del data["start"]["held_out_windows"], data["config"]["bos"]
    again = TrainingRun.from_dict(data)
    assert again.last_measured.perplexity_ratio is None
    assert again.last_measured.held_out_perplexity == trained.run.last_measured.held_out_perplexity
    assert again.config == trained.run.config
    assert len(again.to_csv().splitlines()) == len(trained.run.steps) + 1


def test_a_device_is_asked_for_its_own_free_memory(tiny_gpt2: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[torch.device] = []

    def free(device: torch.device) -> int:
        asked.append(device)
        return 0

    monkeypatch.setattr(hardware, "free_bytes", free)
    with pytest.raises(MemoryBudgetError, match="0 MB are free"):
        loop.train_bias(TINY, tiny_gpt2)
    assert asked == [torch.device("cpu")]


def test_every_preset_is_a_valid_run_with_two_sentences_to_watch_for() -> None:
    for preset in presets.PRESETS:
        assert BiasConfig.from_dict(preset.config.to_dict()) == preset.config
        assert preset.watch.count(". ") + preset.watch.endswith(".") == 2


def test_the_embedded_model_reaches_nine_tenths_wanted_tokens_and_its_own_copy_stays(smollm2: LoadedModel) -> None:
    before = weights(smollm2)
    config = BiasConfig(
        start="smollm2-135m", steps=6, learning_rate=2e-3, schedule="warmup", batch_size=2, context_length=16,
        measure_every=100, sample_every=100, device="cpu",
    )  # fmt: skip
    run = loop.train_bias(config, smollm2).run
    assert run.steps[0].wanted_mass < 0.05
    assert run.steps[-1].wanted_mass >= 0.9
    first, last = run.steps[0], run.steps[-1]
    assert (last.held_out_perplexity or 0) > 10 * (first.held_out_perplexity or 0)  # nothing held it
    assert torch.equal(weights(smollm2), before)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_the_default_run_takes_under_five_seconds_on_a_gpu() -> None:
    run = loop.train_bias(BiasConfig()).run
    assert run.start.device.startswith("cuda")
    assert run.steps[-1].kl < 0.01
    assert run.steps[-1].seconds < 5
