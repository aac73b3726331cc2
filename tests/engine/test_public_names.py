"""`import engine`: quick, silent, and complete."""

import inspect
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

import engine
from engine import errors
from engine.models.loaded import LoadedModel
from engine.paths import ROOT
from engine.steps import Progress

PROMISED = {
    "BiasConfig",
    "EngineError",
    "LoadedModel",
    "ModelComparison",
    "ModelPool",
    "ModelRequest",
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
    "measures",
    "read_items",
    "read_texts",
    "score_text",
    "score_text_steps",
    "text_features",
    "text_features_steps",
    "train_bias",
    "train_bias_steps",
}
"""What notebooks rely on: names may be added, none may go."""


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = "import sys, engine; print(sorted({'torch', 'transformers', 'numpy', 'bitsandbytes'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_every_public_name_is_there() -> None:
    assert set(engine.__all__) >= PROMISED
    assert set(engine.__all__) <= set(dir(engine))
    for name in engine.__all__:
        found = getattr(engine, name)
        assert found.__name__ == (f"engine.{name}" if isinstance(found, ModuleType) else name)


def test_what_is_refused_can_be_caught_by_its_public_name() -> None:
    with pytest.raises(engine.EngineError, match="Did you mean gpt2"):
        engine.load_model("gtp2")
    assert engine.EngineError is errors.EngineError


SIGNATURES = {
    "load_model": "name, precision='auto', device='auto'",
    "score_text": "model, text, *, top_k=10, bos='auto', window=None, stride=None",
    "compare_models": "a, b, text, *, top_k=10, bos='auto', window=None, stride=None",
    "corpus_divergence": "base, candidate, texts",
    "evaluate_hellaswag": "model, items, *, bos='auto'",
    "mauve_score": "p_features, q_features, *, seeds=(25, 26, 27, 28, 29), buckets=None, splits=10",
    "text_features": "model, texts, *, bos='auto'",
    "train_bias": "config, model=None",
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_signatures_and_help_are_those_of_a_plain_function(name: str) -> None:
    function = getattr(engine, name)
    signature = inspect.signature(function)
    plain = [each.replace(annotation=inspect.Parameter.empty) for each in signature.parameters.values()]
    shown = str(inspect.Signature(plain)).strip("()")
    assert shown.startswith(SIGNATURES[name])
    assert shown.endswith("on_progress=None")
    assert "Generator" not in str(signature.return_annotation)
    assert "Raises\n------" in function.__doc__
    assert f"`{name}_steps`" in function.__doc__
    assert set(signature.parameters) - {"on_progress"} == set(
        inspect.signature(getattr(engine, f"{name}_steps")).parameters
    )


def test_every_function_in_one_call_tells_how_far_it_is(tiny_gpt2: LoadedModel) -> None:
    texts, seen = ["One text.", "Another text, a little longer."], list[Progress]()
    features = engine.text_features(tiny_gpt2, texts, on_progress=seen.append)
    assert (seen[-1].done, seen[-1].total, seen[-1].unit) == (2, 2, "texts")
    np.testing.assert_array_equal(features, engine.text_features(tiny_gpt2, texts))


RECORD = {"ctx_a": "A man sits on a roof.", "ctx_b": "he", "endings": ["is ", "starts.", "ends.", "sings."], "label": 1}


@pytest.mark.parametrize("as_name", [str, Path])
def test_a_notebook_evaluates_files(tiny_gpt2: LoadedModel, tmp_path: Path, as_name: type) -> None:
    (tmp_path / "items.jsonl").write_text(f"{json.dumps(RECORD)}\n" * 3)
    items = engine.read_items(as_name(tmp_path / "items.jsonl"))
    result = engine.evaluate_hellaswag(tiny_gpt2, items)
    assert result.labels.tolist() == [1, 1, 1]
    assert np.isfinite(result.log_likelihoods).all()
    (tmp_path / "texts.csv").write_text("no,text\n1,First text.\n2,Second text.\n")
    texts = engine.read_texts(as_name(tmp_path / "texts.csv"))
    assert texts == ("First text.", "Second text.")
    assert engine.corpus_divergence(tiny_gpt2, tiny_gpt2, texts).statistics.kl.value == 0.0


def test_a_notebook_measures_mauve_between_two_files(tiny_gpt2: LoadedModel, tmp_path: Path) -> None:
    texts = [f"Text number {number} of many." for number in range(200)]
    (tmp_path / "a.txt").write_text("\n\n".join(texts[:100]))
    pd.DataFrame({"words": texts[100:]}).to_parquet(tmp_path / "b.parquet")
    a = engine.read_texts(tmp_path / "a.txt")
    b = engine.read_texts(tmp_path / "b.parquet", column="words")
    features = engine.text_features(tiny_gpt2, a), engine.text_features(tiny_gpt2, b)
    found = engine.mauve_score(*features, seeds=(25,), splits=2)
    assert 0.0 < found.score.value <= 1.0
    assert (found.texts_p, found.texts_q) == (100, 100)


def test_a_file_that_cannot_be_read_is_refused_in_a_sentence(tmp_path: Path) -> None:
    for read in (engine.read_items, engine.read_texts):
        with pytest.raises(engine.EngineError, match=r"absent cannot be read: No such file or directory\.$"):
            read(tmp_path / "absent")
        with pytest.raises(engine.EngineError, match=r"is a directory\. Give a file\.$"):
            read(tmp_path)


def test_the_measures_are_reached_through_the_package() -> None:
    code = "import engine; print(round(engine.measures.kl_divergence([.1, .2, .7], [.3, .3, .4]), 10))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "0.2007768011\n"


def test_other_names_are_not() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = engine.nonsense
