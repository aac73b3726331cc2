"""What the recipe is told: one TOML file as frozen dataclasses. Unknown and missing keys are refused."""

import hashlib
import json
import tomllib
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from engine.errors import InputError, ParameterError

T = TypeVar("T")
MOST_SHARD_BYTES = 16_000_000
"""Files of text stay below this, so that they can be moved in pieces."""
_TOKEN_BYTES = 2


@dataclass(frozen=True, slots=True)
class Teacher:
    """The model that writes and teaches: its name for the engine, its precision, and what stands between texts."""

    name: str
    precision: str
    separator: str


@dataclass(frozen=True, slots=True)
class Sampling:
    """The text the teacher writes.

    Parameters
    ----------
    tokens : tokens to keep in all, after filtering
    rows : texts written at once
    length : tokens of a row, its opening included
    temperatures : lowest and highest; each row draws its own between them
    kinds : kinds of opening, one a batch in turn
    least_tokens : shorter texts are dropped
    most_repeated : texts whose share of repeated sequences of four tokens is larger are dropped
    held_out : share of the texts set aside, by a hash of each text
    """

    tokens: int
    rows: int
    length: int
    temperatures: tuple[float, float]
    kinds: tuple[str, ...]
    least_tokens: int
    most_repeated: float
    held_out: float


@dataclass(frozen=True, slots=True)
class Student:
    """Shape of the GPT-2 that learns."""

    layers: int
    width: int
    heads: int
    context: int


@dataclass(frozen=True, slots=True)
class Training:
    """How it learns.

    Parameters
    ----------
    steps : updates
    batch : windows of the student's context in an update
    chunk : positions whose logits are held at once
    weight : share of D(teacher || student) in the loss; the rest is the next token's cross-entropy
    learning_rate, warmup, floor : highest rate, steps until it is reached, share of it that is left at the end
    weight_decay, clip : of AdamW, on matrices; largest norm of the gradient
    log_every, evaluate_every, save_every : steps between lines of the log, looks at held-out text, checkpoints
    held_out_windows : windows of held-out text looked at
    """

    steps: int
    batch: int
    chunk: int
    weight: float
    learning_rate: float
    warmup: int
    floor: float
    weight_decay: float
    clip: float
    log_every: int
    evaluate_every: int
    save_every: int
    held_out_windows: int


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How much is evaluated: counts of texts, tokens and items; 0 leaves a part out."""

    precision: str
    held_out_texts: int
    wikitext_tokens: int
    hellaswag_items: int
    mauve_texts: int
    mauve_new_tokens: int
    quantised_texts: int
    timed_tokens: int


@dataclass(frozen=True, slots=True)
class Goals:
    """What the trained model must reach; ratios are to the teacher on the same text."""

    held_out_perplexity_ratio: float
    held_out_correlation: float
    wikitext_bits_per_byte_ratio: float
    hellaswag_acc_norm: float
    scoring_speed_ratio: float


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything, as one file says it."""

    name: str
    seed: int
    teacher: Teacher
    sampling: Sampling
    student: Student
    training: Training
    evaluation: Evaluation
    goals: Goals

    def digest(self, *sections: str, more: str = "") -> str:
        """Sixteen hexadecimal digits that change with the seed and the named sections (and with `more`)."""
        said = [self.seed, {name: asdict(getattr(self, name)) for name in sections}, more]
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]


def read(path: Path) -> Recipe:
    """The recipe of a TOML file.

    Raises
    ------
    InputError
        Where the file cannot be read or is no TOML, or a key is unknown, missing or of another type.
    ParameterError
        Where two values do not go together.
    """
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path} is not TOML: {error}.") from None
    recipe = _made(Recipe, table, path.name)
    _check(recipe)
    return recipe


def _made(kind: type[T], table: dict[str, Any], where: str) -> T:
    wanted = {field.name: field.type for field in fields(kind)}  # type: ignore[arg-type]
    if unknown := sorted(set(table) - set(wanted)):
        raise InputError(f"{where} has the unknown key {unknown[0]!r}. It may have {', '.join(wanted)}.")
    if missing := sorted(set(wanted) - set(table)):
        raise InputError(f"{where} lacks {missing[0]!r}.")
    return kind(**{name: _value(wanted[name], table[name], f"{where}, {name}") for name in wanted})


def _value(wanted: Any, value: Any, where: str) -> Any:
    if isinstance(value, dict) and hasattr(wanted, "__dataclass_fields__"):
        return _made(wanted, value, where)
    if wanted is float and type(value) is int:
        return float(value)
    if isinstance(value, list):
        return tuple(value)
    if wanted in (int, float, str) and type(value) is not wanted:
        raise InputError(f"{where} is {value!r}; it must be of type {wanted.__name__}.")
    return value


def _check(recipe: Recipe) -> None:
    sampling, student = recipe.sampling, recipe.student
    size = sampling.rows * sampling.length * _TOKEN_BYTES
    if size > MOST_SHARD_BYTES:
        raise ParameterError(
            f"{sampling.rows} rows of {sampling.length} tokens are {size:,} bytes a file; the limit is "
            f"{MOST_SHARD_BYTES:,}. Take fewer rows."
        )
    if student.width % student.heads:
        raise ParameterError(f"A width of {student.width} cannot be shared among {student.heads} heads.")
    if not 0 <= recipe.training.weight <= 1:
        raise ParameterError(f"The weight of the divergence is {recipe.training.weight}; it must be 0 to 1.")
