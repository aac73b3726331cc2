"""What the page of models shows of the machine: HTML of our own, everything in it escaped."""

from collections.abc import Sequence
from html import escape

from engine import formatting, sources
from engine.models import registry
from engine.sources import hub_client
from engine.sources.availability import Availability
from engine.sources.kinds import Hub, ModelSpec, Wheels

_STATES = {
    "here": "On this machine",
    "fetchable": "Not here yet",
    "unreachable": "Not here; the hub does not answer",
    "refused": "Not here; permission needed",
    "missing": "Not found",
}


def memory_bar(shares: Sequence[tuple[str, int]], budget: int) -> str:
    """Bar of the memory that models may take, with a part for each loaded model.

    >>> 'width:50.0%' in memory_bar([("Model", 50)], 100)
    True
    """
    used = sum(size for _, size in shares)
    text = f"Models take {formatting.size(used)} of the {formatting.size(budget)} they may take"
    parts = "".join(
        f'<span style="width:{100 * size / max(budget, 1):.1f}%" title="{escape(title)}"></span>'
        for title, size in shares
    )
    bar = f'<div class="ls-bar" role="img" aria-label="{escape(text)}">{parts}</div>'
    return f'<p class="ls-bar-text">{escape(text)}</p>{bar}'


def model_card(spec: ModelSpec, there: Availability, loaded: Sequence[str]) -> str:
    """Title, note and data of one model."""
    data = [
        spec.family,
        f"{spec.parameters / 1e6:,.0f}M parameters" if spec.parameters else "",
        f"reads {spec.context_length:,} tokens" if spec.context_length else "",
        f"licence: {spec.licence}",
        f"{formatting.size(there.bytes_on_disk)} on disk" if there.bytes_on_disk else "",
        f"loaded in {', '.join(loaded)}" if loaded else "",
    ]
    state = _STATES[there.state]
    message = "" if there.state in ("here", "fetchable") else f"<p>{escape(there.message)}</p>"
    return (
        f'<div class="ls-model"><h3>{escape(spec.title)} <span class="ls-state" data-state="{there.state}">'
        f"{escape(state)}</span></h3><p>{escape(spec.note)}</p>{message}"
        f'<p class="ls-data">{escape(" · ".join(part for part in data if part))}</p></div>'
    )


def terms(spec: ModelSpec) -> str | None:
    """What must be agreed to before fetching, or None."""
    return spec.source.terms if isinstance(spec.source, Wheels) else None


def hub_answer(*, probe: bool) -> str:
    """What the hub answers if asked now (`probe`), or is known to have answered."""
    hub_models = [spec for spec in registry.specs() if isinstance(spec.source, Hub)]
    absent = [spec for spec in hub_models if sources.availability(spec).state != "here"]
    if not absent:
        return "Every model of the hub that is listed here is on this machine."
    if probe:
        hub_client.forget_unreachable()
    there = sources.availability(absent[0], probe=probe)
    if there.state == "fetchable":
        return "The hub answers." if probe else "The hub has not been asked yet."
    return f"{absent[0].title}: {there.message}"
