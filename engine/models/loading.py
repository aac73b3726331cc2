"""From a model's name to a model that is ready to score.

Only safetensors are read and no code from a model's repository is ever run.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from engine import sources
from engine.errors import (
    EngineError,
    MemoryBudgetError,
    MissingPackageError,
    ModelError,
    ModelFilesError,
    UnsupportedModelError,
)
from engine.models import checkpoint, footprint, hardware, proofs, registry
from engine.models import network as networks
from engine.models.loaded import LoadedModel, Precision
from engine.models.request import LocatedModel, locate
from engine.quiet import quiet_libraries, quieten_casts
from engine.sources import weights
from engine.sources.kinds import ModelSpec
from engine.steps import Progress, Steps, blocking
from engine.text.tokens import TextTokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

LOADING_CHARACTERS = 8_000.0
"""Text that a model reads in about the time it takes to load: the size of that stage beside others."""
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def load_model_steps(name: str | ModelSpec, precision: str = "auto", device: str = "auto") -> Steps[LoadedModel]:
    """Load a model that is on this machine.

    Parameters
    ----------
    name : a name of the registry, a directory, a hub id, or a `ModelSpec`
    precision : 'auto', 'float32', 'bfloat16', 'int8' or 'nf4'
    device : 'auto', 'cpu', 'cuda', 'cuda:1' or 'mps'

    Raises
    ------
    UnknownModelError, ModelAbsentError, ModelFilesError, UnsupportedModelError, ParameterError
        The message says what to do.
    """
    spec = registry.resolve(name) if isinstance(name, str) else name
    return (yield from load_located_steps(locate(spec, precision, device)))


load_model = blocking(load_model_steps)


def load_located_steps(located: LocatedModel) -> Steps[LoadedModel]:
    """Load a model where `engine.models.request.locate` found it; one of random weights is generated if need be."""
    spec, choice = located.spec, located.choice
    path = located.path or (yield from sources.fetch_steps(spec))
    yield Progress(f"Loading {spec.title} in {choice.precision}", 0, 2)
    with quiet_libraries():
        tokenizer = _load_tokenizer(spec, path)
        network = _load_network(spec, path, choice.precision, choice.device)
    model = LoadedModel(
        spec=spec,
        precision=checkpoint.precision_of(network, spec.title),
        device=choice.device,
        network=network,
        tokenizer=TextTokenizer(tokenizer),
        revision=sources.revision(spec, path),
        reason=choice.reason,
    )
    yield Progress(f"Checking {spec.title}", 1, 2)
    check(model)
    return model


def _load_tokenizer(spec: ModelSpec, path: Path) -> "PreTrainedTokenizerFast":
    from transformers import AutoTokenizer

    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(path, local_files_only=True, trust_remote_code=False)
    except Exception as error:
        raise UnsupportedModelError(
            f"The tokenizer of {spec.title} cannot be loaded ({_first_line(error)}). "
            "Choose a model whose repository has a tokenizer.json."
        ) from error
    if tokenizer.vocab_size < 2:  # what transformers makes of a directory without a vocabulary
        raise ModelFilesError(f"{spec.title} has no tokenizer. Put its tokenizer.json beside the weights.")
    if not getattr(tokenizer, "is_fast", False):
        raise UnsupportedModelError(
            f"{spec.title} has no fast tokenizer, which is needed to place tokens in the text. "
            "Choose a model whose repository has a tokenizer.json."
        )
    fast: PreTrainedTokenizerFast = tokenizer
    return fast


def _load_network(spec: ModelSpec, path: Path, precision: Precision, device: torch.device) -> "PreTrainedModel":
    from transformers import AutoModelForCausalLM

    factory: Any = AutoModelForCausalLM  # its annotation leaves out what output_loading_info adds
    footprint.weights_bytes(path, precision)  # refuses files that are cut short, which would fail less clearly below
    try:
        network, info = factory.from_pretrained(
            path,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            output_loading_info=True,
            device_map={"": device},
            **_precision_arguments(precision, device, stored=checkpoint.stored_precision(path) is not None),
        )
    except EngineError:
        raise
    except Exception as error:  # foreign files can fail in any way; what it was is chained
        raise _load_failure(spec, path, precision, error) from error
    if missing := len(info["missing_keys"]) + len(info["mismatched_keys"]):
        raise ModelFilesError(
            f"{missing} weights of {spec.title} are missing, so it is not a whole causal language model. "
            f"Choose a model of the kind 'text generation'; if it is one: {weights.remedy(path)}"
        )
    loaded: PreTrainedModel = network.eval().requires_grad_(False)
    return loaded


def _precision_arguments(precision: Precision, device: torch.device, *, stored: bool) -> dict[str, Any]:
    """What transformers must be told for a precision; of weights stored so, their own configuration tells the rest."""
    if precision in _DTYPES:
        return {"dtype": _DTYPES[precision]}
    try:
        import bitsandbytes  # noqa: F401
    except ImportError:
        raise MissingPackageError(
            f"{precision} needs bitsandbytes; run `pip install bitsandbytes` or choose another precision."
        ) from None
    from transformers import BitsAndBytesConfig

    make: Any = BitsAndBytesConfig
    dtype = _unquantised_dtype(device)
    if precision == "int8":
        quieten_casts()
    if stored:
        return {"dtype": dtype}
    if precision == "int8":
        return {"dtype": dtype, "quantization_config": make(load_in_8bit=True)}
    config = make(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype)
    return {"dtype": dtype, "quantization_config": config}


def _unquantised_dtype(device: torch.device) -> torch.dtype:
    """Type of embeddings, norms, head and activations beside quantised layers.

    float32 on the CPU, so that the error seen there is the quantisation's alone and the same on every machine.
    """
    if device.type == "cpu":
        return torch.float32
    return _DTYPES[hardware.choose(device=str(device)).precision]


def _load_failure(spec: ModelSpec, path: Path, precision: Precision, error: Exception) -> ModelError:
    text = str(error)
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in text:
        return MemoryBudgetError(
            f"There is too little memory for {spec.title} in {precision}. Choose nf4, a smaller model, or close others."
        )
    if "trust_remote_code" in text:
        return UnsupportedModelError(f"{spec.title} needs code from its own repository, which is never run here.")
    if "Unrecognized configuration class" in text or "does not recognize this architecture" in text:
        kind = str(weights.json_object(path / "config.json").get("model_type", "unknown"))
        return UnsupportedModelError(
            f"{spec.title} is of the kind {kind!r}, which is not a causal language model known here. "
            "Choose a model of the kind 'text generation'."
        )
    if method := checkpoint.quantisation(path).get("quant_method"):
        return UnsupportedModelError(
            f"{spec.title} was stored in the form {str(method)[:40]!r}, which cannot be read here "
            f"({_first_line(error)}). Choose the model it was made from, or one stored by bitsandbytes."
        )
    if isinstance(error, OSError) or type(error).__name__ == "SafetensorError":
        return ModelFilesError(
            f"The files of {spec.title} are damaged or incomplete ({_first_line(error)}). {weights.remedy(path)}"
        )
    return UnsupportedModelError(f"{spec.title} cannot be loaded ({_first_line(error)}). Choose another model.")


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__


def check(model: LoadedModel) -> None:
    """Check on a few tokens that the model is causal and that `model.logits` gives what the network itself gives.

    Raises
    ------
    ModelFilesError
        It computes NaN or infinity.
    UnsupportedModelError
        It is not causal, its head does something this program does not do, or it cannot be asked at all.
    """
    known = model.tokenizer.backend.vocab_size
    if known > model.vocab_size:
        raise UnsupportedModelError(
            f"The tokenizer of {model.spec.title} knows {known:,} tokens and the network {model.vocab_size:,}: "
            "they do not belong together."
        )
    try:
        _check_logits(model, last=known - 1)
    except EngineError:
        raise
    except Exception as error:  # a foreign network's own code can fail in any way
        raise UnsupportedModelError(
            f"{model.spec.title} fails on a text of three tokens ({_first_line(error)}). Choose another model."
        ) from error


@torch.inference_mode()
def _check_logits(model: LoadedModel, last: int) -> None:
    """`check` on two rows that differ in their last token only, which in one of them is `last`."""
    ids = torch.tensor([[0, 1, 2], [0, 1, last]], device=model.device)
    seen = networks.look(model.network, ids)
    own = seen.logits
    # Minus infinity on ids that only pad the vocabulary is a mask.
    if not torch.isfinite(own[..., : last + 1]).all() or torch.isnan(own).any() or (own == torch.inf).any():
        raise ModelFilesError(
            f"{model.title} computes values that are not numbers. Its files are damaged, or it needs float32."
        )
    tolerance = proofs.TOLERANCE[model.precision]
    if not proofs.alike(own[0, :2], own[1, :2], tolerance):
        raise UnsupportedModelError(f"{model.spec.title} reads ahead, so it is not a causal language model.")
    try:
        networks.learn(model.network, seen)
        known = proofs.alike(model.logits(seen.hidden), own, tolerance)
    except UnsupportedModelError:
        known = False
    if not known:
        raise UnsupportedModelError(f"{model.spec.title} changes its logits in a way that this program does not know.")
