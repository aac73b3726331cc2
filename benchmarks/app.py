"""The app as a person meets it, in a real browser: start, first paint, a click, eight people at once.

Needs the embedded model and a browser (CHROMIUM names it; default Debian's headless shell, else chromium). Medians over
the rounds. Times are taken inside the page: first paint from the start of the navigation, in a browser profile of its
own, to the last token drawn; a click from the click to the last token drawn. The texts clicked are scored already, so
that none of it is the model's. Throughput is counted over texts that nobody has scored yet, by people who speak to the
server as a browser does but draw nothing: eight browsers on the machine of the server would take its processor from it.
One person and eight are counted by turns, and the median and range of the ratios are given.
"""

import contextlib
import json
import statistics
import time
from argparse import Namespace
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from playwright.sync_api import Browser
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import ClientConnection, connect

from benchmarks import common, served
from benchmarks.served import Served
from tests.e2e.conftest import settled
from ui import examples

TARGETS = {"first_paint_s": 2.0, "click_to_heatmap_ms": 150, "throughput_of_eight_over_one": 0.9, "copies": 1}
SESSIONS, TEXTS_EACH, REPEATS = 8, 3, 8
WEIGHTS_BYTES = 269_000_000  # of the embedded model in bfloat16

CELLS = """const cells = () => [...document.querySelectorAll('[data-testid=stBidiComponentIsolated]')]
    .flatMap(host => [host, ...host.querySelectorAll('*')])
    .flatMap(element => element.shadowRoot ? [...element.shadowRoot.querySelectorAll('.tokens .t')] : []);"""

# Notes the time since the navigation began at the first frame that has tokens.
FIRST_PAINT = f"""(() => {{ {CELLS}
  const look = () => {{
    if (cells().length) requestAnimationFrame(() => {{ window.firstPaint = performance.now(); }});
    else requestAnimationFrame(look);
  }};
  look();
}})()"""

# Resolves with the milliseconds from the click to the frame in which the strip ends as the wanted text does.
CLICK = f"""([choice, ending]) => new Promise(done => {{ {CELLS}
  const button = [...document.querySelectorAll('[role=radio]')].find(e => e.textContent.includes(choice));
  const start = performance.now();
  const look = () => {{
    const tail = cells().slice(-12).map(cell => cell.textContent).join('').replaceAll('\\u00a0', ' ').trimEnd();
    if (tail.endsWith(ending)) requestAnimationFrame(() => done(performance.now() - start));
    else if (performance.now() - start > 30000) done(null);
    else requestAnimationFrame(look);
  }};
  button.click();
  look();
}})"""


def first_paint_seconds(browser: Browser, url: str, rounds: int) -> float:
    """From opening the address to the last token of the first example, in a browser profile of its own each time."""
    times = []
    for _ in range(rounds):
        context = browser.new_context()
        page = context.new_page()
        page.add_init_script(FIRST_PAINT)
        page.goto(url)
        times.append(page.wait_for_function("() => window.firstPaint").json_value() / 1e3)
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


class Visitor:
    """One session of the heatmap page, over the websocket that Streamlit's own page uses."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._run({})

    def score(self, text: str) -> None:
        """Write a text of one's own and press Score; returns when the page is finished with its last token."""
        seen = self._run({"text_area": {"string_value": text}, "button": {"trigger_value": True}})
        if not any(text[-10:].strip() in part for part in seen):
            raise RuntimeError(f"the server did not show the reading of {text[:40]!r}")

    def _run(self, values: dict[str, dict[str, Any]]) -> list[str]:
        """Set the page's first widget of each kind named, run the page, and give what its strips show."""
        message = BackMsg()
        message.rerun_script.query_string = "text=own"
        message.rerun_script.page_name = ""
        for kind, value in values.items():
            message.rerun_script.widget_states.widgets.add(id=self._ids[kind], **value)
        self._socket.send(message.SerializeToString())
        self._ids: dict[str, str] = {}
        strips: list[str] = []
        for payload in self._socket:
            answer = ForwardMsg.FromString(payload)
            kind = answer.WhichOneof("type")
            if kind == "script_finished":
                return strips
            if kind != "delta" or answer.delta.WhichOneof("type") != "new_element":
                continue
            element = answer.delta.new_element
            name = element.WhichOneof("type")
            if name in ("text_area", "button"):
                self._ids.setdefault(name, getattr(element, name).id)
            elif name == "bidi_component" and '"cell_text"' in element.bidi_component.json:
                data = json.loads(element.bidi_component.json)
                strips.append("".join(data["strings"][index] for index in data["cell_text"]))
        raise RuntimeError("the server closed the session")


def texts_a_second(url: str, sessions: int, texts: int, name: str) -> float:
    """Texts scored in a second by so many people at once, each of whom asks for the next when one has come."""
    stream = url.replace("http:", "ws:") + "/_stcore/stream"
    body = " ".join(example.text for example in examples.examples()[:2])
    with contextlib.ExitStack() as sockets:
        visitors = [
            Visitor(sockets.enter_context(connect(stream, subprotocols=["streamlit"], max_size=None)))
            for _ in range(sessions)
        ]

        def ask_all(number: int) -> None:
            for turn in range(texts):
                visitors[number].score(f"{name} {number} {turn}. {body}")

        start = time.perf_counter()
        with ThreadPoolExecutor(sessions) as people:
            list(people.map(ask_all, range(sessions)))
        return sessions * texts / (time.perf_counter() - start)


def throughput(server: Served, pairs: int) -> dict[str, Any]:
    """Texts per second of one person and of eight, and what eight cost in memory."""
    process = server.process()
    texts_a_second(server.url, 1, REPEATS, "First")
    before = process.memory_info().rss
    one, eight = [], []
    for turn in range(pairs):  # by turns, since the machine itself grows slower and faster
        one.append(texts_a_second(server.url, 1, REPEATS, f"Alone {turn}"))
        eight.append(texts_a_second(server.url, SESSIONS, TEXTS_EACH, f"Together {turn}"))
    growth = process.memory_info().rss - before
    ratios = [together / alone for together, alone in zip(eight, one, strict=True)]
    return {
        "texts_a_second": {"one": statistics.median(one), "eight": statistics.median(eight)},
        "throughput_of_eight_over_one": statistics.median(ratios),
        "throughput_of_eight_over_one_range": [min(ratios), max(ratios)],
        "memory_growth_mb_of_eight": growth / 1e6,
        "copies": 1 + int(max(0, growth) // WEIGHTS_BYTES),
    }


def measure(chosen: Namespace) -> dict[str, Any]:
    with served.script("app.py") as server:
        while "All examples are scored" not in server.log.read_text():
            time.sleep(0.2)
        while server.process().cpu_percent(1.0) > 5:  # what the other pages show first is prepared after the examples
            pass
        common.say("first paint, then clicks ...")
        results = {
            "targets": TARGETS,
            "ready_s": server.ready_seconds,
            "first_paint_s": first_paint_seconds(server.browser, server.url, chosen.rounds),
            "click_to_heatmap_ms": click_milliseconds(server.browser, server.url, chosen.rounds),
        }
        common.say(f"{results}\none person, then eight ...")
        return results | throughput(server, chosen.pairs)


if __name__ == "__main__":
    pairs = (7, 1, "turns of one person and eight")
    common.run("app", __doc__, measure, rounds=(15, 1, "first paints, and clicks"), pairs=pairs)
