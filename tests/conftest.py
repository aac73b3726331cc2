"""Models that tests share: each is loaded once per test run."""

import hypothesis
import pytest

from engine import sources, steps
from engine.models import registry
from engine.models.loaded import LoadedModel
from engine.models.loading import load_model
from engine.sources.kinds import ModelSpec, Scratch

# No deadline an example: on a busy machine it fails tests that say nothing about time. pytest-timeout bounds the whole.
hypothesis.settings.register_profile("logitscope", deadline=None)
hypothesis.settings.load_profile("logitscope")

TINY_GPT2 = ModelSpec(
    name="tiny-gpt2",
    title="Tiny GPT-2",
    family="GPT-2",
    source=Scratch(layers=2, width=64, heads=2, context_length=128, seed=0),
    parameters=None,
    context_length=128,
    licence="Apache-2.0",
    note="Random weights, for tests.",
)


@pytest.fixture(scope="session")
def smollm2() -> LoadedModel:
    """The embedded model in float32, from the ordinary cache directory; fetched if it is not there."""
    steps.run(sources.fetch_steps(registry.resolve(registry.DEFAULT_MODEL)))
    return load_model(registry.DEFAULT_MODEL, precision="float32", device="cpu")


@pytest.fixture(scope="session")
def tiny_gpt2(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    """A seeded random GPT-2 of two layers, 64 wide, with GPT-2's tokenizer."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOGITSCOPE_CACHE", str(tmp_path_factory.mktemp("cache")))
        return load_model(TINY_GPT2, precision="float32", device="cpu")
