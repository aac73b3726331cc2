"""Before the first visitor: the default model loaded and the examples scored, so that the first page is finished.

The server answers once the model is loaded and the first example scored; the rest follows in the queue. Whatever goes
wrong here is said on the console, and the app starts all the same: the page then says what to do.
"""

import asyncio
import contextlib
import logging
import os
import socket
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psutil
import streamlit as st
import torch

from engine.errors import EngineError
from engine.models import hardware, registry
from engine.models.request import ModelRequest
from ui import engine_access, examples
from ui.evaluation import runs

_log = logging.getLogger("logitscope")


@asynccontextmanager
async def lifespan(_app: st.App) -> AsyncIterator[dict[str, object]]:
    """Prepare before serving. LOGITSCOPE_PREPARE=0 leaves it out: the first visitor then waits instead."""
    send_at_once()
    if os.environ.get("LOGITSCOPE_PREPARE", "1") != "0":
        await asyncio.to_thread(prepare)
    yield {}


def send_at_once() -> None:
    """Turn Nagle's algorithm off for the server's socket, from which its connections inherit the setting.

    asyncio does so only for sockets that name TCP as their protocol, which the one that Streamlit opens does not. Small
    messages, of which a page is made, then wait up to 40 ms for the answer to the one before.
    """
    with contextlib.suppress(psutil.Error):
        for link in psutil.Process().net_connections("tcp"):
            if link.status == psutil.CONN_LISTEN and link.fd >= 0:
                with socket.socket(fileno=os.dup(link.fd)) as listener:
                    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def prepare() -> None:
    """Load the default model, score the first example and queue the others."""
    _say_on_console()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS") or hardware.describe().cpu_cores))
    start = time.perf_counter()
    _log.info("Loading %s and scoring the first example ...", registry.resolve(registry.DEFAULT_MODEL).title)
    texts = [example.text for example in examples.examples()]
    if _done(engine_access.PAIR[:1], texts[0]):
        _log.info("Ready after %.1f s. The other examples follow in the background.", time.perf_counter() - start)
        threading.Thread(target=_prepare_rest, args=(texts,), name="prepare", daemon=True).start()


def _prepare_rest(texts: list[str]) -> None:
    wanted = [(engine_access.PAIR, texts[0]), *((engine_access.PAIR[:1], text) for text in texts[1:])]
    if all(_done(choices, text) for choices, text in wanted):
        _log.info("All examples are scored.")
        runs.prepare()


def _done(choices: tuple[ModelRequest, ...], text: str) -> bool:
    """Compute ahead and say whether it worked: one at a time, so that a visitor never waits for more than one."""
    try:
        engine_access.ahead_of_time(choices, text).result()
    except EngineError as error:
        _log.warning("%s The app starts all the same; see its Models page.", error)
        return False
    return True


def _say_on_console() -> None:
    if not _log.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("  %(message)s"))
        _log.addHandler(handler)
        _log.setLevel(logging.INFO)
        _log.propagate = False
