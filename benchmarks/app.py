"""The app as a person meets it, in a real browser: start, first paint, a click, eight people at once.

    python benchmarks/app.py [--rounds 15]

Needs chromium (CHROMIUM names it, default /usr/bin/chromium) and the embedded model. Medians over the rounds. The time
of a click is taken inside the page, from the click to the last token drawn; the texts clicked are scored already, so
that none of it is the model's. Throughput is counted over texts that nobody has scored yet.
"""

import argparse
import statistics
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import psutil
from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks import common
from tests.e2e.conftest import CHROMIUM, running_server, settled
from ui import examples

TARGETS = {"first_paint_s": 2.0, "click_to_heatmap_ms": 150, "throughput_of_eight_over_one": 0.9, "copies": 1}
SESSIONS, TEXTS_EACH, REPEATS = 8, 3, 6
WEIGHTS_BYTES = 269_000_000  # of the embedded model in bfloat16

# Resolves with the milliseconds from the click to the frame in which the strip ends as the wanted text does.
CLICK = """([choice, ending]) => new Promise(done => {
  const cells = () => [...document.querySelectorAll('[data-testid=stBidiComponentIsolated]')]
    .flatMap(host => [host, ...host.querySelectorAll('*')])
    .flatMap(element => element.shadowRoot ? [...element.shadowRoot.querySelectorAll('.tokens .t')] : []);
  const button = [...document.querySelectorAll('[role=radio]')].find(e => e.textContent.includes(choice));
  const start = performance.now();
  const look = () => {
    const tail = cells().slice(-12).map(cell => cell.textContent).join('').replaceAll('\\u00a0', ' ').trimEnd();
    if (tail.endsWith(ending)) requestAnimationFrame(() => done(performance.now() - start));
    else if (performance.now() - start > 30000) done(null);
    else requestAnimationFrame(look);
  };
  button.click();
  look();
})"""


def first_paint_seconds(browser: Browser, url: str, rounds: int) -> float:
    """From opening the address to the last token of the first example, in a browser profile of its own each time."""
    times = []
    for _ in range(rounds):
        context = browser.new_context()
        page = context.new_page()
        start = time.perf_counter()
        page.goto(url)
        page.locator(".tokens .t").last.wait_for()
        times.append(time.perf_counter() - start)
        context.close()
    return statistics.median(times)


def click_milliseconds(browser: Browser, url: str, rounds: int) -> float:
    """From choosing another example that is scored to its last token."""
    page = browser.new_page()
    page.goto(url)
    page.locator(".stPlotlyChart").last.wait_for()
    settled(page)
    times = []
    for round_number in range(rounds + 2):
        example = examples.examples()[1 + round_number % 2]
        took = page.evaluate(CLICK, [example.title, example.text[-10:]])
        if took is None:
            raise RuntimeError(f"the strip of {example.title!r} did not come within 30 s")
        times.append(took)
        page.wait_for_timeout(700)  # until the charts are drawn too, and the page rests
    page.close()
    return statistics.median(times[2:])


def texts_a_second(browser: Browser, url: str, sessions: int, texts: int, name: str) -> float:
    """Texts scored in a second by so many people at once, each of whom asks for the next when one has come."""
    pages = [browser.new_context().new_page() for _ in range(sessions)]
    for page in pages:
        page.goto(f"{url}/?text=own")
        page.get_by_label("Your text").wait_for()
    start = time.perf_counter()
    waiting = {page: [f"{name} {number} {turn}" for turn in range(texts)] for number, page in enumerate(pages)}
    asked: dict[Page, str] = {}
    while waiting or asked:
        for page in pages:
            if page in asked and shows(page, asked[page]):
                del asked[page]
            if page not in asked and page in waiting:
                asked[page] = waiting[page].pop(0)
                if not waiting[page]:
                    del waiting[page]
                ask(page, asked[page])
        time.sleep(0.05)
    seconds = time.perf_counter() - start
    for page in pages:
        page.context.close()
    return sessions * texts / seconds


def ask(page: Page, title: str) -> None:
    text = f"{title}. " + " ".join(example.text for example in examples.examples()[:2])
    page.get_by_label("Your text").fill(text)
    page.get_by_role("button", name="Score").click()


def shows(page: Page, title: str) -> bool:
    strips = page.locator(".tokens").evaluate_all("found => found.map(strip => strip.textContent.slice(0, 60))")
    return any(str(text).replace("\u00a0", " ").startswith(title) for text in strips)


def main() -> None:
    """Run everything and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    results: dict[str, object] = {"machine": common.machine(), "targets": TARGETS}
    with TemporaryDirectory() as folder, sync_playwright() as playwright:
        start = time.perf_counter()
        log = Path(folder) / "server.log"
        with running_server("app.py", {}, log) as url:
            results["ready_s"] = round(time.perf_counter() - start, 2)
            while "All examples are scored" not in log.read_text():
                time.sleep(0.2)
            arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
            say("first paint")
            results["first_paint_s"] = round(first_paint_seconds(browser, url, rounds), 2)
            say("clicks")
            results["click_to_heatmap_ms"] = round(click_milliseconds(browser, url, rounds))
            server = server_process(url)
            say(f"{results}\none person, then eight")
            one = texts_a_second(browser, url, 1, REPEATS, "Alone")
            before = server.memory_info().rss
            eight = texts_a_second(browser, url, SESSIONS, TEXTS_EACH, "Together")
            growth = server.memory_info().rss - before
            results["texts_a_second"] = {"one": round(one, 3), "eight": round(eight, 3)}
            results["throughput_of_eight_over_one"] = round(eight / one, 2)
            results["memory_growth_mb_of_eight"] = round(growth / 1e6)
            results["copies"] = 1 + int(growth // WEIGHTS_BYTES)
            browser.close()
    common.write_results("app", results)


def say(what: str) -> None:
    """What is being measured, on stderr."""
    sys.stderr.write(f"{what} ...\n")


def server_process(url: str) -> psutil.Process:
    """The child of this process that listens at `url`."""
    port = int(url.rsplit(":", 1)[1])
    for child in psutil.Process().children(recursive=True):
        if any(link.laddr.port == port and link.status == "LISTEN" for link in child.net_connections("tcp")):
            return child
    raise RuntimeError(f"nothing listens at {url}")


if __name__ == "__main__":
    main()
