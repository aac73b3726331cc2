"""A model as asked for, and as found on this machine: looked up once, then passed on as a value."""

from dataclasses import dataclass
from pathlib import Path

from engine import sources
from engine.errors import ModelAbsentError
from engine.models import checkpoint, registry
from engine.models.hardware import Choice
from engine.sources.kinds import ModelSpec, Scratch


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """A name and a precision as a person, a link or a kept run gives them; 'auto' leaves the precision to the machine.

    Examples
    --------
    >>> ModelRequest("gpt2", "nf4").title
    'GPT-2 124M, nf4'
    """

    name: str
    precision: str = "auto"

    @property
    def spec(self) -> ModelSpec:
        """The model meant; raises an `UnknownModelError` if there is none of that name."""
        return registry.resolve(self.name)

    @property
    def title(self) -> str:
        """Its name for people."""
        return self.spec.title if self.precision == "auto" else f"{self.spec.title}, {self.precision}"

    def listed(self) -> list[str]:
        """The model's own name and the precision, as a kept run's settings hold them."""
        return [self.spec.name, self.precision]

    def located(self, device: str = "auto") -> "LocatedModel":
        """Where it is; raises as `locate` and `spec` do."""
        return locate(self.spec, self.precision, device)


@dataclass(frozen=True, slots=True)
class LocatedModel:
    """A model that can be loaded.

    Attributes
    ----------
    spec : the model
    path : directory of its files; None if they are generated on loading
    asked : the precision asked for
    choice : the precision and device it gets, and why
    """

    spec: ModelSpec
    path: Path | None
    asked: str
    choice: Choice

    @property
    def request(self) -> ModelRequest:
        """What was asked for, under the model's own name: equal requests mean the same model."""
        return ModelRequest(self.spec.name, self.asked)

    @property
    def revision(self) -> str:
        """What tells versions of its files apart (`engine.sources.revision`)."""
        return sources.revision(self.spec, self.path)


def locate(spec: ModelSpec, precision: str = "auto", device: str = "auto") -> LocatedModel:
    """Look for a model's files and choose how to load them.

    Raises
    ------
    ModelAbsentError
        It has to be fetched first.
    ParameterError
        This machine does not have `device`, or the model cannot have `precision`.
    """
    found = sources.availability(spec)
    if found.state == "missing":
        raise ModelAbsentError(found.message)
    if found.path is None and not isinstance(spec.source, Scratch):
        raise ModelAbsentError(
            f"{spec.title} is not on this machine. "
            f"Fetch it on the models page or with `python -m engine fetch {spec.name}`."
        )
    return LocatedModel(spec, found.path, precision, checkpoint.choose(spec, found.path, precision, device))
