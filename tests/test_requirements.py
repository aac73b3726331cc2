"""requirements.txt names what the product imports: all of it, pinned, and nothing else without a reason."""

import sys
from importlib import metadata

import pytest

from engine.paths import ROOT
from tests.test_architecture import PROGRAM

# Imported by transformers, not by us: loading straight to a device, and the format of weights.
BROUGHT_FOR_OTHERS = {"accelerate", "safetensors"}


def name(distribution: str) -> str:
    return distribution.lower().replace("_", "-")


def pinned() -> dict[str, str]:
    """Distribution to version, of every line that is no comment."""
    lines = (line.split("#")[0].strip() for line in (ROOT / "requirements.txt").read_text().splitlines())
    return {name(line.split("==")[0]): line.partition("==")[2] for line in lines if line}


def imported() -> set[str]:
    """Distributions of the modules that the product imports anywhere, inside functions too."""
    modules = set().union(*map(PROGRAM.outside, PROGRAM.modules))
    foreign = modules - set(sys.stdlib_module_names)
    providers = metadata.packages_distributions()
    return {name(providers[module][0]) for module in foreign}


def test_every_import_is_required_and_every_requirement_imported() -> None:
    assert set(pinned()) - BROUGHT_FOR_OTHERS == imported()


@pytest.mark.parametrize(("distribution", "version"), pinned().items())
def test_what_is_installed_is_what_is_pinned(distribution: str, version: str) -> None:
    assert metadata.version(distribution).split("+")[0] == version
