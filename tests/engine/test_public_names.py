"""`import engine`: quick, silent, and complete."""

import subprocess
import sys

import pytest

import engine
from engine.paths import ROOT


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = "import sys, engine; print(sorted({'torch', 'transformers', 'numpy', 'bitsandbytes'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_every_public_name_is_there() -> None:
    assert set(engine._HOMES) == set(engine.__all__) <= set(dir(engine))
    for name in engine.__all__:
        assert getattr(engine, name).__name__ == name


def test_the_measures_are_reached_through_the_package() -> None:
    code = "import engine; print(round(engine.measures.kl_divergence([.1, .2, .7], [.3, .3, .4]), 10))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "0.2007768011\n"


def test_other_names_are_not() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = engine.nonsense
