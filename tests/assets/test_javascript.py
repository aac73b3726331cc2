"""JavaScript by Node's own test runner (the Node that Playwright carries), and modules joined into one script."""

import re
import subprocess
from pathlib import Path

import playwright
import pytest

from engine.paths import ASSETS
from engine.strip import modules

NODE = next((Path(playwright.__file__).parent / "driver").glob("node*"))
HERE = Path(__file__).parent
ENTRIES = ("strip/component.js", "strip/page.js", "lab/bars.js", "lab/sliders.js", "copy_link/copy_link.js")


def node(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [NODE, "--disable-warning=MODULE_TYPELESS_PACKAGE_JSON", *arguments]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=60)


def syntax_error(script: str, folder: Path) -> str:
    file = folder / "script.mjs"
    file.write_text(script, encoding="utf-8")
    return node("--check", file).stderr


@pytest.mark.parametrize("file", sorted(HERE.glob("*.test.js")), ids=lambda file: file.name)
def test_node_finds_no_failure(file: Path) -> None:
    done = node("--test", "--test-reporter=spec", file)
    assert done.returncode == 0, f"\n{done.stdout}{done.stderr}"
    assert int(re.findall(r"pass (\d+)", done.stdout)[-1]) > 0


@pytest.mark.parametrize("entry", ENTRIES)
def test_a_joined_script_is_one_module_without_a_name_used_twice(entry: str, tmp_path: Path) -> None:
    script = modules.joined(ASSETS / entry)
    assert syntax_error(script, tmp_path) == ""
    assert not re.search(r"^\s*(import\b|export\b(?! default function \())", script, re.MULTILINE)


def test_every_module_is_part_of_a_script() -> None:
    scripts = [modules.joined(ASSETS / entry) for entry in ENTRIES]
    for file in ASSETS.rglob("*.js"):
        opening = file.read_text(encoding="utf-8").splitlines()[0]  # its comment, unlike any other's
        assert any(opening in script for script in scripts), f"{file.name} is joined into no script"


def write(folder: Path, **sources: str) -> Path:
    for name, source in sources.items():
        (folder / f"{name}.js").write_text(source, encoding="utf-8")
    return folder / "entry.js"


def test_modules_are_joined_once_each_and_before_those_that_use_them(tmp_path: Path) -> None:
    entry = write(
        tmp_path,
        entry='import { a } from "./a.js";\nimport {\n  b,\n  c\n} from "./b.js";\nexport default function () {}\nc();',
        a='import { b } from "./b.js";\nexport const a = b + 1;\n',
        b='import TABLE from "./t.json" with { type: "json" };\nexport const b = TABLE.one;\nexport function c() {}\n',
    )
    (tmp_path / "t.json").write_text('{"one": 1}\n')
    assert modules.joined(entry) == (
        'const TABLE = {"one": 1};\nconst b = TABLE.one;\nfunction c() {}\n\nconst a = b + 1;\n'
        "\nexport default function () {}\nc();"
    )


@pytest.mark.parametrize(
    "line",
    [
        'import { a as b } from "./a.js";',
        'import * as a from "./a.js";',
        'import "./a.js";',
        'import { a } from "elsewhere";',
        'export { a } from "./a.js";',
        "export let a = 1;",
        "  export const a = 1;",
        'import("./a.js");',
    ],
)
def test_what_cannot_be_joined_is_refused_with_its_line(tmp_path: Path, line: str) -> None:
    entry = write(tmp_path, entry=f"{line}\n", a="export const a = 1;\n")
    with pytest.raises(ValueError, match=re.escape(line.strip())):
        modules.joined(entry)


def test_modules_that_import_each_other_are_refused(tmp_path: Path) -> None:
    entry = write(
        tmp_path, entry='import { a } from "./a.js";\n', a='import { b } from "./entry.js";\nexport const a = 1;\n'
    )
    with pytest.raises(ValueError, match=re.escape("entry.js imports itself, by way of a.js")):
        modules.joined(entry)


def test_a_default_export_is_the_entrys_alone(tmp_path: Path) -> None:
    entry = write(
        tmp_path,
        entry='import { a } from "./a.js";\na();\n',
        a="export function a() {}\nexport default function () {}\n",
    )
    with pytest.raises(ValueError, match=r"a\.js cannot be joined"):
        modules.joined(entry)


@pytest.mark.parametrize("second", ["const a = 2;", "function a() {}", "class a {}"])
def test_a_name_used_by_two_modules_is_found(tmp_path: Path, second: str) -> None:
    entry = write(
        tmp_path,
        entry=f'import {{ b }} from "./b.js";\n{second}\nb();\n',
        b="export function b() {}\nfunction a() {}\n",
    )
    assert "'a' has already been declared" in syntax_error(modules.joined(entry), tmp_path)
