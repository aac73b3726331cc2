"""What a causal language model thinks of a text, token by token, and how two models differ.

The names below are the public ones. They are imported when first used, so that `import engine` takes no time.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.comparing import compare_models, compare_models_steps
    from engine.corpus.divergence import corpus_divergence, corpus_divergence_steps
    from engine.corpus.hellaswag import evaluate_hellaswag, evaluate_hellaswag_steps
    from engine.corpus.mauve import mauve_score, mauve_score_steps
    from engine.loading import load_model, load_model_steps
    from engine.model import LoadedModel
    from engine.pool import ModelPool
    from engine.results import ModelComparison, TextScores
    from engine.scoring import score_text, score_text_steps
    from engine.training.config import BiasConfig
    from engine.training.loop import train_bias, train_bias_steps

_HOMES = {
    "BiasConfig": "engine.training.config",
    "LoadedModel": "engine.model",
    "ModelComparison": "engine.results",
    "ModelPool": "engine.pool",
    "TextScores": "engine.results",
    "compare_models": "engine.comparing",
    "compare_models_steps": "engine.comparing",
    "corpus_divergence": "engine.corpus.divergence",
    "corpus_divergence_steps": "engine.corpus.divergence",
    "evaluate_hellaswag": "engine.corpus.hellaswag",
    "evaluate_hellaswag_steps": "engine.corpus.hellaswag",
    "load_model": "engine.loading",
    "load_model_steps": "engine.loading",
    "mauve_score": "engine.corpus.mauve",
    "mauve_score_steps": "engine.corpus.mauve",
    "score_text": "engine.scoring",
    "score_text_steps": "engine.scoring",
    "train_bias": "engine.training.loop",
    "train_bias_steps": "engine.training.loop",
}

__all__ = [
    "BiasConfig",
    "LoadedModel",
    "ModelComparison",
    "ModelPool",
    "TextScores",
    "compare_models",
    "compare_models_steps",
    "corpus_divergence",
    "corpus_divergence_steps",
    "evaluate_hellaswag",
    "evaluate_hellaswag_steps",
    "load_model",
    "load_model_steps",
    "mauve_score",
    "mauve_score_steps",
    "score_text",
    "score_text_steps",
    "train_bias",
    "train_bias_steps",
]


def __getattr__(name: str) -> object:
    if name == "measures":
        return import_module("engine.measures")
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'engine' has no attribute {name!r}")
    value: object = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
