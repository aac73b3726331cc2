"""The artefact: weights, tokenizer, model card and checksums in one directory, made whole or not at all."""

import hashlib
import shutil
from pathlib import Path
from typing import Any

from engine.errors import InputError
from tools.distil import card, goals
from tools.distil.card import Facts

MOST_WEIGHT_BYTES = 36_000_000
CHECKSUMS = "SHA256SUMS"
WEIGHTS = "model.safetensors"


class GoalsNotMetError(InputError):
    """The model is not what it was made to be, and nobody said that it may be exported nevertheless."""


def export(student: Path, facts: Facts, target: Path, *, anyway: bool) -> Path:
    """Write the artefact into `target`, which must not exist.

    Parameters
    ----------
    student
        Directory of the trained model as it was evaluated.
    facts
        What the card says.
    anyway
        Export a model that misses a goal, or is not trained to its end; its card says so.

    Raises
    ------
    GoalsNotMetError
        Where a goal is not met, or training is not finished, unless `anyway`.
    InputError
        Where `target` exists or the weights are too large.
    """
    if not anyway and (why := faults(facts)):
        raise GoalsNotMetError(
            f"{facts.recipe.name} is not exported: {'; '.join(why)}. Train it better, or pass --anyway: "
            "its card then says so."
        )
    size = (student / WEIGHTS).stat().st_size
    if size > MOST_WEIGHT_BYTES:
        raise InputError(f"The weights are {size:,} bytes; the limit is {MOST_WEIGHT_BYTES:,}. Make a smaller model.")
    if target.exists():
        raise InputError(f"{target} exists. Remove it first.")
    part = target.with_name(f".{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(student, part)
    (part / WEIGHTS).chmod(0o644)  # written for the owner alone
    (part / "README.md").write_text(card.rendered(facts), "utf-8")
    (part / CHECKSUMS).write_text(checksums(part), "utf-8")
    part.rename(target)
    return target


def faults(facts: Facts) -> list[str]:
    """What stands against exporting: one fragment each; none where all is well."""
    found = [one.sentence for one in goals.verdicts(facts.figures, facts.recipe.goals) if not one.met]
    if facts.step < facts.recipe.training.steps:
        found.insert(0, f"training has done {facts.step:,} of {facts.recipe.training.steps:,} steps")
    return found


def checksums(folder: Path) -> str:
    """Lines as `sha256sum -c` reads them, for every file of `folder`."""
    return "".join(f"{sha256(path)}  {path.name}\n" for path in sorted(folder.iterdir()) if path.name != CHECKSUMS)


def sha256(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        digest: Any = hashlib.file_digest(file, "sha256")
    return str(digest.hexdigest())
