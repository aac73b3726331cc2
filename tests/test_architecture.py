"""Imports follow the arrows and run in no circle; `import engine` is quick; functions stay short.

Each rule is also tried on a made-up program that breaks it.
"""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from engine.paths import ROOT
from tests.source_code import Source, circles, function_lengths, imports, inside, within

PROGRAM = Source(ROOT, ("app.py", "pages", "ui", "engine"))
AROUND = Source(ROOT, ("conftest.py", "tests", "benchmarks"))

GROUND = tuple(
    f"engine.{name}"
    for name in ("errors", "paths", "arrays", "formatting", "units", "steps", "export", "quiet", "correlations")
)

# What each part may import of the program, beside itself; every part of the engine stands on the ground too.
# A module belongs to the longest name here that it lies in.
ARROWS: dict[str, tuple[str, ...]] = {
    "app": ("ui",),
    "pages": ("ui", "engine"),
    "ui": ("ui.figures", "ui.palette", "ui.signs", "engine"),
    "ui.palette": ("engine.paths",),
    "ui.signs": ("engine.paths",),
    "ui.figures": (
        "ui.palette",
        "ui.signs",
        "engine.arrays",
        "engine.formatting",
        "engine.units",
        "engine.measures",
        "engine.scoring.results",
        "engine.evaluation",
        "engine.lab",
        "engine.training.records",
    ),
    "engine": (),
    "engine.__main__": ("engine.commands",),
    "engine.commands": (
        "engine.__init__",  # the public names
        "engine.evaluation",
        "engine.training",
        "engine.lab",
        "engine.scoring",
        "engine.models",
        "engine.text",
        "engine.sources",
    ),
    "engine.evaluation": ("engine.scoring", "engine.models", "engine.text", "engine.sources", "engine.jobs"),
    "engine.training": ("engine.scoring", "engine.models", "engine.text", "engine.sources", "engine.jobs"),
    "engine.lab": ("engine.scoring", "engine.models", "engine.text", "engine.measures"),
    "engine.scoring": ("engine.models", "engine.text", "engine.strip"),  # results show themselves as strips
    "engine.models": ("engine.text", "engine.sources"),
    "engine.text": (),
    "engine.sources": (),
    "engine.strip": (),
    "engine.jobs": (),
    "engine.measures": (),
} | dict.fromkeys(GROUND, ())

# Libraries that a part never imports.
WITHOUT = {
    "app": {"torch", "transformers", "plotly"},
    "pages": {"torch", "transformers", "plotly"},
    "ui.figures": {"streamlit", "torch", "transformers"},
    "engine": {"streamlit", "plotly"},
    "engine.measures": {"torch", "transformers"},
}

MOST_LINES = 40
LONG: set[str] = set()
"""Functions that are longer all the same; docs/decisions.md says of each why."""


def home(module: str) -> str:
    """The part of `ARROWS` that a module belongs to."""
    return max((part for part in ARROWS if within(module, (part,))), key=len, default="(no part)")


def broken_arrows(source: Source) -> list[str]:
    """Imports that no arrow allows, by name."""
    return [
        f"{home(module)} may not import {home(target)}: {module} imports {target}"
        for module, targets in source.graph.items()
        for target in sorted(targets)
        if home(target) != home(module) and not may_import(home(module), target) and not is_way_to(target, targets)
    ]


def may_import(part: str, target: str) -> bool:
    """Whether an arrow leads from `part` to `target`, or `part` stands on the ground that `target` belongs to."""
    ground = GROUND if within(part, ("engine",)) else ()
    allowed = (*ARROWS.get(part, ()), *ground)
    return within(target, allowed) or f"{target}.__init__" in allowed


def is_way_to(package: str, targets: set[str]) -> bool:
    """Whether `package` is only passed through, on the way to one of its modules that is imported too."""
    return any(target.startswith(package + ".") for target in targets)


def forbidden_libraries(source: Source) -> list[str]:
    return [
        f"{module} imports {library}"
        for part, libraries in WITHOUT.items()
        for module in source.modules
        if within(module, (part,))
        for library in sorted(source.outside(module) & libraries)
    ]


