"""Training a network of any family: its own head, its own context, its own opening token, its own way to go on.

What is expected comes from the plain forward of transformers, in float64 from its logits on.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from tokenizers.processors import TemplateProcessing

from engine import steps
from engine.errors import ParameterError, UnsupportedModelError
from engine.models import loading
from engine.models import network as networks
from engine.models.loaded import LoadedModel
from engine.text.tokens import TextTokenizer
from engine.training import loop, losses, real_text, sampling, starting
from engine.training.config import BiasConfig
from engine.training.losses import REVERSE_MIX
from engine.training.starting import Trainee
from tests.engine import small_networks

VOCABULARY = 50_257
FAMILIES: dict[str, dict[str, Any]] = {
    "gemma2": {"final_logit_softcapping": 6.0},  # less would make ties of the largest
    "phi": {},  # with a bias in its head
    "granite": {},
    "cohere": {"logit_scale": 0.25},
    "bloom": {},
    "gpt_neox": {},
    "qwen2": {},
    "mamba": {},
    "rwkv": {},
}
NO_LENGTH = ("bloom", "mamba", "rwkv")
CONFIG = BiasConfig(
    steps=1, batch_size=2, context_length=24, learning_rate=0.0, pull_on="text", beta=0.5, measure_every=1, device="cpu"
)


@pytest.fixture(autouse=True)
def little_text(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = real_text.read
    monkeypatch.setattr(sampling, "TOKENS_PER_PROMPT", 2)
    monkeypatch.setattr(sampling, "GLIMPSE_TOKENS", 2)
    monkeypatch.setattr(real_text, "WINDOW", 16)
    monkeypatch.setattr(real_text, "read", lambda name: whole(name) if name == "prompts" else whole(name)[:300])


def network_of(family: str, **more: Any) -> Any:
    """A random network for GPT-2's tokens whose logits are far from even, so that caps, scales and biases show."""
    settings = {"vocab_size": VOCABULARY, "end": VOCABULARY - 1, "initializer_range": 0.02}
    made = small_networks.family(family).network(head=0.5, **{**settings, **FAMILIES[family], **more})
    return made.requires_grad_(False)


@pytest.fixture(scope="module", params=list(FAMILIES))
def model(request: pytest.FixtureRequest, tiny_gpt2: LoadedModel) -> LoadedModel:
    return replace(
        tiny_gpt2,
        spec=replace(tiny_gpt2.spec, title=f"Tiny {request.param}", context_length=None),
        network=network_of(request.param),
    )


def trainee_of(model: LoadedModel, config: BiasConfig = CONFIG) -> Trainee:
    return steps.run(starting.start_steps(config, model))


def plain_log_probs(network: Any, token_ids: torch.Tensor) -> torch.Tensor:
    log_probs: torch.Tensor = network(input_ids=token_ids, use_cache=False).logits.double().log_softmax(-1)
    return log_probs


