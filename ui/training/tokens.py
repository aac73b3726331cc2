"""Sampled tokens as text, the wanted ones marked by colour, weight and underline."""

from collections.abc import Iterable
from html import escape

import streamlit as st

from engine import paths
from engine.training.records import Generation, Sample
from ui import signs

_STYLE = paths.ASSETS / "training" / "training.css"


def style() -> None:
    """Load the page's style sheet."""
    st.html(_STYLE)


def sample_html(sample: Sample, prompt: bool = True) -> str:
    """One sample: the end of its prompt, muted, then its tokens.

    >>> sample_html(Sample("a", ("<b>",), (True,)), prompt=False)
    '<p class="ls-sampled"><mark>&lt;b&gt;</mark></p>'
    """
    head = f'<span class="ls-prompt">…{escape(signs.with_signs(sample.prompt, spaces=False))}</span>' if prompt else ""
    shown = (escape(signs.with_signs(token, spaces=False)) for token in sample.tokens)
    tags = ("mark" if wanted else "span" for wanted in sample.wanted)
    body = "".join(f"<{tag}>{text}</{tag}>" for tag, text in zip(tags, shown, strict=True))
    return f'<p class="ls-sampled">{head}{body}</p>'


def generation(result: Generation) -> None:
    """All samples of one generation under their count."""
    count, total = result.wanted_count, result.count
    title = "Before training" if result.when == "before" else "After training"
    rows = "".join(sample_html(each) for each in result.samples)
    st.html(
        f'<section class="ls-generation"><h3>{title}<strong>{count} of {total}</strong></h3>'
        f'<div class="ls-meter"><span style="width:{100 * count / max(1, total):.1f}%"></span></div>{rows}</section>'
    )


def glimpses(samples: Iterable[tuple[int, Sample]]) -> None:
    """Short samples taken during training, newest first, each with its step and count."""
    rows = "".join(
        f'<li><span class="ls-step">step {step}<br><b>{sum(sample.wanted)}/{len(sample.wanted)}</b></span>'
        f"{sample_html(sample, prompt=False)}</li>"
        for step, sample in samples
    )
    st.html(f'<ol class="ls-glimpses" aria-label="Samples, newest first">{rows}</ol>')


def chips(tokens: Iterable[str], more: int) -> None:
    """Tokens that a pattern matches."""
    cells = "".join(f"<li>{escape(signs.with_signs(token))}</li>" for token in tokens)
    rest = f'<li class="ls-more">and {more:,} more</li>' if more > 0 else ""
    st.html(f'<ul class="ls-chips" tabindex="0" aria-label="Tokens that match">{cells}{rest}</ul>')
