"""The trained model as files: Hugging Face layout, and the same as a zip archive."""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import StorageError
from engine.quiet import quiet_libraries
from engine.text.tokens import TextTokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def save_model(network: "PreTrainedModel", tokenizer: TextTokenizer, folder: Path) -> Path:
    """Write a network and its tokenizer so that `from_pretrained(folder)` loads them.

    Raises
    ------
    StorageError
        The disk is full or cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with quiet_libraries(), _as_files_hold_it(network):
            network.save_pretrained(folder)
            tokenizer.backend.save_pretrained(folder)
    except OSError as error:
        raise StorageError(f"The model cannot be written to {str(folder)!r}: {error.strerror}.") from error
    return folder


@contextmanager
def _as_files_hold_it(network: "PreTrainedModel") -> Iterator[None]:
    """Undo for a while what a network does to its own weights when it reads: RWKV divides some in evaluation mode."""
    rescaled: list[Any] = [module for module in network.modules() if getattr(module, "layers_are_rescaled", False)]
    for module in rescaled:
        module.train()
        module._rescale_layers()
    try:
        yield
    finally:
        for module in rescaled:
            module.eval()
            module._rescale_layers()


def zip_folder(folder: Path, archive: Path) -> Path:
    """Put the files of `folder` into a zip archive, uncompressed: weights do not get smaller.

    Raises
    ------
    StorageError
        The disk is full or cannot be written.
    """
    part = archive.with_suffix(".part")
    try:
        with zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as out:
            for file in sorted(folder.iterdir()):
                out.write(file, f"{archive.stem}/{file.name}")
        part.replace(archive)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise StorageError(f"The archive {str(archive)!r} cannot be written: {error.strerror}.") from error
    return archive