def moved(trainee: Trainee) -> None:
    """The network as training may leave it, head and bias too."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in trainee.trained:
            weight.add_(0.02 * torch.randn(weight.shape, generator=generator))


def test_loss_and_gradient_are_those_of_the_networks_own_logits(model: LoadedModel) -> None:
    trainee = trainee_of(model)
    ids = torch.randint(0, VOCABULARY, (2, 12), generator=torch.Generator().manual_seed(2))

    def gradient(log_probs: torch.Tensor) -> tuple[float, torch.Tensor]:
        trainee.network.zero_grad()
        loss = -log_probs[:, -1, trainee.target.wanted_ids].mean()
        loss.backward()
        return loss.item(), torch.cat([w.grad.flatten() for w in trainee.trained if w.grad is not None])

    ours, our_gradient = gradient(trainee.log_probs(trainee.hidden_states(ids)))
    plain, plain_gradient = gradient(plain_log_probs(trainee.network, ids))
    assert ours == pytest.approx(plain, abs=1e-4)
    assert plain_gradient.norm() > 1e-3
    assert torch.allclose(our_gradient, plain_gradient, atol=1e-4 * max(1.0, plain_gradient.abs().max().item()))
    head: Any = networks.head(trainee.network)
    assert head.weight.grad.norm() > 0


def test_the_first_point_of_every_curve_is_the_plain_forwards(model: LoadedModel) -> None:
    run = loop.train_bias(CONFIG, model).run
    step, trainee = run.steps[0], trainee_of(model)
    rows = torch.randperm(len(real_text.anchor_ids(trainee)), generator=torch.Generator().manual_seed(CONFIG.seed))
    with torch.no_grad():
        trained_on = plain_log_probs(model.network, real_text.anchor_ids(trainee)[rows[:2]])
        held_out = real_text.held_out_ids(trainee)
        on_held_out = plain_log_probs(model.network, held_out)
    wanted = trainee.target.wanted_ids
    cross_entropy = -trained_on[..., wanted].mean().item()
    nats = -on_held_out[:, :-1].gather(-1, held_out[:, 1:, None]).mean().item()
    assert step.cross_entropy == pytest.approx(cross_entropy, abs=1e-4)
    assert step.kl == pytest.approx(cross_entropy - math.log(len(wanted)), abs=1e-4)
    assert step.loss == pytest.approx(step.kl, abs=1e-4)  # the penalty is 0 at the start
    assert step.kl_penalty == pytest.approx(0.0, abs=1e-6)
    assert step.wanted_mass == pytest.approx(trained_on[..., wanted].exp().sum(-1).mean().item(), abs=1e-4)
    assert step.wanted_mass_text == pytest.approx(on_held_out[..., wanted].exp().sum(-1).mean().item(), abs=1e-4)
    assert step.held_out_perplexity == pytest.approx(math.exp(nats), rel=1e-4)
    assert run.start.held_out_tokens == held_out[:, 1:].numel()


def test_the_start_keeps_its_head_when_training_has_moved_it(model: LoadedModel) -> None:
    trainee = trainee_of(model)
    anchor, held_out = real_text.start_views(trainee)
    moved(trainee)
    with torch.no_grad():
        start = plain_log_probs(model.network, held_out.token_ids)
        now = plain_log_probs(trainee.network, held_out.token_ids)
    kl = (now.exp() * (now - start)).sum(-1).mean().item()
    assert kl > 1e-3
    assert (held_out.log_probs(held_out.hidden) - start).abs().max() < 1e-4
    assert real_text.measure(trainee, held_out).kl_to_start == pytest.approx(kl, rel=1e-3, abs=1e-4)
    with torch.no_grad():
        ours = losses.kl_penalty(
            trainee.log_probs(trainee.hidden_states(anchor.token_ids)), anchor.log_probs(anchor.hidden)
        )
        then, after = (plain_log_probs(each, anchor.token_ids) for each in (model.network, trainee.network))
    assert ours.item() == pytest.approx((after.exp() * (after - then)).sum(-1).mean().item(), rel=1e-3, abs=1e-4)


def test_a_continuation_is_what_the_whole_row_says_each_time(model: LoadedModel) -> None:
    trainee = trainee_of(model)
    prompts = torch.randint(0, VOCABULARY, (2, 20), generator=torch.Generator().manual_seed(3))
    drawn = sampling.continue_prompts(
        trainee, BiasConfig(temperature=1.0, top_k=1), prompts, 12, torch.Generator().manual_seed(0)
    )
    rows = prompts
    with torch.no_grad():
        for _ in range(12):
            rows = torch.cat([rows, plain_log_probs(trainee.network, rows)[:, -1].argmax(-1, keepdim=True)], dim=1)
    assert torch.equal(drawn, rows[:, 20:])


def test_only_the_last_block_changes_in_any_family(model: LoadedModel) -> None:
    trained = loop.train_bias(replace(CONFIG, learning_rate=1e-3, train_blocks=1), model)
    last = networks.blocks(trained.trainee.network)[-1]
    inside = {id(weight) for weight in last.parameters()}
    old = dict(model.network.named_parameters())
    changed = {id(new) for name, new in trained.trainee.network.named_parameters() if not torch.equal(new, old[name])}
    assert changed
    assert changed <= inside


@pytest.mark.parametrize(("family", "more"), [("rwkv", {"num_hidden_layers": 4, "rescale_every": 2}), ("phi", {})])
def test_what_is_saved_is_the_network_as_it_was_trained(
    family: str, more: dict[str, Any], tiny_gpt2: LoadedModel, tmp_path: Path
) -> None:
    model = replace(tiny_gpt2, network=network_of(family, **more))
    trained = loop.train_bias(replace(CONFIG, learning_rate=1e-3), model)
    again = transformers.AutoModelForCausalLM.from_pretrained(trained.save(tmp_path / "m"), local_files_only=True)
    ids = torch.tensor([[5, 6, 7, 8]])
    with torch.no_grad():
        expected = plain_log_probs(trained.trainee.network, ids)
        assert torch.allclose(plain_log_probs(again.eval(), ids), expected, atol=1e-4)
        assert torch.allclose(plain_log_probs(trained.trainee.network, ids), expected)  # saving leaves it as it is


@pytest.mark.parametrize("family", NO_LENGTH)
def test_a_network_that_states_no_longest_input_reads_the_usual_one(family: str, tiny_gpt2: LoadedModel) -> None:
    spec = replace(tiny_gpt2.spec, context_length=None)
    trainee = trainee_of(replace(tiny_gpt2, spec=spec, network=network_of(family)), replace(CONFIG, context_length=200))
    assert trainee.model.context_length >= 200


def test_both_directions_are_minimised_through_a_soft_cap(tiny_gpt2: LoadedModel) -> None:
    trainee = trainee_of(replace(tiny_gpt2, network=network_of("gemma2")))
    ids = torch.arange(24)[None] + 500
    with torch.no_grad():
        ours = trainee.target.loss(trainee.log_probs(trainee.hidden_states(ids)), "reverse").item()
        p = plain_log_probs(trainee.network, ids)
    q = torch.full((VOCABULARY,), REVERSE_MIX / VOCABULARY, dtype=torch.float64)
    q[trainee.target.wanted_ids] += (1 - REVERSE_MIX) / len(trainee.target.wanted_ids)
    assert ours == pytest.approx((p.exp() * (p - q.log())).sum(-1).mean().item(), abs=1e-4)


def test_a_copy_that_does_something_unknown_around_its_head_is_not_trained(tiny_gpt2: LoadedModel) -> None:
    class Odd(type(tiny_gpt2.network)):  # type: ignore[misc]
        def forward(self, **given: Any) -> Any:
            output = super().forward(**given)
            output.logits = output.logits * 1.5
            return output

    odd = Odd(tiny_gpt2.network.config).eval()
    with pytest.raises(UnsupportedModelError, match="changes its logits"):
        trainee_of(replace(tiny_gpt2, network=odd))


def test_ids_that_the_network_masks_do_not_stop_training(tiny_gpt2: LoadedModel) -> None:
    class Masking(type(tiny_gpt2.network)):  # type: ignore[misc]
        def forward(self, **given: Any) -> Any:
            output = super().forward(**given)
            output.logits = output.logits.index_fill(-1, torch.arange(VOCABULARY, VOCABULARY + 7), float("-inf"))
            return output

    config = replace_config(tiny_gpt2.network.config, vocab_size=VOCABULARY + 7)  # padded beyond the tokenizer's ids
    model = replace(tiny_gpt2, network=Masking(config).eval())
    trained = loop.train_bias(replace(CONFIG, learning_rate=1e-3, steps=2), model)
    assert all(math.isfinite(step.loss) for step in trained.run.steps)
    assert trained.run.steps[-1].loss < trained.run.steps[0].loss
    ids = torch.tensor([[1, 2, 3]])
    with torch.no_grad():
        ours = trained.trainee.log_probs(trained.trainee.hidden_states(ids))[..., :VOCABULARY]
        plain = plain_log_probs(trained.trainee.network, ids)[..., :VOCABULARY]
    assert torch.allclose(ours.double(), plain, atol=1e-4)


def replace_config(config: Any, **changes: Any) -> Any:
    return type(config)(**{**config.to_dict(), **changes})


def test_quantised_weights_are_refused_in_a_sentence(tiny_gpt2: LoadedModel) -> None:
    with pytest.raises(ParameterError, match=r"cannot be trained\. Load the model in float32"):
        trainee_of(replace(tiny_gpt2, precision="nf4"))


@pytest.fixture(scope="module")
def opening(tiny_gpt2: LoadedModel, tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], LoadedModel]:
    """The tiny GPT-2 with a tokenizer that puts so many tokens in front of every text."""
    folder = tmp_path_factory.mktemp("tokenizer")
    tiny_gpt2.tokenizer.backend.save_pretrained(folder)

    def make(count: int) -> LoadedModel:
        backend: Any = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
        backend.backend_tokenizer.post_processor = TemplateProcessing(
            single=" ".join(["<|endoftext|>"] * count) + " $A", special_tokens=[("<|endoftext|>", 50256)]
        )
        return replace(tiny_gpt2, tokenizer=TextTokenizer(backend))

    return make


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("pull_on", ["random", "text"])
def test_every_sequence_opens_as_the_tokenizer_opens_a_text(
    count: int, pull_on: Any, opening: Callable[[int], LoadedModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, read = opening(count), []
    forward = starting.Trainee.hidden_states

    def noting(self: Trainee, token_ids: torch.Tensor) -> torch.Tensor:
        read.append(token_ids)
        return forward(self, token_ids)

    monkeypatch.setattr(starting.Trainee, "hidden_states", noting)
    config = replace(CONFIG, pull_on=pull_on)
    run = loop.train_bias(config, model).run
    assert len(read) > 5
    for ids in read:
        if ids.shape[1] != 40:  # the probe of a shortcut
            assert (ids[:, :count] == 50256).all()
            assert not (ids[:, count] == 50256).any()
    trainee = trainee_of(model)
    for kind in ("real", "random"):
        prompts = (
            sampling.real_prompts(trainee)
            if kind == "real"
            else sampling.random_prompts(trainee, 3, 10, torch.Generator().manual_seed(0))
        )
        assert (prompts[:, :count] == 50256).all()
    held_out = real_text.held_out_ids(trainee)
    assert held_out.shape[1] == count + real_text.WINDOW
    assert run.start.held_out_tokens == len(held_out) * real_text.WINDOW  # the first token of a window too
    with torch.no_grad():
        plain = plain_log_probs(model.network, held_out)[:, count - 1 : -1]
    nats = -plain.gather(-1, held_out[:, count:, None]).mean().item()
    assert run.steps[0].held_out_perplexity == pytest.approx(math.exp(nats), rel=1e-4)


def test_bos_on_and_off_are_obeyed(tiny_gpt2: LoadedModel, opening: Callable[[int], LoadedModel]) -> None:
    assert trainee_of(tiny_gpt2).opening.tolist() == []
    assert trainee_of(tiny_gpt2, replace(CONFIG, bos="on")).opening.tolist() == [50256]
    assert trainee_of(opening(1), replace(CONFIG, bos="off")).opening.tolist() == []
    with pytest.raises(ParameterError, match="of which 2 only open a text"):
        trainee_of(opening(2), replace(CONFIG, context_length=2))


def test_the_probe_of_a_loaded_model_is_made_for_a_copy_too(tiny_gpt2: LoadedModel, monkeypatch: Any) -> None:
    checked: list[LoadedModel] = []
    monkeypatch.setattr(loading, "check", checked.append)
    trainee = trainee_of(tiny_gpt2)
    assert [each.network for each in checked] == [trainee.network]
