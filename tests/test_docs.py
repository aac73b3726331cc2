"""What the documents name is there: paths, links, commands, modules. What hooks and CI run is what a person runs."""

import ast
import re
import shlex
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from markdown_it import MarkdownIt
from markdown_it.token import Token

import engine
from engine.commands import parser
from engine.paths import ROOT

# The two histories, of changes and of decisions, may name what is gone.
DOCUMENTS = (
    "README.md",
    "CONTRIBUTING.md",
    "docs/map.md",
)  # the two histories, of changes and decisions, name what was
LINKING = sorted(file.relative_to(ROOT).as_posix() for file in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
SUFFIXES = {".py", ".md", ".js", ".css", ".html", ".json", ".jsonl", ".toml", ".txt", ".yml", ".yaml"}
NO_PATH = re.compile(r"[^\w./-]")  # what a path has not: a space, or a <placeholder>


def tokens(document: str) -> list[Token]:
    """Blocks of a Markdown document, and what stands in their lines."""
    blocks = MarkdownIt().enable("table").parse((ROOT / document).read_text(encoding="utf-8"))
    return [token for block in blocks for token in (block, *(block.children or ()))]


def code_spans(document: str) -> list[str]:
    return [token.content for token in tokens(document) if token.type == "code_inline"]


def fences(document: str, language: str) -> list[str]:
    return [token.content for token in tokens(document) if token.type == "fence" and token.info == language]


def looks_like_a_path(span: str) -> bool:
    """A folder with its slash, a file with a suffix we use, or anything that starts in a folder of ours."""
    if NO_PATH.search(span) or span.startswith("/"):
        return False
    first, slash, _ = span.partition("/")
    return span.endswith("/") or Path(span).suffix in SUFFIXES or bool(slash and (ROOT / first).exists())


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_path_that_a_document_names_exists(document: str) -> None:
    named = [span for span in code_spans(document) if looks_like_a_path(span)]
    assert named
    assert [path for path in named if not (ROOT / path).exists()] == []


@pytest.mark.parametrize(
    ("span", "is_path"),
    [
        ("engine/nowhere", True),
        ("nowhere/", True),
        ("nowhere.py", True),
        ("org/name", False),
        ("engine/sources/<kind>.py", False),
        ("/unity", False),
        ("make run", False),
        ("bos", False),
    ],
)
def test_what_is_taken_for_a_path(span: str, is_path: bool) -> None:
    assert looks_like_a_path(span) is is_path


SPEAKING = [ROOT / name for name in ("app.py", "Makefile", "Dockerfile", "pyproject.toml", ".ci/run")] + [
    file
    for top in ("engine", "ui", "pages", "assets", ".streamlit")
    for file in (ROOT / top).rglob("*.*")
    if file.suffix in SUFFIXES - {".jsonl"}
]


def strays(text: str) -> list[str]:
    """Paths and `dotted.names` of ours, in comments and docstrings, that lead nowhere."""
    paths = re.findall(r"(?<![\w/.-])(?:engine|ui|pages|tests|assets|docs|benchmarks)/[\w./-]*[\w/-]", text)
    names = re.findall(r"`((?:engine|ui|pages|tests)\.[\w.]+)`", text)
    return [path for path in paths if not (ROOT / path).exists()] + [name for name in names if not is_defined(name)]


def is_defined(name: str) -> bool:
    """Whether a dotted name is a module, or its last part (or last two: a method) stands in the module before it."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        path = ROOT.joinpath(*parts[:end])
        for file in (path.with_suffix(".py"), path / "__init__.pyi", path / "__init__.py"):
            if file.exists():
                text = file.read_text(encoding="utf-8")
                return all(re.search(rf"\b{part}\b", text) for part in parts[end:])
    return False


def test_comments_and_docstrings_name_what_is_there() -> None:
    assert len(SPEAKING) > 100
    found = {file.relative_to(ROOT).as_posix(): strays(file.read_text(encoding="utf-8")) for file in SPEAKING}
    assert {name: lost for name, lost in found.items() if lost} == {}


def test_a_stray_name_is_found() -> None:
    here = "`engine.steps`, `engine.scoring.results.TextScores.perplexity`, `engine.load_model`, see docs/map.md."
    assert strays(here) == []
    gone = "`engine.cells`, `engine.steps.jump`, engine/cells.py"
    assert strays(gone) == ["engine/cells.py", "engine.cells", "engine.steps.jump"]


def slug(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def anchors(document: str) -> set[str]:
    return {slug(after.content) for block, after in pairwise(tokens(document)) if block.type == "heading_open"}


def targets(document: str) -> Iterator[str]:
    """Addresses of links and pictures that are not on the web."""
    for token in tokens(document):
        target = str(token.attrs.get("href") or token.attrs.get("src") or "")
        if target and not re.match(r"[a-z]+:", target):
            yield target


def is_there(document: str, target: str) -> bool:
    file, _, anchor = target.partition("#")
    found = (ROOT / document).parent / file if file else ROOT / document
    return found.exists() and (not anchor or anchor in anchors(found.relative_to(ROOT).as_posix()))


@pytest.mark.parametrize("document", LINKING)
def test_every_local_link_leads_somewhere(document: str) -> None:
    assert [target for target in targets(document) if not is_there(document, target)] == []


def test_a_link_that_leads_nowhere_is_found() -> None:
    assert is_there("README.md", "LICENSE")
    assert is_there("README.md", "#licences")
    assert not is_there("README.md", "docs/nowhere.md")
    assert not is_there("README.md", "#nowhere")
    assert not is_there("docs/decisions.md", "docs/decisions.md")  # from the document's own folder


def commands(text: str) -> Iterator[list[str]]:
    """Arguments of each `python -m engine` in lines of shell."""
    for line in text.splitlines():
        for command in re.split(r"[|;]|&&", line.partition(" #")[0]):
            words = shlex.split(command)
            if words[:3] == ["python", "-m", "engine"]:
                yield words[3:]


def parses(arguments: list[str]) -> bool:
    try:
        parser().parse_args(arguments)
    except SystemExit as end:
        return end.code == 0  # --help ends so
    return True


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_command_that_a_document_names_is_understood(document: str) -> None:
    shown = "\n".join([*fences(document, "sh"), *code_spans(document)])
    assert [arguments for arguments in commands(shown) if not parses(arguments)] == []


def test_a_command_that_is_not_understood_is_found() -> None:
    readme = "\n".join(fences("README.md", "sh"))
    assert {arguments[0] for arguments in commands(readme)} >= {"models", "score", "compare", "divergence", "fetch"}
    assert not parses(["score", "--no-such-option", "text.txt"])
    assert list(commands("cat x | python -m engine score - # score it")) == [["score", "-"]]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_target_of_make_that_a_document_names_exists(document: str) -> None:
    rules = set(re.findall(r"^([a-z-]+):", makefile(), re.MULTILINE))
    named = re.findall(r"\bmake ([a-z-]+)", "\n".join([*fences(document, "sh"), *code_spans(document)]))
    assert set(named) <= rules


def test_public_names_in_the_notebook_example_exist() -> None:
    example = "\n".join(fences("README.md", "python"))
    used = {
        node.attr
        for node in ast.walk(ast.parse(example))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "engine"
    }
    assert used
    assert used <= set(dir(engine))


def test_the_map_has_a_place_for_every_folder_and_many_features() -> None:
    named = code_spans("docs/map.md")
    folders = [file.parent.relative_to(ROOT) for top in ("engine", "ui") for file in ROOT.glob(f"{top}/*/__init__.py")]
    assert len(folders) > 10
    assert [folder for folder in folders if not any(Path(span).is_relative_to(folder) for span in named)] == []
    assert sum(token.type == "tr_open" for token in tokens("docs/map.md")) > 25


PACKAGES = sorted(
    file.parent.relative_to(ROOT).as_posix() for top in ("engine", "ui") for file in ROOT.glob(f"{top}/**/__init__.py")
)


@pytest.mark.parametrize("package", [package for package in PACKAGES if package != "engine"])
def test_a_package_says_what_each_of_its_modules_is_for(package: str) -> None:
    docstring = ast.get_docstring(ast.parse((ROOT / package / "__init__.py").read_text(encoding="utf-8"))) or ""
    parts = [path for path in (ROOT / package).iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()]
    named = set(re.findall(r"^ *(\w+)(?:  |\.py )", docstring, re.MULTILINE))
    assert named == {path.stem for path in parts} - {"__init__"}


def makefile() -> str:
    return (ROOT / "Makefile").read_text(encoding="utf-8")


def read_yaml(path: str) -> Any:
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


def checks() -> list[str]:
    """What `make check` runs, the installation left out."""
    options = ["--dry-run", "--no-print-directory", "--old-file=.venv/.installed-dev", "VENV=.venv", "check"]
    done = subprocess.run(["make", *options], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    return [" ".join(line.split()) for line in done.stdout.splitlines()]


def test_hooks_run_what_make_check_runs() -> None:
    (repository,) = read_yaml(".pre-commit-config.yaml")["repos"]
    assert repository["repo"] == "local"
    words = [shlex.split(hook["entry"]) for hook in repository["hooks"]]
    assert [" ".join(line[2:] if line[:2] == ["sh", "-c"] else line) for line in words] == checks()
    assert {(hook["language"], hook["pass_filenames"]) for hook in repository["hooks"]} == {("system", False)}


def test_continuous_integration_checks_out_and_runs_our_script() -> None:
    workflow = read_yaml(".github/workflows/ci.yml")
    (job,) = workflow["jobs"].values()
    used, run = job["steps"]
    assert re.fullmatch(r"actions/checkout@v\d+", used["uses"])
    assert run == {"run": ".ci/run"}
    assert (ROOT / ".ci/run").stat().st_mode & 0o100
    assert workflow["permissions"] == {"contents": "read"}
    assert job["timeout-minutes"] <= 60
    required = re.search(r'requires-python = ">=([\d.]+)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert required
    assert job["container"].startswith(f"python:{required[1]}-")  # the oldest Python that is promised


def test_a_report_asks_for_what_one_needs_to_see_it_again() -> None:
    form = read_yaml(".github/ISSUE_TEMPLATE/report.yml")
    assert form["name"]
    assert form["description"]
    fields = [field for field in form["body"] if field["type"] != "markdown"]
    assert {field["id"] for field in fields} == {"seen", "expected", "models", "machine"}
    assert all(field["attributes"]["label"] and field["validations"]["required"] for field in fields)
    described = " ".join(field["attributes"]["description"] for field in fields)
    asked = re.findall(r"`([^`]+)`", described)
    assert [arguments for command in asked for arguments in commands(command) if arguments[0] == "models"]
    assert all(parses(arguments) for command in asked for arguments in commands(command))
    assert "python -m torch.utils.collect_env" in asked
