"""The strip as script, style sheet and HTML pages that need nothing else. Drawing it is the work of assets/strip/."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from functools import cache
from typing import TYPE_CHECKING, Any

from engine.paths import ASSETS
from engine.strip import modules, payload

if TYPE_CHECKING:  # results show themselves as such a page
    from engine.scoring.results import ModelComparison, TextScores


@cache
def script() -> str:
    """ES module of the strip for Streamlit (see assets/strip/component.js)."""
    return modules.joined(ASSETS / "strip" / "component.js")


@cache
def style() -> str:
    """The strip's style sheet, with the palette of both themes and the signs of white space as custom properties."""
    palette, signs = _table("palette"), _table("signs")
    rules = [f".ls[data-theme={theme}] {{ {_properties('p', palette[theme])} }}" for theme in ("light", "dark")]
    shown = {name: f'"{signs[character]}"' for name, character in (("newline", "\n"), ("tab", "\t"))}
    sheet = (ASSETS / "strip" / "strip.css").read_text(encoding="utf-8")
    return "\n".join([*rules, f".ls {{ {_properties('sign', shown)} }}", sheet])


def _table(name: str) -> dict[str, Any]:
    table: dict[str, Any] = json.loads((ASSETS / f"{name}.json").read_text(encoding="utf-8"))
    return table


def _properties(prefix: str, values: dict[str, Any]) -> str:
    return " ".join(f"--{prefix}-{name.replace('_', '-')}: {it};" for name, it in values.items() if isinstance(it, str))


def scores_html(scores: TextScores, *, title: str = "Logitscope") -> str:
    """One HTML page with the strip of a reading that needs nothing else.

    The page cannot reach the network or run any script but the strip's: its content security policy names the
    strip's by hash. Text is only ever data in it.
    """
    facts = [
        ("Model", scores.model_title),
        *_opened(scores, "Opened with"),
        ("Tokens", f"{len(scores):,}"),
        ("Perplexity", f"{scores.perplexity:,.2f}"),
        ("Bits per byte", f"{scores.bits_per_byte:.3f}"),
    ]
    return _html(payload.payload(scores), facts, title)


def comparison_html(comparison: ModelComparison, *, title: str = "Logitscope") -> str:
    """The same of the difference of two readings."""
    facts = [
        ("Model A", f"{comparison.a.model_title} (perplexity {comparison.a.perplexity:,.2f})"),
        ("Model B", f"{comparison.b.model_title} (perplexity {comparison.b.perplexity:,.2f})"),
        *_opened(comparison.a, "A opened with"),
        *_opened(comparison.b, "B opened with"),
        ("Pearson", f"{comparison.pearson:.3f}"),
        ("B better", f"{comparison.share_above:.0%}"),
    ]
    return _html(payload.comparison_payload(comparison), facts, title)


def _opened(scores: TextScores, label: str) -> list[tuple[str, str]]:
    return [(label, " ".join(scores.opening_tokens))] if scores.opening_tokens else []


def _html(strip: payload.Payload, facts: list[tuple[str, str]], title: str) -> str:
    code, sheet = modules.joined(ASSETS / "strip" / "page.js"), style()
    # Escaped so that no text can end the script element it travels in.
    data = json.dumps({"strip": strip, "title": title, "facts": facts}, separators=(",", ":")).replace("<", "\\u003c")
    policy = f"default-src 'none'; script-src '{_sha256(code)}'; style-src '{_sha256(sheet)}'; base-uri 'none'"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{html.escape(title)}</title>\n<style>{sheet}</style>\n</head>\n<body>\n"
        f'<main id="strip"></main>\n<script type="application/json" id="data">{data}</script>\n'
        f'<script type="module">{code}</script>\n</body>\n</html>\n'
    )


def _sha256(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def notebook_frame(document: str) -> str:
    """`scores_html` or `comparison_html` in a notebook's cell: a scrolling frame that may run scripts and nothing else.

    It has an origin of its own.
    """
    return (
        '<iframe sandbox="allow-scripts" title="Token strip" style="width:100%;height:520px;border:0"'
        f' srcdoc="{html.escape(document, quote=True)}"></iframe>'
    )
