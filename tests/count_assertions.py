"""How many claims the tests make: `python tests/count_assertions.py [FOLDER]`.

Counted in the syntax tree are `assert` statements, `expect(...)`, `pytest.raises(...)` and calls of a function named
`assert_...`. `pytest --collect-only -q` says how many tests they make with their parameters.
"""

import ast
import sys
from collections import Counter
from pathlib import Path


def claims(source: str) -> Counter[str]:
    """Claims of one file, by kind."""
    found: Counter[str] = Counter()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Assert):
            found["assert"] += 1
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            name = called.rpartition(".")[2]
            if called in ("expect", "pytest.raises"):
                found[called] += 1
            elif name.startswith("assert_"):
                found["assert_..."] += 1
    return found


def main(folder: Path) -> None:
    """Print the counts of all files below `folder`."""
    total: Counter[str] = Counter()
    for path in sorted(folder.rglob("*.py")):
        total += claims(path.read_text(encoding="utf-8"))
    print(f"{total.total()} claims:", ", ".join(f"{count} {kind}" for kind, count in total.most_common()))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
