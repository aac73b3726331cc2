"""Real server, real browser.

A test module says which script it wants with an `app_script` fixture of its own (default: the whole app), and
`app_env` for its environment. Each (script, environment) is served once for the whole run. `page`, `dark_page` and
`phone_page` are open on it and idle; `open_page` opens more. Whatever a page does, at the end of its test it must have
asked no host but the server's.
"""

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from engine.paths import ROOT

_BROWSERS = ("/usr/bin/chromium-headless-shell", "/usr/bin/chromium")  # the first, made for this, takes half the time
CHROMIUM = os.environ.get("CHROMIUM") or next(filter(os.path.exists, _BROWSERS), _BROWSERS[-1])
STARTUP_SECONDS = 90.0
RUN_SECONDS = 15.0
PHONE = {"width": 390, "height": 844}
RULES_OF_COLOUR = ("color-contrast", "link-in-text-block")

OpenPage = Callable[..., Page]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    quiet = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage"]
    one_process = ["--renderer-process-limit=1"]  # a profile's pages share one, and what it has compiled
    return {**browser_type_launch_args, "executable_path": CHROMIUM, "args": quiet + one_process}


@pytest.fixture(scope="session")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., str]]:
    """`serve(script, env)` gives the address of a Streamlit server running `script` (a path from the root)."""
    with contextlib.ExitStack() as servers:
        urls: dict[tuple[str, tuple[tuple[str, str], ...]], str] = {}

        def start(script: str, env: Mapping[str, str] | None = None) -> str:
            key = (script, tuple(sorted((env or {}).items())))
            if key not in urls:
                log = tmp_path_factory.mktemp("server") / "server.log"
                urls[key] = servers.enter_context(running_server(script, env or {}, log))
            return urls[key]

        yield start


@contextlib.contextmanager
def running_server(script: str, env: Mapping[str, str], log: Path) -> Iterator[str]:
    """A server of `script` on a free port, up and healthy; ended on leaving."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = {
        "server.port": port,
        "server.address": "127.0.0.1",
        "server.headless": "true",
        "server.fileWatcherType": "none",
        "browser.gatherUsageStats": "false",
    }
    command = [sys.executable, "-m", "streamlit", "run", script]
    command += [part for name, value in options.items() for part in (f"--{name}", str(value))]
    with log.open("wb") as output:
        server = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, **env}, stdout=output, stderr=output, stdin=subprocess.DEVNULL
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_until_healthy(server, url, log)
        yield url
    finally:
        server.terminate()
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _wait_until_healthy(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    end = time.monotonic() + STARTUP_SECONDS
    while time.monotonic() < end:
        if server.poll() is not None:
            pytest.fail(f"The server of {url} ended with {server.returncode}:\n{log.read_text()}")
        with contextlib.suppress(OSError):
            # The body, not the status: unknown paths answer 200 too, with the page.
            if urllib.request.urlopen(url + "/_stcore/health", timeout=1).read() == b"ok":
                return
        time.sleep(0.1)
    pytest.fail(f"The server of {url} was not healthy within {STARTUP_SECONDS:.0f} s:\n{log.read_text()}")


@pytest.fixture(scope="module")
def app_script() -> str:
    """Which script the module's pages show; override in the module."""
    return "app.py"


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Where the servers of these tests keep their runs."""
    return str(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def app_env(data_dir: str) -> dict[str, str]:
    """Environment variables of the module's server; override in the module."""
    return {"LOGITSCOPE_DATA": data_dir, "LOGITSCOPE_TRAINING_NICENESS": "5"}  # runs go on, but the pages come first


@pytest.fixture(scope="module")
def app_url(serve: Callable[..., str], app_script: str, app_env: dict[str, str]) -> str:
    return serve(app_script, app_env)


@pytest.fixture(scope="session")
def profile(browser: Browser) -> Callable[..., BrowserContext]:
    """`profile(color_scheme=, viewport=, ...)` gives the run's browser profile with these options.

    Pages that share one find the app's scripts in its cache: they open twice as fast as in a new profile.
    """
    profiles: dict[str, BrowserContext] = {}

    def profile_of(**options: Any) -> BrowserContext:
        key = repr(sorted(options.items()))
        if key not in profiles:
            profiles[key] = browser.new_context(accept_downloads=True, **options)
        return profiles[key]

    return profile_of


