"""The package as a whole: its map, what it imports, and what its settings say of themselves."""

import subprocess
import sys
from pathlib import Path

import pytest

from engine import training
from engine.training import schema
from engine.training.config import SETTINGS, BiasConfig
from engine.training.patterns import Pattern

FOLDER = Path(training.__file__).parent
LINES = [line.split() for line in (training.__doc__ or "").splitlines() if line.startswith("    ")]
WITH_TORCH = {"losses", "starting", "real_text", "objective", "sampling", "guard", "loop"}


def test_the_map_names_every_module_once_with_what_it_is() -> None:
    assert sorted(line[0] for line in LINES) == sorted(
        file.name for file in FOLDER.glob("*.py") if file.name != "__init__.py"
    )
    assert all(len(line) > 2 for line in LINES)


def test_only_modules_that_compute_import_torch() -> None:
    light = [line[0].removesuffix(".py") for line in LINES if line[0].removesuffix(".py") not in WITH_TORCH]
    code = (
        "import sys\n"
        + "\n".join(f"import engine.training.{name}" for name in light)
        + "\nprint('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
    assert all(f"`{name}`" in (training.__doc__ or "") for name in WITH_TORCH)


@pytest.mark.parametrize("cls", [BiasConfig, Pattern])
def test_every_setting_says_what_it_means_and_its_default_is_one_it_may_have(cls: type) -> None:
    for setting in schema.settings_of(cls).values():
        assert setting.help
        assert f"    {setting.name} : {setting.help}\n" in (cls.__doc__ or "")
        setting.check(setting.default)


def test_kind_choices_and_range_are_those_of_the_declaration() -> None:
    assert (SETTINGS["layers"].kind, SETTINGS["layers"].low, SETTINGS["layers"].high) == (int, 1, 12)
    assert (SETTINGS["pull"].kind, SETTINGS["pull"].optional) == (float, False)
    assert (SETTINGS["train_blocks"].kind, SETTINGS["train_blocks"].optional) == (int, True)
    assert (SETTINGS["optimiser"].kind, SETTINGS["optimiser"].choices) == (str, ("adamw", "adam", "sgd"))
    assert "pattern" not in SETTINGS  # which is no single setting
