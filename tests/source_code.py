"""The program's source, read without importing it: modules, what each imports, circles, and how long functions are."""

import ast
import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

Graph = Mapping[str, set[str]]
"""For each name, the names it imports."""


@dataclasses.dataclass(frozen=True)
class Source:
    """The Python files under some folders, as modules named from `root`."""

    root: Path
    folders: tuple[str, ...]

    @cached_property
    def modules(self) -> dict[str, ast.Module]:
        """Syntax tree by dotted name; a package has the name of its folder."""
        files = [file for folder in self.folders for file in python_files(self.root / folder)]
        return {self.name_of(file): ast.parse(file.read_text(encoding="utf-8"), str(file)) for file in files}

    def name_of(self, file: Path) -> str:
        parts = file.relative_to(self.root).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @cached_property
    def graph(self) -> dict[str, set[str]]:
        """Imports between our own modules, inside functions too.

        Importing `a.b.c` from `d` runs `a` and `a.b` as well; from `a.x` it runs `a.b` only, `a` being there already.
        """
        return {
            module: {target for name in imports(tree) for target in self._run_by(name, module)}
            for module, tree in self.modules.items()
        }

    def _run_by(self, name: str, module: str) -> Iterator[str]:
        """Our modules that `module` runs by importing `name`, which may end in what a module defines."""
        parts = name.split(".")
        heads = (".".join(parts[:end]) for end in range(1, len(parts) + 1))
        *packages, meant = [head for head in heads if head in self.modules] or [module]
        yield from (package for package in packages if not within(module, (package,)))
        if meant != module:
            yield meant

    def outside(self, module: str) -> set[str]:
        """Top-level names of libraries that `module` imports."""
        ours = {name.partition(".")[0] for name in self.modules}
        return {name.partition(".")[0] for name in imports(self.modules[module])} - ours


def python_files(path: Path) -> list[Path]:
    return [path] if path.is_file() else sorted(path.rglob("*.py"))


def imports(tree: ast.AST) -> Iterator[str]:
    """Dotted name of everything that is imported when the program runs: not under `if TYPE_CHECKING`."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}:
            waiting += node.orelse
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"relative import of {node.module}"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        waiting += ast.iter_child_nodes(node)


def within(name: str, packages: Iterable[str]) -> bool:
    """Whether `name` is one of `packages` or lies in one."""
    return any(name == package or name.startswith(package + ".") for package in packages)


def inside(graph: Graph, package: str) -> dict[str, set[str]]:
    """`graph` seen from `package`: its modules and folders, and which of them import which."""

    def part(module: str) -> str:
        return ".".join(module.split(".")[: package.count(".") + 2])

    parts: dict[str, set[str]] = {}
    for module, targets in graph.items():
        if within(module, (package,)):
            mine = parts.setdefault(part(module), set())
            mine |= {part(target) for target in targets if within(target, (package,))} - {part(module)}
    return parts


def circles(graph: Graph) -> list[str]:
    """A circle of imports in each group of modules that can all reach each other, as 'a -> b -> a'."""
    names = sorted(graph)
    at = {name: index for index, name in enumerate(names)}
    arrows = np.array([(at[name], at[target]) for name in names for target in graph[name]]).reshape(-1, 2).T
    matrix = csr_array((np.ones(arrows.shape[1]), arrows), shape=(len(names), len(names)))
    _, group = connected_components(matrix, connection="strong")
    members = ({names[i] for i in np.flatnonzero(group == label)} for label in np.flatnonzero(np.bincount(group) > 1))
    return [_circle({name: graph[name] & together for name in together}) for together in members]


def _circle(graph: Graph) -> str:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as found:
        return " -> ".join(reversed(found.args[1]))
    raise AssertionError("no circle")


def function_lengths(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Name and number of lines of each function; its docstring does not count."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            docstring = _lines(node.body[0]) if ast.get_docstring(node) is not None else 0
            yield node.name, _lines(node) - docstring


def _lines(node: ast.stmt) -> int:
    assert node.end_lineno is not None
    return node.end_lineno - node.lineno + 1
