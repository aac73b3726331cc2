"""The policy of the page, and the one inline script it trusts."""

from pathlib import Path

import streamlit
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from ui import headers

READ_AND_HARMLESS = "'sha256-THxz9J9+wf7rhwR2YkXJoSZ13UCmYyC+3lNDv2+8ugA='"  # window.prerenderReady = false


def test_streamlits_page_has_only_the_inline_script_that_was_read() -> None:
    index = Path(streamlit.__file__).parent / "static" / "index.html"
    assert headers.inline_script_hashes(index.read_text(encoding="utf-8")) == (READ_AND_HARMLESS,)


def test_policy_allows_no_other_host_and_no_eval() -> None:
    policy = headers.content_security_policy()
    directives = dict(part.split(" ", 1) for part in policy.split("; "))
    assert READ_AND_HARMLESS in directives["script-src"]
    assert "unsafe" not in directives["script-src"]
    assert directives["default-src"] == directives["connect-src"] == "'self'"
    assert not any(word in policy for word in ("http:", "https:", "ws:", "*"))


def test_every_answer_carries_the_headers() -> None:
    app = Starlette(
        routes=[Route("/", lambda _: PlainTextResponse("hello"))], middleware=[Middleware(headers.SecurityHeaders)]
    )
    with TestClient(app) as client:
        for answer in (client.get("/"), client.get("/absent")):
            assert answer.headers["content-security-policy"] == headers.content_security_policy()
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["referrer-policy"] == "no-referrer"
            assert answer.headers["x-frame-options"] == "DENY"
