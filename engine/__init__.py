"""What a causal language model thinks of a text, token by token, and how two models differ.

The public names are those of `__init__.pyi`. They are imported when first used, so that `import engine` takes no time.
"""

import ast
from importlib import import_module
from pathlib import Path

_HOMES = {
    name.name: line.module or ""
    for line in ast.parse(Path(__file__).with_suffix(".pyi").read_text(encoding="utf-8")).body
    if isinstance(line, ast.ImportFrom)
    for name in line.names
}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'engine' has no attribute {name!r}")
    home = _HOMES[name]
    value: object = import_module(f"{home}.{name}") if home == __name__ else getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
