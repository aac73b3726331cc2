"""Settings declared once, and dataclasses read from JSON.

A setting is a field of a dataclass annotated with a `Setting`. `settings_of` completes that by what else the annotation
says, for whoever checks a value, offers an option on the command line, or draws a widget.
"""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from engine.errors import ParameterError

T = TypeVar("T")
_FORMS: dict[type, tuple[type, str]] = {
    int: (Integral, "a whole number"),
    float: (Real, "a number"),
    str: (str, "text"),
    bool: (bool, "true or false"),
}
"""What a value of each kind is an instance of, numpy's numbers included, and what that is called."""


@dataclass(frozen=True)
class Setting:
    """What one setting means and what it may be.

    Parameters
    ----------
    help : what it means, for people
    low, high : ends of a number's range, which belong to it
    name, default : of the field, added by `settings_of` as is all that follows
    kind : int, float, str or bool
    optional : whether it may be None
    choices : what a setting with few values may be, else empty
    """

    help: str
    low: float = -math.inf
    high: float = math.inf
    name: str = ""
    default: Any = None
    kind: type = str
    optional: bool = False
    choices: tuple[str, ...] = ()

    def check(self, value: Any) -> None:
        """Raise a `ParameterError` unless the setting may be `value`; NaN is outside every range."""
        if value is None and self.optional:
            return
        if self.choices and value not in self.choices:
            raise ParameterError(f"{self.name} is {value!r}; choose {', '.join(self.choices)}.")
        form, called = _FORMS[self.kind]
        is_of_kind = isinstance(value, form)  # named, as the type checker would take it for a narrowing
        if not is_of_kind:
            raise ParameterError(f"{self.name} is {value!r}; it must be {called}.")
        if self.kind in (int, float) and not self.low <= value <= self.high:
            raise ParameterError(f"{self.name} is {value}; it must lie between {self.low:,g} and {self.high:,g}.")


def settings_of(cls: type[Any]) -> dict[str, Setting]:
    """The settings of a dataclass by name, in the order of their declaration."""
    hints = get_type_hints(cls, include_extras=True)
    found = {}
    for each in dataclasses.fields(cls):
        if get_origin(hints[each.name]) is Annotated:
            hint, declared = get_args(hints[each.name])
            choices = get_args(hint) if get_origin(hint) is Literal else ()
            kinds = (str,) if choices else get_args(hint) or (hint,)  # `int | None` has int and None
            found[each.name] = dataclasses.replace(
                declared,
                name=each.name,
                default=each.default,
                kind=kinds[0],
                optional=NoneType in kinds,
                choices=choices,
            )
    return found


def documented(cls: type[T]) -> type[T]:
    """Write what the settings mean into the docstring."""
    lines = [f"    {each.name} : {each.help}" for each in settings_of(cls).values()]
    cls.__doc__ = f"{cls.__doc__}\n    Parameters\n    ----------\n" + "\n".join(lines) + "\n"
    return cls


def check(settings: Any) -> None:
    """Raise a `ParameterError` at the first setting that is not what it may be."""
    for each in settings_of(type(settings)).values():
        each.check(getattr(settings, each.name))


def read(cls: type[T], data: Mapping[str, Any]) -> T:
    """A dataclass from what JSON made of it; what is left out keeps its default.

    JSON has no NaN and no infinity: None becomes NaN if there must be a number.

    Raises
    ------
    ParameterError
        `data` has a key that is no field.
    """
    hints = get_type_hints(cls, include_extras=True)  # settings are left as they are: they are checked
    unknown = sorted(set(data) - set(hints))
    if unknown:
        raise ParameterError(f"There is no setting {unknown[0]!r}. There are {', '.join(sorted(hints))}.")
    return cls(**{name: _value(hints[name], value) for name, value in data.items()})


def _value(hint: Any, value: Any) -> Any:
    inside = get_args(hint)
    if get_origin(hint) is UnionType:
        return None if value is None else _value(inside[0], value)
    if get_origin(hint) is tuple:
        return tuple(_value(inside[0], each) for each in value)
    if hint is float and value is None:
        return math.nan
    return read(hint, value) if isinstance(hint, type) and dataclasses.is_dataclass(hint) else value
