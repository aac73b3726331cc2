"""What a checkpoint is: stored precisions are named as they are, whatever is asked for."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import engine
from engine.errors import ParameterError, UnsupportedModelError
from engine.models import checkpoint, footprint
from engine.models.pool import ModelPool
from engine.models.request import ModelRequest
from engine.scoring import compare, score
from tests.engine import families
from tests.engine.small_networks import Family

TEXT = "The cat sat on the mat and then the dog came in."
STORED = {
    "int8": {"load_in_8bit": True},
    "nf4": {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_compute_dtype": torch.float32},
    "fp4": {"load_in_4bit": True, "bnb_4bit_quant_type": "fp4", "bnb_4bit_compute_dtype": torch.float32},
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Llama in float32, wide enough for the blocks of 64 weights that 4-bit kernels take."""
    wide = Family("llama", settings={"hidden_size": 64, "intermediate_size": 128, "head_dim": 32})
    return families.save(wide, tmp_path_factory.mktemp("whole"))


@pytest.fixture(scope="module", params=STORED)
def stored(request: pytest.FixtureRequest, whole: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A precision, and the tiny Llama saved by transformers in it."""
    import transformers

    path = tmp_path_factory.mktemp(f"stored-{request.param}")
    make: Any = transformers.BitsAndBytesConfig
    network: Any = transformers.AutoModelForCausalLM.from_pretrained(
        whole, quantization_config=make(**STORED[request.param]), dtype=torch.float32
    )
    network.save_pretrained(path)
    for file in whole.glob("tok*"):
        shutil.copy(file, path)
    return request.param, path


def test_a_stored_precision_is_the_model_s_own_whatever_the_machine_would_choose(stored: tuple[str, Path]) -> None:
    precision, path = stored
    model = engine.load_model(str(path), "auto", "cpu")
    assert model.precision == precision
    assert precision in model.key
    assert precision in model.title
    assert "stored" in model.reason
    assert engine.load_model(str(path), precision, "cpu").key == model.key


@pytest.mark.parametrize("asked", ["float32", "bfloat16", "int8", "nf4"])
def test_a_precision_it_cannot_have_is_refused_in_a_sentence(stored: tuple[str, Path], asked: str) -> None:
    precision, path = stored
    if asked == precision:
        return
    with pytest.raises(
        ParameterError, match=rf"was stored in . bits \({precision}\), so it cannot be loaded in {asked}"
    ):
        engine.load_model(str(path), asked, "cpu")
    with pytest.raises(ParameterError, match="what was rounded away is gone"):
        ModelPool().get(ModelRequest(str(path), asked).located("cpu"))


def test_numbers_of_a_stored_model_are_those_of_transformers_and_not_the_whole_one_s(
    stored: tuple[str, Path], whole: Path
) -> None:
    import transformers

    model, exact = engine.load_model(str(stored[1]), "auto", "cpu"), engine.load_model(str(whole), "float32", "cpu")
    found = compare.compare_models(exact, model, TEXT)
    network: Any = transformers.AutoModelForCausalLM.from_pretrained(stored[1], dtype=torch.float32)
    ids = torch.from_numpy(found.b.token_ids.copy())
    with torch.no_grad():
        plain = network(input_ids=ids[None], use_cache=False).logits[0].double().log_softmax(-1)
    np.testing.assert_allclose(found.b.log_probs[1:], plain[:-1].gather(1, ids[1:, None])[:, 0], atol=1e-3)
    assert found.kl_ab is not None
    assert np.nanmean(found.kl_ab) > 1e-4


def test_memory_of_a_stored_model_is_estimated_as_stored(stored: tuple[str, Path]) -> None:
    model = engine.load_model(str(stored[1]), "auto", "cpu")
    assert footprint.weights_bytes(stored[1], model.precision) == pytest.approx(model.memory_bytes, rel=0.1)


def test_the_pool_holds_one_copy_of_a_stored_model(stored: tuple[str, Path]) -> None:
    pool = ModelPool()
    held = pool.get(ModelRequest(str(stored[1]), "auto").located("cpu"))
    assert pool.get(ModelRequest(str(stored[1]), stored[0]).located("cpu")).network is held.network
    assert len(pool.loaded()) == 1


def test_another_form_of_quantisation_is_named(whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole, tmp_path / "gptq")
    path = tmp_path / "gptq" / "config.json"
    settings = {"quant_method": "gptq", "bits": 4, "group_size": 128}
    path.write_text(json.dumps({**json.loads(path.read_text()), "quantization_config": settings}))
    with pytest.raises(UnsupportedModelError, match="stored in the form 'gptq', which cannot be read here"):
        engine.load_model(str(path.parent), "float32", "cpu")


@pytest.mark.parametrize("content", ["", "[]", '{"quantization_config": 3}', "[" * 100_000])
def test_what_is_no_configuration_says_nothing_about_precision(content: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(content)
    assert checkpoint.stored_precision(tmp_path) is None


@pytest.mark.parametrize("asked", ["float32", "bfloat16"])
def test_precision_is_read_off_the_network(whole: Path, asked: str) -> None:
    model = engine.load_model(str(whole), asked, "cpu")
    assert checkpoint.precision_of(model.network, model.title) == asked
    half = model.network.half()
    with pytest.raises(UnsupportedModelError, match="came out in float16"):
        checkpoint.precision_of(half, model.title)


def test_a_vocabulary_padded_with_minus_infinity_is_no_damage(tmp_path: Path) -> None:
    import transformers

    path = families.save(Family("phi"), tmp_path)
    network: Any = transformers.AutoModelForCausalLM.from_pretrained(path)
    known = families.TOKENIZER.size
    with torch.no_grad():
        network.lm_head.bias.normal_()
        network.lm_head.bias[known:] = -torch.inf
    network.save_pretrained(path)
    model = engine.load_model(str(path), "float32", "cpu")
    found = score.score_text(model, TEXT)
    ids = torch.from_numpy(found.token_ids.copy())
    with torch.no_grad():
        plain = network(input_ids=ids[None], use_cache=False).logits[0, :-1].double().log_softmax(-1)
    np.testing.assert_allclose(found.log_probs[1:], plain.gather(1, ids[1:, None])[:, 0], atol=1e-4)
    inside = plain[:, :known]
    np.testing.assert_allclose(found.entropies[1:], -(inside.exp() * inside).sum(1), atol=1e-4)
    both = compare.compare_models(model, model, TEXT)
    assert both.kl_ab is not None
    assert np.nanmax(both.kl_ab) == np.nanmax(both.js) == 0.0
