"""What a causal language model thinks of a text, token by token, and how two models differ.

The names below are the public ones. They are imported when first used, so that `import engine` takes no time.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.evaluation.divergence.evaluate import corpus_divergence, corpus_divergence_steps
    from engine.evaluation.hellaswag.evaluate import evaluate_hellaswag, evaluate_hellaswag_steps
    from engine.evaluation.mauve.score import mauve_score, mauve_score_steps
    from engine.models.loaded import LoadedModel
    from engine.models.loading import load_model, load_model_steps
    from engine.models.pool import ModelPool
    from engine.scoring.compare import compare_models, compare_models_steps
    from engine.scoring.results import ModelComparison, TextScores
    from engine.scoring.score import score_text, score_text_steps
    from engine.training.config import BiasConfig
    from engine.training.loop import train_bias, train_bias_steps

_HOMES = {
    "BiasConfig": "engine.training.config",
    "LoadedModel": "engine.models.loaded",
    "ModelComparison": "engine.scoring.results",
    "ModelPool": "engine.models.pool",
    "TextScores": "engine.scoring.results",
    "compare_models": "engine.scoring.compare",
    "compare_models_steps": "engine.scoring.compare",
    "corpus_divergence": "engine.evaluation.divergence.evaluate",
    "corpus_divergence_steps": "engine.evaluation.divergence.evaluate",
    "evaluate_hellaswag": "engine.evaluation.hellaswag.evaluate",
    "evaluate_hellaswag_steps": "engine.evaluation.hellaswag.evaluate",
    "load_model": "engine.models.loading",
    "load_model_steps": "engine.models.loading",
    "mauve_score": "engine.evaluation.mauve.score",
    "mauve_score_steps": "engine.evaluation.mauve.score",
    "score_text": "engine.scoring.score",
    "score_text_steps": "engine.scoring.score",
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
