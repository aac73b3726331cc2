"""Every name of the product is used by the product, and what has one name is defined once."""

import ast
import re
from collections.abc import Iterator

from engine.paths import ROOT

PARTS = ("app.py", "engine", "pages", "ui")
# Used from outside: names of `engine` (engine/__init__.pyi), what a notebook calls to show a result, and what plans a
# comparison before there is one; `forget_unreachable` makes the hub be asked anew.
FROM_OUTSIDE = {"_repr_html_", "forget_all", "items_needed"}
Function = ast.FunctionDef | ast.AsyncFunctionDef


def trees() -> Iterator[ast.Module]:
    """Every module of the product."""
    for part in PARTS:
        path = ROOT / part
        for file in [path] if path.is_file() else sorted(path.rglob("*.py")):
            yield ast.parse(file.read_text(encoding="utf-8"))


def defined(body: list[ast.stmt], *, constants: bool = True) -> Iterator[str]:
    """Functions, classes and constants of a module, methods of its classes; fields may be there for a file's sake."""
    for node in body:
        if isinstance(node, Function | ast.ClassDef):
            yield node.name
        if isinstance(node, ast.ClassDef):
            yield from defined(node.body, constants=False)
        if constants and isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))
        if constants and isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id


def used(tree: ast.Module) -> Iterator[str]:
    """Names that are read, as such, as attributes, or as whole strings (`getattr`, annotations, keys of a table)."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
            yield node.attr
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from re.findall(r"\w+", node.value) if len(node.value) < 80 else ()


def unused(modules: list[ast.Module]) -> set[str]:
    read = {name for tree in modules for name in used(tree)}
    return {name for tree in modules for name in defined(tree.body) if not name.startswith("__")} - read


def public() -> set[str]:
    """Names of `engine` and of `engine.measures`: those lists import each of them as itself."""
    lists = [(ROOT / "engine" / name).read_text(encoding="utf-8") for name in ("__init__.pyi", "measures/__init__.py")]
    return set(re.findall(r" as (\w+),?$", "\n".join(lists), re.MULTILINE))


def test_no_name_is_there_for_the_tests_alone() -> None:
    assert unused(list(trees())) - public() - FROM_OUTSIDE == set()


def test_a_name_that_nothing_uses_is_found() -> None:
    assert unused([ast.parse("LEFT = 1\nclass A:\n    def gone(self): ...\nA()\n")]) == {"LEFT", "gone"}


def test_arrays_and_ln_2_are_named_once() -> None:
    """`engine.arrays` has the kinds of arrays, `engine.units` the logarithm of two."""
    written = [ast.unparse(node) for tree in trees() for node in ast.walk(tree) if isinstance(node, ast.expr)]
    kinds = {text for text in written if re.fullmatch(r"(npt\.)?NDArray\[np\.(float64|float32|int64|bool_)\]", text)}
    assert len([text for text in written if text in kinds]) == 4
    assert len([text for text in written if re.fullmatch(r"(np|math)\.log\(2(\.0)?\)", text)]) == 1