@contextlib.contextmanager
def opening(app_url: str, profile: Callable[..., BrowserContext]) -> Iterator[OpenPage]:
    """`open_page(path, scheme=, viewport=, ...)` opens a page of the app; its profile has nothing kept by others."""
    foreign: list[str] = []
    opened: list[Page] = []

    def record(url: str) -> None:
        if not url.startswith((app_url, app_url.replace("http:", "ws:"), "data:", "blob:", "about:")):
            foreign.append(url)

    def open_(path: str = "/", *, scheme: str = "light", settle: bool = True, **options: Any) -> Page:
        context = profile(color_scheme=scheme, **options)
        if not context.pages:  # one that stays, or the process would go with each test's last page
            context.new_page().goto(app_url + "/_stcore/health")
        page = context.new_page()
        opened.append(page)
        page.on("request", lambda request: record(request.url))
        page.on("websocket", lambda socket: record(socket.url))
        count_runs(page)
        page.set_default_timeout(15_000)
        page.goto(app_url + path)
        if settle:
            settled(page)
        return page

    yield open_
    for page in opened:
        if not page.is_closed():
            page.evaluate("localStorage.clear()")
            page.close()
    assert not foreign, f"The page asked other hosts: {foreign[:5]}"


@pytest.fixture
def open_page(app_url: str, profile: Callable[..., BrowserContext]) -> Iterator[OpenPage]:
    """See `opening`."""
    with opening(app_url, profile) as open_:
        yield open_


@pytest.fixture(scope="module")
def open_to_look(app_url: str, profile: Callable[..., BrowserContext]) -> Iterator[OpenPage]:
    """As `open_page`, for a page that the module's tests share because they only look at it."""
    with opening(app_url, profile) as open_:
        yield open_


@pytest.fixture
def page(open_page: OpenPage) -> Page:
    return open_page()


@pytest.fixture
def dark_page(open_page: OpenPage) -> Page:
    return open_page(scheme="dark")


@pytest.fixture
def phone_page(open_page: OpenPage) -> Page:
    return open_page(viewport=PHONE, has_touch=True, is_mobile=True, device_scale_factor=2)


def settled(page: Page) -> None:
    """Wait until the page is connected and its script has run."""
    page.wait_for_selector(
        "[data-testid=stApp][data-test-connection-state=CONNECTED][data-test-script-state=notRunning]"
    )


_finished: WeakKeyDictionary[Page, int] = WeakKeyDictionary()


def count_runs(page: Page) -> None:
    """Count the script runs that the server says it has finished.

    The page's own `data-test-script-state` does not do: a run of some milliseconds never shows in it, and right after
    a click it may still say 'notRunning' of the run before.
    """
    _finished[page] = 0

    def count(payload: bytes | str) -> None:
        if isinstance(payload, bytes) and ForwardMsg.FromString(payload).WhichOneof("type") == "script_finished":
            _finished[page] += 1

    page.on("websocket", lambda socket: socket.on("framereceived", count))


@contextlib.contextmanager
def finished_run(page: Page) -> Iterator[None]:
    before = _finished[page]
    yield
    end = time.monotonic() + RUN_SECONDS
    while _finished[page] == before:
        assert time.monotonic() < end, f"No script run finished within {RUN_SECONDS:.0f} s"
        page.wait_for_timeout(10)
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    settled(page)


@pytest.fixture
def rerun() -> Callable[[Page], AbstractContextManager[None]]:
    """`with rerun(page): page.click(...)` waits until a script run caused inside has finished."""
    return finished_run


@pytest.fixture
def script_runs() -> Callable[[Page], int]:
    """How many script runs of a page the server has finished: unchanged means the server was not asked."""

    def count(page: Page) -> int:
        page.wait_for_timeout(100)
        return _finished[page]

    return count


@pytest.fixture
def axe() -> Callable[..., list[str]]:
    """`axe(page, include=None)` lists axe-core's findings as 'rule (impact): first node'; empty means clean.

    All rules are asked in the light scheme. The dark one has the same elements in other colours, so only what depends
    on these is asked again.
    """

    def check(page: Page, include: str | None = None, allow: tuple[str, ...] = ()) -> list[str]:
        context = {"include": [[include]]} if include else None
        # Without these types axe writes down every element that passes, too, which takes most of its time.
        options: dict[str, Any] = {"resultTypes": ["violations"]}
        if page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches"):
            options["runOnly"] = list(RULES_OF_COLOUR)
        found = Axe().run(page, context=context, options=options).response["violations"]
        return [
            f"{finding['id']} ({finding['impact']}): {finding['nodes'][0]['html'][:200]}"
            for finding in found
            if finding["id"] not in allow
        ]

    return check
