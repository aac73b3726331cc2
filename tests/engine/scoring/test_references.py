"""Log-probabilities against those of other programs: llama.cpp's on the same file, and published ones of GPT-2."""

import json
from typing import Any

import numpy as np
import pytest

from engine import sources
from engine.models import registry
from engine.models.loaded import LoadedModel
from engine.models.loading import load_model
from engine.paths import ROOT
from engine.scoring import score

LLAMA_CPP = json.loads((ROOT / "tests" / "engine" / "data" / "llama_cpp_reference.json").read_text(encoding="utf-8"))

# gpt2 in float32 after <|endoftext|>, relative tolerance 1e-3.
GPT2_TEXT = "We study empirical scaling laws for language model performance on the cross-entropy loss."
GPT2_LOG_PROBS = [
    -4.9599953, -8.069298, -8.308624, -10.178513, -8.906924, -1.9318912, -7.745445, -7.146077, -5.2072, -3.5882986,
    -1.9957212, -8.044922, -0.20841774, -5.1096807, -0.099879116, -8.888423, -4.6180487,
]  # fmt: skip
HELLO_WORLD_MEAN_LOSS = 5.331856


@pytest.mark.parametrize("reference", LLAMA_CPP["texts"], ids=["english", "digits and emoji", "vietnamese", "code"])
def test_the_embedded_model_reads_as_llama_cpp_reads_the_same_file(
    smollm2: LoadedModel, reference: dict[str, Any]
) -> None:
    scores = score.score_text(smollm2, reference["text"])
    assert scores.token_ids.tolist() == reference["token_ids"]
    ours, theirs = scores.log_probs[1:], np.array(reference["log_probs"][1:])
    assert np.corrcoef(ours, theirs)[0, 1] >= 0.998
    assert np.abs(ours - theirs).mean() < 0.15  # nats; llama.cpp rounds activations to 8 bits


@pytest.fixture(scope="module")
def gpt2() -> LoadedModel:
    found = sources.availability(registry.resolve("gpt2"))
    if found.path is None:
        pytest.skip(f"the published values of GPT-2 need its weights: {found.message}")
    return load_model("gpt2", precision="float32", device="cpu")


@pytest.mark.weights
def test_gpt2_gives_the_published_log_probs(gpt2: LoadedModel) -> None:
    scores = score.score_text(gpt2, GPT2_TEXT, prepend_bos=True)
    np.testing.assert_allclose(scores.log_probs, GPT2_LOG_PROBS, rtol=1e-3)


@pytest.mark.weights
def test_gpt2_gives_the_published_mean_loss(gpt2: LoadedModel) -> None:
    scores = score.score_text(gpt2, "Hello world!", prepend_bos=True)
    assert -scores.mean_log_prob == pytest.approx(HELLO_WORLD_MEAN_LOSS, rel=1e-3)