def made_up(folder: Path, files: dict[str, str]) -> Source:
    """A program of the given files."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return Source(folder, tuple(sorted({name.partition("/")[0] for name in files})))


def test_imports_follow_the_arrows() -> None:
    assert broken_arrows(PROGRAM) == []


@pytest.mark.parametrize("part", [part for part in ARROWS if part not in GROUND])
def test_every_part_of_the_table_is_there(part: str) -> None:
    assert part in PROGRAM.modules or any(within(module, (part,)) for module in PROGRAM.modules)


@pytest.mark.parametrize(
    ("module", "line", "broken"),
    [
        ("engine/scoring/score.py", "from engine.lab import neurons", "engine.scoring may not import engine.lab"),
        ("engine/scoring/score.py", "import engine.lab.neurons", "engine.scoring may not import engine.lab"),
        ("engine/errors.py", "from engine.lab.neurons import f", "engine.errors may not import engine.lab"),
        ("engine/lab/neurons.py", "from engine import score_text", "engine.lab may not import engine"),
        ("engine/thing.py", "from engine.lab import neurons", "engine may not import engine.lab"),
        ("engine/lab/neurons.py", "from ui import palette", "engine.lab may not import ui.palette"),
        ("ui/figures/unity.py", "from ui import palette, strip", "ui.figures may not import ui"),
        (
            "ui/figures/unity.py",
            "from engine.training import loop, records",
            "ui.figures may not import engine.training",
        ),
        ("ui/strip.py", "from pages import heatmap", "ui may not import pages"),
        ("app.py", "def f():\n    import engine.errors", "app may not import engine.errors"),
    ],
)
def test_an_import_against_the_arrows_is_named(tmp_path: Path, module: str, line: str, broken: str) -> None:
    files = ("lab/neurons", "scoring/score", "training/loop", "training/records", "errors", "__init__")
    there = [f"engine/{name}.py" for name in files] + ["ui/palette.py", "ui/strip.py", "pages/heatmap.py"]
    found = broken_arrows(made_up(tmp_path, dict.fromkeys(there, "") | {module: line}))
    assert found
    assert {message.partition(":")[0] for message in found} == {broken}


def test_nothing_imports_a_page() -> None:
    both = {**PROGRAM.modules, **AROUND.modules}
    assert [name for name, tree in both.items() if "pages" in {found.split(".")[0] for found in imports(tree)}] == []
    assert [module for module in PROGRAM.modules if module.startswith("pages.")]


def test_heavy_and_drawing_libraries_stay_where_they_belong() -> None:
    assert forbidden_libraries(PROGRAM) == []


def test_a_forbidden_library_is_found(tmp_path: Path) -> None:
    bad = {"engine/lab/bias.py": "def f():\n    from streamlit import runtime\n", "ui/strip.py": "import streamlit\n"}
    assert forbidden_libraries(made_up(tmp_path, bad)) == ["engine.lab.bias imports streamlit"]


def behaviour_in_figures(source: Source) -> list[str]:
    """What figures import of evaluations and the lab that is no class: they draw results and compute none."""
    return [
        f"{module} imports {name}"
        for module, tree in source.modules.items()
        if within(module, ("ui.figures",))
        for name in imports(tree)
        if within(name, ("engine.evaluation", "engine.lab")) and not name.rpartition(".")[2][:1].isupper()
    ]


def test_figures_take_result_types_from_the_engine() -> None:
    assert behaviour_in_figures(PROGRAM) == []


def test_a_figure_that_computes_is_found(tmp_path: Path) -> None:
    line = "from engine.lab.bias import EntropyBias, entropy_bias"
    found = behaviour_in_figures(made_up(tmp_path, {"ui/figures/lab.py": line}))
    assert found == ["ui.figures.lab imports engine.lab.bias.entropy_bias"]


def test_no_module_imports_itself_in_a_circle() -> None:
    assert circles(PROGRAM.graph) == []


@pytest.mark.parametrize("package", ["engine", "engine.evaluation", "engine.training", "ui"])
def test_no_folder_imports_itself_in_a_circle(package: str) -> None:
    assert circles(inside(PROGRAM.graph, package)) == []


def test_a_circle_is_printed(tmp_path: Path) -> None:
    files = {
        "engine/a/one.py": "from engine.b import two",
        "engine/b/two.py": "def f():\n    import engine.c",
        "engine/c/__init__.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import engine.a.one",
        "engine/c/three.py": "from engine.a.other import f",
        "engine/a/other.py": "",
    }
    program = made_up(tmp_path, files)
    assert circles(program.graph) == []  # what only a type checker reads makes no circle
    folders = circles(inside(program.graph, "engine"))  # and of folders there is one, though of modules there is none
    assert [sorted(set(circle.split(" -> "))) for circle in folders] == [["engine.a", "engine.b", "engine.c"]]
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}) in (["b -> c -> b"], ["c -> b -> c"])


def loaded_by(code: str) -> str:
    """What running `code` in a new process says, and which of the heavy libraries it has loaded then."""
    heavy = {"torch", "transformers", "streamlit", "plotly", "numpy", "bitsandbytes"}
    said = f"{code}\nimport sys\nprint(*sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", said], cwd=ROOT, capture_output=True, text=True, timeout=60)
    return done.stdout + done.stderr


def test_importing_the_engine_loads_nothing_heavy_and_says_nothing() -> None:
    assert loaded_by("import engine") == "\n"
    assert loaded_by("import engine, numpy") == "numpy\n"


def test_pages_leave_caching_to_the_modules_of_ui() -> None:
    assert cached_in_pages(PROGRAM) == []


def test_caching_in_a_page_is_found(tmp_path: Path) -> None:
    page = {"pages/heatmap.py": "import streamlit as st\n@st.cache_data\ndef f(): ..."}
    assert cached_in_pages(made_up(tmp_path, page)) == ["pages.heatmap: cache_data"]


def cached_in_pages(source: Source) -> list[str]:
    return [
        f"{module}: {node.attr}"
        for module, tree in source.modules.items()
        if module.startswith("pages.")
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr.startswith("cache_")
    ]


def long_functions(source: Source) -> dict[str, int]:
    return {
        f"{module}.{name}": lines
        for module, tree in source.modules.items()
        for name, lines in function_lengths(tree)
        if lines > MOST_LINES
    }


def test_no_function_is_long_but_those_with_a_reason() -> None:
    found = long_functions(PROGRAM) | long_functions(AROUND)
    assert {name: lines for name, lines in found.items() if name not in LONG} == {}
    assert found.keys() >= LONG, "no longer long: take it out of the list, and out of docs/decisions.md"
    decisions = (ROOT / "docs" / "decisions.md").read_text(encoding="utf-8")
    assert [name for name in LONG if name not in decisions] == []


def test_a_long_function_is_found_and_its_docstring_is_not_counted(tmp_path: Path) -> None:
    body = "    x = 1\n" * (MOST_LINES - 1)
    short = 'def short():\n    """One.\n\n    Two.\n    """\n' + body
    long = "class A:\n    async def long(self):\n" + "        x = 1\n" * MOST_LINES
    assert long_functions(made_up(tmp_path, {"engine/a.py": short + long})) == {"engine.a.long": MOST_LINES + 1}
