"""Loading: precisions, what is refused and how it is said, and that our head is the network's own."""

import functools
import json
import logging
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from engine import sources
from engine.errors import MemoryBudgetError, ModelAbsentError, ModelFilesError, ParameterError, UnsupportedModelError
from engine.models import footprint, loading, registry
from engine.models.loaded import PRECISIONS, LoadedModel, Precision, ScoringModel
from engine.models.loading import load_model
from engine.sources.kinds import LocalPath, ModelSpec

IDS = torch.tensor([[15496, 995, 11, 314, 716, 257, 3303, 2746]])


@pytest.fixture(scope="module")
def saved(tiny_gpt2: LoadedModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny GPT-2 as a directory."""
    path = tmp_path_factory.mktemp("saved")
    tiny_gpt2.network.save_pretrained(path)
    tiny_gpt2.tokenizer.backend.save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def loaded(saved: Path) -> Callable[[str], LoadedModel]:
    """The tiny GPT-2 in a precision, loaded once each."""
    return functools.cache(lambda precision: load_model(str(saved), precision, "cpu"))


@pytest.fixture
def copy(saved: Path, tmp_path: Path) -> Path:
    """A directory to damage."""
    for file in saved.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


def own_logits(model: LoadedModel) -> torch.Tensor:
    with torch.inference_mode():
        logits: torch.Tensor = model.network(input_ids=IDS).logits
    return logits.float()


def our_logits(model: LoadedModel) -> torch.Tensor:
    return model.logits(model.hidden_states(IDS)).float()


def test_a_loaded_model_is_what_scoring_asks_for(tiny_gpt2: LoadedModel) -> None:
    assert isinstance(tiny_gpt2, ScoringModel)
    assert tiny_gpt2.key == "tiny-gpt2@l2w64h2c128s0/float32/cpu"
    assert tiny_gpt2.title == "Tiny GPT-2, float32"
    assert (tiny_gpt2.vocab_size, tiny_gpt2.context_length, tiny_gpt2.bos_id) == (50257, 128, 50256)


def test_a_loaded_model_cannot_be_trained_by_accident(tiny_gpt2: LoadedModel) -> None:
    assert not tiny_gpt2.network.training
    assert not any(parameter.requires_grad for parameter in tiny_gpt2.network.parameters())
    assert tiny_gpt2.network.config._attn_implementation == "sdpa"


@pytest.mark.parametrize("precision", PRECISIONS)
def test_head_of_body_is_the_network_in_every_precision(
    loaded: Callable[[str], LoadedModel], precision: Precision
) -> None:
    model = loaded(precision)
    ours, own = our_logits(model), own_logits(model)
    if precision == "bfloat16":  # the network rounds its logits to 8 bits, ours are of the same numbers in float32
        ours = ours.bfloat16().float()
        assert (ours == own).float().mean() > 0.98
        assert torch.allclose(ours, own, rtol=2**-7, atol=1e-3)
    else:
        assert torch.allclose(ours, own, atol=1e-3)
    assert model.precision == precision


def test_logits_of_a_bfloat16_model_are_those_of_its_head_in_float32(loaded: Callable[[str], LoadedModel]) -> None:
    model = loaded("bfloat16")
    hidden = model.hidden_states(IDS)
    weight: Any = model.network.get_output_embeddings().weight
    exact = hidden.double() @ weight.double().T
    assert model.logits(hidden).dtype == torch.float32
    assert (model.logits(hidden) - exact).abs().max() < 1e-5


@pytest.mark.parametrize(("precision", "tolerance"), [("bfloat16", 0.02), ("int8", 0.05), ("nf4", 0.5)])
def test_lower_precisions_stay_near_float32(
    loaded: Callable[[str], LoadedModel], tiny_gpt2: LoadedModel, precision: str, tolerance: float
) -> None:
    exact = our_logits(tiny_gpt2).double().log_softmax(-1)
    rough = our_logits(loaded(precision)).double().log_softmax(-1)
    kl = (exact.exp() * (exact - rough)).sum(-1).mean().item()
    assert 0 < kl < tolerance


@pytest.mark.parametrize("precision", ["int8", "nf4"])
def test_quantising_really_quantises_gpt2s_own_kind_of_layer(
    loaded: Callable[[str], LoadedModel], precision: str
) -> None:
    model = loaded(precision)
    attention: Any = model.network.base_model.h[0].attn
    assert attention.c_attn.weight.dtype in (torch.int8, torch.uint8)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_estimate_from_the_files_is_near_the_memory_really_taken(
    saved: Path, loaded: Callable[[str], LoadedModel], precision: Precision
) -> None:
    taken = loaded(precision).memory_bytes
    assert footprint.weights_bytes(saved, precision) == pytest.approx(taken, rel=0.06)


def test_int8_says_nothing_on_the_log(loaded: Callable[[str], LoadedModel], caplog: pytest.LogCaptureFixture) -> None:
    model = loaded("int8")
    with caplog.at_level(logging.WARNING):
        our_logits(model)
    assert not caplog.records


def test_padding_on_the_right_does_not_change_what_comes_before(tiny_gpt2: LoadedModel) -> None:
    padded = torch.cat([IDS, torch.zeros(1, 3, dtype=torch.int64)], dim=1)
    mask = torch.tensor([[1] * IDS.shape[1] + [0] * 3])
    hidden = tiny_gpt2.hidden_states(padded, mask)[:, : IDS.shape[1]]
    assert torch.allclose(hidden, tiny_gpt2.hidden_states(IDS), atol=1e-5)


FAMILIES: list[tuple[str, dict[str, Any]]] = [
    ("Gemma2", {"final_logit_softcapping": 3.0, "head_dim": 16}),
    ("Cohere", {"logit_scale": 0.25}),
    ("Granite", {"logits_scaling": 4.0}),
    ("Qwen2", {}),
    ("GPTNeoX", {}),
]


@pytest.mark.parametrize(("family", "more"), FAMILIES, ids=[name for name, _ in FAMILIES])
def test_what_a_family_does_after_its_head_is_done_too(
    family: str, more: dict[str, Any], saved: Path, copy: Path
) -> None:
    import transformers

    sizes = {"vocab_size": 50257, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1}
    sizes |= {"num_attention_heads": 2, "max_position_embeddings": 64}
    if family != "GPTNeoX":
        sizes["num_key_value_heads"] = 2
    config = getattr(transformers, f"{family}Config")(**sizes, **more)
    (copy / "model.safetensors").unlink()
    getattr(transformers, f"{family}ForCausalLM")(config).save_pretrained(copy)
    model = load_model(str(copy), "float32", "cpu")
    assert torch.allclose(our_logits(model), own_logits(model), atol=1e-5)
    assert model.context_length == 64


@pytest.mark.parametrize(
    ("family", "more"),
    [
        ("GPT2", {}),
        ("Llama", {"num_key_value_heads": 2}),
        ("Mistral", {"num_key_value_heads": 2, "sliding_window": 16}),
        ("Gemma3Text", {"sliding_window": 16, "head_dim": 16, "layer_types": ["sliding_attention", "full_attention"]}),
        ("Mamba", {}),
    ],
)
def test_a_row_read_in_pieces_has_the_hidden_states_of_the_whole_row(
    family: str, more: dict[str, Any], tiny_gpt2: LoadedModel
) -> None:
    import transformers

    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "max_position_embeddings": 128}
    config = getattr(transformers, f"{family}Config")(vocab_size=50257, **{**sizes, **more})
    torch.manual_seed(0)
    network = transformers.AutoModelForCausalLM.from_config(config).eval()
    model = replace(tiny_gpt2, network=network)
    ids = torch.randint(0, 50257, (100,))
    pieces = list(model.hidden_pieces(ids, 24))
    assert [len(piece) for piece in pieces] == [24, 24, 24, 24, 4]
    assert torch.allclose(torch.cat(pieces), model.hidden_states(ids[None])[0], atol=1e-5)


@pytest.mark.parametrize("factor", [1.01, 3.0])
def test_a_head_that_does_something_unknown_is_refused(tiny_gpt2: LoadedModel, factor: float) -> None:
    network: Any = deepcopy(tiny_gpt2.network)
    forward = network.forward

    def scaled(**given: Any) -> Any:
        output = forward(**given)
        output.logits = output.logits * factor  # as no setting of its configuration says
        return output

    network.forward = scaled
    with pytest.raises(UnsupportedModelError, match="Tiny GPT-2 changes its logits"):
        loading.check(replace(tiny_gpt2, network=network))


def test_a_model_that_reads_ahead_is_refused(copy: Path) -> None:
    from transformers import BertConfig, BertLMHeadModel

    config = BertConfig(
        vocab_size=50257, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64
    )
    (copy / "model.safetensors").unlink()
    BertLMHeadModel(config).save_pretrained(copy)
    with pytest.raises(UnsupportedModelError, match="reads ahead"):
        load_model(str(copy), "float32", "cpu")


def test_a_kind_of_model_that_predicts_no_next_token_is_refused_by_its_kind(copy: Path) -> None:
    (copy / "config.json").write_text(json.dumps({"model_type": "t5"}))
    with pytest.raises(UnsupportedModelError, match="'t5'"):
        load_model(str(copy), "float32", "cpu")


def test_code_from_a_repository_is_never_run(copy: Path) -> None:
    config = json.loads((copy / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoConfig": "own.C", "AutoModelForCausalLM": "own.M"}}
    (copy / "config.json").write_text(json.dumps(config))
    (copy / "own.py").write_text(f"open({str(copy / 'ran')!r}, 'w')")
    with pytest.raises(UnsupportedModelError):
        load_model(str(copy), "float32", "cpu")
    assert not (copy / "ran").exists()


def test_a_pickle_beside_damaged_safetensors_is_not_read(copy: Path) -> None:
    (copy / "model.safetensors").write_bytes(b"damaged")
    torch.save({}, copy / "pytorch_model.bin")
    with pytest.raises(ModelFilesError, match=r"model\.safetensors is damaged"):
        load_model(str(copy), "float32", "cpu")


def test_a_file_cut_short_is_noticed(copy: Path) -> None:
    data = (copy / "model.safetensors").read_bytes()
    (copy / "model.safetensors").write_bytes(data[:-1000])
    with pytest.raises(ModelFilesError, match="is damaged"):
        load_model(str(copy), "float32", "cpu")


def test_missing_weights_are_not_filled_with_random_ones(copy: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(copy / "model.safetensors")
    del weights["transformer.h.1.mlp.c_fc.weight"]
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelFilesError, match=r"1 weights .* are missing"):
        load_model(str(copy), "float32", "cpu")


def test_weights_that_are_not_numbers_are_noticed(copy: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(copy / "model.safetensors")
    weights["transformer.ln_f.weight"][0] = float("nan")
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelFilesError, match="not numbers"):
        load_model(str(copy), "float32", "cpu")


def test_a_model_without_a_tokenizer_is_refused(copy: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt"):
        (copy / name).unlink(missing_ok=True)
    with pytest.raises(ModelFilesError, match="has no tokenizer"):
        load_model(str(copy), "float32", "cpu")


def test_a_tokenizer_of_another_model_is_noticed(copy: Path) -> None:
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(vocab_size=1000, n_embd=32, n_layer=1, n_head=1, bos_token_id=0, eos_token_id=0)
    (copy / "model.safetensors").unlink()
    GPT2LMHeadModel(config).save_pretrained(copy)
    with pytest.raises(UnsupportedModelError, match="50,257 tokens and the network 1,000"):
        load_model(str(copy), "float32", "cpu")


def test_a_model_that_is_not_here_says_how_to_fetch_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGITSCOPE_CACHE", str(tmp_path))
    with pytest.raises(ModelAbsentError, match="python -m engine fetch smollm2-135m"):
        load_model("smollm2-135m")


def test_a_directory_that_went_away_says_so(tmp_path: Path) -> None:
    spec = ModelSpec("gone", "Gone", "local", LocalPath(tmp_path / "gone"), None, None, "", "")
    with pytest.raises(ModelAbsentError, match="no directory"):
        load_model(spec)


def test_running_out_of_memory_is_said_plainly(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import transformers

    def too_much(*_: object, **__: object) -> None:
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")

    monkeypatch.setattr(transformers.AutoModelForCausalLM, "from_pretrained", too_much)
    with pytest.raises(MemoryBudgetError, match="too little memory"):
        load_model(str(saved), "float32", "cpu")


@pytest.mark.parametrize("asked", [{"precision": "fp16"}, {"device": "cuda:77"}, {"device": "abacus"}])
def test_what_this_machine_or_program_has_not_is_refused(asked: dict[str, str], saved: Path) -> None:
    with pytest.raises(ParameterError):
        load_model(str(saved), **asked)


def test_the_same_seed_draws_the_same_weights_and_leaves_the_global_generator_alone(
    tiny_gpt2: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGITSCOPE_CACHE", str(tmp_path))
    again = load_model(tiny_gpt2.spec, "float32", "cpu")
    assert torch.equal(our_logits(again), our_logits(tiny_gpt2))


def test_the_untrained_model_of_the_list_has_the_size_it_states(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGITSCOPE_CACHE", str(tmp_path))
    spec = registry.resolve("scratch-gpt2")
    model = load_model(spec, "float32", "cpu")
    assert sum(parameter.numel() for parameter in model.network.parameters()) == spec.parameters
    entropy = torch.distributions.Categorical(logits=our_logits(model)[0, -1]).entropy().item()
    assert entropy == pytest.approx(10.82, abs=0.1)  # ln 50257: it knows nothing


@pytest.fixture
def gemma() -> LoadedModel:
    spec = registry.resolve("gemma3-270m")
    if sources.availability(spec).state != "here":
        pytest.skip("Gemma's weights are not on this machine: python -m engine fetch gemma3-270m --accept-licence")
    return load_model(spec, "float32", "cpu")


@pytest.mark.weights
def test_gemma_reads_english(gemma: LoadedModel) -> None:
    ids = [2, *gemma.tokenizer.encode("The capital of France is Paris").token_ids.tolist()]
    hidden = gemma.hidden_states(torch.tensor([ids]))
    log_probs = gemma.logits(hidden).float().log_softmax(-1)[0]
    assert log_probs[-2, ids[-1]].item() > -4
