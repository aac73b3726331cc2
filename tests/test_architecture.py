"""Imports follow the arrows: app.py -> ui; pages -> ui, engine; ui -> engine; ui/figures -> results and colours."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.paths import ROOT

OURS = ("app", "engine", "pages", "ui")

# For each part: which of our own modules it may import, and which libraries it may not.
RULES = {
    "app.py": (("ui",), ("torch", "transformers", "plotly")),
    "engine": (("engine",), ("streamlit", "plotly")),
    "pages": (("ui", "engine"), ("torch", "transformers", "plotly")),
    "ui": (("ui", "engine"), ()),
    "ui/figures": (("ui.figures", "ui.palette", "ui.signs", "engine"), ("streamlit", "torch", "transformers")),
}
FIGURES_READ = (
    "engine.arrays",
    "engine.formatting",
    "engine.units",
    "engine.scoring.results",
    "engine.measures",
    "engine.lab",
    "engine.training.records",
    "engine.evaluation",
)


def python_files(part: str) -> list[Path]:
    path = ROOT / part
    found = [path] if path.is_file() else sorted(path.rglob("*.py"))
    return [file for file in found if part != "ui" or "figures" not in file.parts]


def imports(file: Path) -> Iterator[str]:
    """Dotted name of everything imported anywhere in the file, inside functions too."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def within(name: str, packages: tuple[str, ...]) -> bool:
    return any(name == package or name.startswith(package + ".") for package in packages)


def broken(part: str) -> list[str]:
    allowed, forbidden = RULES[part]
    return [
        f"{file.relative_to(ROOT)} imports {name}"
        for file in python_files(part)
        for name in imports(file)
        if within(name, forbidden) or (within(name, OURS) and not within(name, allowed))
    ]


@pytest.mark.parametrize("part", RULES)
def test_imports_follow_the_arrows(part: str) -> None:
    assert python_files(part), f"{part} has no Python files: the rule would hold of nothing"
    assert not broken(part)


def test_figures_import_nothing_of_the_engine_but_results() -> None:
    read = {name for file in python_files("ui/figures") for name in imports(file) if within(name, ("engine",))}
    assert [name for name in read if not name.startswith(FIGURES_READ)] == []


def test_pages_leave_caching_to_ui_cache() -> None:
    decorated = [
        f"{file.name}: st.{node.attr}"
        for file in python_files("pages")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr.startswith("cache_")
    ]
    assert decorated == []


def test_a_forbidden_import_is_found(tmp_path: Path) -> None:
    file = tmp_path / "bad.py"
    file.write_text("def f():\n    from streamlit import runtime\n")
    assert [name for name in imports(file) if within(name, ("streamlit",))] == ["streamlit.runtime"]
