"""The token strip on a page: mounts assets/strip/ and says which token a person picked.

Looking, hovering, recolouring and pinning happen in the browser alone. A picked token is reported, so that charts can
follow it; what charts select is marked in the strip through a second, tiny component, and the large data stays put.

The view (colour, limits, thresholds, words) lives in the page's address. The strip writes it there itself with
`history.replaceState`: no script run, and Streamlit leaves parameters alone that it does not know, also when a bound
widget (`bind="query-params"`) changes its own (tests/e2e/test_strip.py holds it to that).
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import streamlit as st

from engine.strip import page

_mount = st.components.v2.component("logitscope.token_strip", css=page.style(), js=page.script())
# The same script, so that both share one module in the browser.
_mount_remote = st.components.v2.component("logitscope.token_strip_remote", js=page.script())
_HEAD_START_S = 0.08


@dataclass(frozen=True)
class StripEvents:
    """What a person did. Token indices; with several tokens in a cell or word, the first of them."""

    selected: int | None
    """Picked last and still pinned."""
    drawn: bool = False
    """Whether the browser has drawn the strip, if it was asked to `announce` that."""


def token_strip(
    payload: Mapping[str, Any],
    *,
    key: str,
    height: Literal["content"] | int = "content",
    highlight: Sequence[int] = (),
    selected: int | None = None,
    default_view: Mapping[str, Any] | None = None,
    report: bool = True,
    announce: bool = False,
    url_prefix: str | None = "",
    link: str | None = None,
) -> StripEvents:
    """Show a strip.

    Parameters
    ----------
    payload
        From `engine.strip.payload.payload` or `comparison_payload`.
    key
        Name of the strip on its page.
    height
        'content', or most pixels of the text, which then scrolls inside.
    highlight
        Token indices to mark; changing them sends only them.
    selected
        A token to pin as if it had been clicked, without being reported.
    default_view
        Any of colour ('logprob', 'prob', 'rank', 'surprisal', 'entropy', 'ratio'; for a comparison 'difference', 'kl',
        'js', 'logprob_a', 'logprob_b'), limits [low, high], ranks [3 thresholds], words (bool).
    report
        Whether picks are reported; each costs a script run.
    announce
        Whether the browser says, by one more script run, that the strip is drawn for the first time. What a page shows
        only then does not hold the strip up: a browser draws in one go what comes together, and the first chart makes
        it read the charts' script first, which takes seconds (benchmarks/app.py).
    url_prefix
        Put before the names of the view's parameters in the address (colour, limits, ranks, words), so that several
        strips on a page keep apart; None keeps the view out of the address.
    link
        Strips of one text with the same link mark the place that is hovered in one of them.

    Returns
    -------
    StripEvents
    """
    options = {
        "key": key,
        "max_height": None if height == "content" else height,
        "view": dict(default_view or {}),
        "report": report,
        "announce": announce,
        "url": url_prefix,
        "link": link,
    }
    marks = {"kind": "remote", "key": key, "highlight": [int(token) for token in highlight], "selected": selected}
    with st.container(gap=None):
        result = _mount(
            key=key,
            data={**payload, "options": options},
            on_selected_change=lambda: None,
            on_drawn_change=lambda: None,
        )
        _mount_remote(key=f"{key}-remote", data=marks, height="content")
    picked = result.selected or {}
    is_current = picked.get("signature") == payload["signature"]
    return StripEvents(selected=picked["token"] if is_current else None, drawn=bool(result.drawn))


def head_start(key: str, about: object) -> None:
    """Let the browser draw the strip `key` before the charts that follow, if it is now `about` something else."""
    drawn = f"{key}_about"
    if st.session_state.get(drawn, about) != about:
        time.sleep(_HEAD_START_S)
    st.session_state[drawn] = about
