"""Sampled text on disk: 16-bit token ids in files of a few megabytes, one pair of files a batch, and a manifest.

In a file every text is followed by the separator. The manifest is written after the files it names: what it does not
name does not exist, so that a killed process leaves whole batches only.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from engine.errors import InputError
from tools.distil import files
from tools.distil.filters import Ids

Split = Literal["train", "held_out"]
SPLITS: tuple[Split, ...] = ("train", "held_out")
MOST_VOCABULARY = 2**16


@dataclass(eq=False)
class Shards:
    """The batches of one directory.

    Parameters
    ----------
    folder : where they are
    separator : id of the token that ends every text
    digest : identity of what was asked for; a manifest of another one is refused
    """

    folder: Path
    separator: int
    digest: str
    batches: list[dict[str, Any]] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        if not self._manifest.exists():
            return
        kept = json.loads(self._manifest.read_text("utf-8"))
        if kept["digest"] != self.digest:
            raise InputError(
                f"{self.folder} holds text of other settings. Give another --out, or the recipe it was sampled with."
            )
        self.batches = kept["batches"]

    @property
    def _manifest(self) -> Path:
        return self.folder / "manifest.json"

    def add(self, texts: dict[Split, Sequence[Ids]], about: dict[str, Any]) -> None:
        """Keep the texts of one batch, with what is to be remembered of it."""
        entry: dict[str, Any] = {**about}
        for split in SPLITS:
            name = f"{split}-{len(self.batches):05}.npy"
            joined = _joined(texts[split], self.separator)
            with files.replaced(self.folder / name) as part, part.open("wb") as out:
                np.save(out, joined)
            digest = hashlib.sha256(joined.tobytes()).hexdigest()
            entry[split] = {"file": name, "texts": len(texts[split]), "tokens": len(joined), "sha256": digest}
        self.batches.append(entry)
        files.write_json(self._manifest, {"digest": self.digest, "batches": self.batches})

    def tokens(self, split: Split) -> int:
        """Tokens of a split, separators included."""
        return sum(batch[split]["tokens"] for batch in self.batches)

    def count(self, split: Split) -> int:
        """Texts of a split."""
        return sum(batch[split]["texts"] for batch in self.batches)

    def stream(self, split: Split) -> Ids:
        """(n,) all ids of a split in order: a separator, a text, a separator, a text, ..., a separator.

        Raises
        ------
        InputError
            Where a file is missing or not the one that was written.
        """
        first = np.array([self.separator], dtype=np.uint16)
        return np.concatenate([first, *(self._read(batch[split]) for batch in self.batches)])

    def texts(self, split: Split) -> list[Ids]:
        """The texts of a split, without separators."""
        stream = self.stream(split)[1:]
        return [piece[:-1] for piece in np.split(stream, np.flatnonzero(stream == self.separator) + 1)[:-1]]

    def identity(self) -> str:
        """Digest of all that was sampled, for what is made from it."""
        return hashlib.sha256(json.dumps([batch["train"] for batch in self.batches]).encode()).hexdigest()

    def _read(self, entry: dict[str, Any]) -> Ids:
        path = self.folder / entry["file"]
        try:
            found: Ids = np.load(path, allow_pickle=False)
        except (OSError, ValueError) as error:
            raise InputError(f"{path} cannot be read ({error}). Copy it again, or sample anew.") from None
        if hashlib.sha256(found.tobytes()).hexdigest() != entry["sha256"]:
            raise InputError(f"{path} is not the file that was sampled. Copy it again, or sample anew.")
        return found


def _joined(texts: Sequence[Ids], separator: int) -> Ids:
    end = np.array([separator], dtype=np.uint16)
    pieces = [piece for text in texts for piece in (text, end)]
    return np.concatenate([np.empty(0, dtype=np.uint16), *pieces])
