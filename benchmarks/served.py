"""A server of the app and a browser, for the benchmarks that need both."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
from playwright.sync_api import Browser, sync_playwright

from tests.e2e.conftest import CHROMIUM, running_server

ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")


@dataclass(frozen=True)
class Served:
    """A healthy server, what it took to start it, and a browser that has opened nothing."""

    url: str
    log: Path
    ready_seconds: float
    browser: Browser

    def process(self) -> psutil.Process:
        """The server's, a child of this one."""
        port = int(self.url.rsplit(":", 1)[1])
        for child in psutil.Process().children(recursive=True):
            if any(link.laddr.port == port and link.status == "LISTEN" for link in child.net_connections("tcp")):
                return child
        raise RuntimeError(f"nothing listens at {self.url}")


@contextmanager
def script(path: str) -> Iterator[Served]:
    """Serve a Streamlit script, given by its path from the project's folder."""
    with TemporaryDirectory() as folder, sync_playwright() as playwright:
        log, start = Path(folder) / "server.log", time.perf_counter()
        with running_server(path, {}, log) as url:
            ready = time.perf_counter() - start
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
            yield Served(url, log, ready, browser)
            browser.close()
