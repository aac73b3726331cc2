"""ES modules joined into one script, since a Streamlit component and a page of its own each take one text.

Modules in assets/ import each other with `import { a, b } from "./file.js"`, tables with `import TABLE from "./t.json"
with { type: "json" }`, and export declarations where they stand. Anything else is refused, not left to a browser.
The joined modules share one scope: a name that two of them use makes it an error (tests/assets holds them to that).
"""

import re
from pathlib import Path

_NAMES = re.compile(r'^import \{\s*\w+(?:,\s*\w+)*,?\s*\} from "(\./[^"]+\.js)";\n', re.MULTILINE)
_TABLE = re.compile(r'^import (\w+) from "(\.[^"]+\.json)" with \{ type: "json" \};$', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async function|function|class|const) )", re.MULTILINE)
_LEFT_OVER = re.compile(r"^[ \t]*(?:import|export)\b.*", re.MULTILINE)
_ENTRY = "export default function "


def joined(entry: Path) -> str:
    """One script of a module and all that it imports, each once and before the first that uses it.

    Raises
    ------
    ValueError
        If modules import each other in a circle, or one imports or exports in another way than those above.
    """
    parts: dict[Path, str] = {}
    _add(entry.resolve(), (), parts)
    return "\n".join(parts.values())


def _add(file: Path, importers: tuple[Path, ...], parts: dict[Path, str]) -> None:
    if file in importers:
        raise ValueError(f"{file.name} imports itself, by way of {importers[-1].name}.")
    if file in parts:
        return
    source = file.read_text(encoding="utf-8")
    for name in _NAMES.findall(source):
        _add((file.parent / name).resolve(), (*importers, file), parts)
    parts[file] = _EXPORT.sub("", _TABLE.sub(lambda found: _table(file, *found.groups()), _NAMES.sub("", source)))
    for line in _LEFT_OVER.findall(parts[file]):
        if importers or not line.startswith(_ENTRY):
            raise ValueError(f"{file.name} cannot be joined with others because of this line: {line.strip()}")


def _table(file: Path, name: str, path: str) -> str:
    return f"const {name} = {(file.parent / path).read_text(encoding='utf-8').strip()};"
