"""Beside every page: which model, at which precision, and what the machine holds."""

from collections.abc import Callable
from functools import partial
from html import escape

import streamlit as st

from engine import formatting, sources
from engine.errors import EngineError
from engine.models import checkpoint, hardware, registry
from engine.models.loaded import PRECISIONS
from engine.models.request import ModelRequest
from ui import address, engine_access

AUTOMATIC = "auto"
_ADDED = "added_models"


def model_choice() -> ModelRequest:
    """Draw the choice of model and precision beside the page; one choice for all pages, kept in links."""
    with st.sidebar.container(key="model_choice"):
        return pick_model("model", "precision", "Model", engine_access.PAIR[0])


def pick_model(name_key: str, precision_key: str, label: str, default: ModelRequest) -> ModelRequest:
    """Draw one pair of choices under the given keys, which are also their names in links."""
    names = known_names(st.query_params.get(name_key))
    precisions = [AUTOMATIC, *PRECISIONS]
    address.restore(name_key, names, default.name)
    address.restore(precision_key, precisions, default.precision)
    name = st.selectbox(label, names, format_func=_option, key=name_key, persist_state="session")
    precision = st.selectbox(
        "Precision" if label == "Model" else f"{label}, precision",
        precisions,
        format_func=partial(_precision_option, name),
        key=precision_key,
        persist_state="session",
        help="Automatic takes what is fastest on this machine, or what the model was stored in. bfloat16 rounds: "
        "log-probabilities move by a few hundredths of a nat. int8 and nf4 are quantised by bitsandbytes: less "
        "memory, at some cost in fidelity.",
    )
    address.note(name_key, default.name)
    address.note(precision_key, default.precision)
    return ModelRequest(name, precision)


def pick_pair(
    place: str, names: tuple[str, str], labels: tuple[str, str], between: Callable[[], object] = lambda: None
) -> tuple[ModelRequest, ModelRequest]:
    """Draw the choice of two models in one line, under `names` in links; `between` draws what stands between them."""
    with st.container(horizontal=True, vertical_alignment="bottom", key=place):
        first = _pick_side(names[0], labels[0], engine_access.PAIR[0])
        between()
        return first, _pick_side(names[1], labels[1], engine_access.PAIR[1])


def _pick_side(name: str, label: str, default: ModelRequest) -> ModelRequest:
    with st.container(key=f"side_{name}", horizontal=True):
        return pick_model(name, f"{name}_precision", label, default)


def known_names(asked: str | None = None) -> list[str]:
    """Names to choose from: the registry's, what this session added, and a hub id that a link asks for."""
    names = [spec.name for spec in registry.specs()]
    added: list[str] = st.session_state.setdefault(_ADDED, [])
    if asked is not None and asked not in names and asked not in added and _is_hub_id(asked):
        added.append(asked)
    return names + added


def add_model(name: str) -> str:
    """Let this session choose `name`, a hub id or a directory, and return the model's own name.

    Raises
    ------
    UnknownModelError
        If it is neither.
    """
    spec = registry.resolve(name)
    if spec.name not in known_names():
        st.session_state[_ADDED].append(spec.name)
    return spec.name


def status() -> None:
    """At the foot: the device, and how much of the memory for models is in use."""
    pool = engine_access.pool()
    on_cpu = hardware.choose("float32").device.type == "cpu"
    device = f"CPU, {hardware.describe().cpu_cores} cores" if on_cpu else hardware.accelerators()[0].title
    held, used = formatting.counted(len(pool.loaded()), "model"), formatting.size(pool.used_bytes)
    lines = (("Device", device), ("Loaded", f"{held}, {used} of {formatting.size(pool.budget_bytes)}"))
    rows = "".join(f"<p><span>{escape(name)}</span> <span>{escape(value)}</span></p>" for name, value in lines)
    st.sidebar.html(f'<div class="ls-status">{rows}</div>')


def _option(name: str) -> str:
    try:
        spec = registry.resolve(name)
    except EngineError:
        return f"{name} (gone)"
    here = sources.availability(spec).state == "here"
    return spec.title if here else f"{spec.title} (not here)"


def _precision_option(name: str, precision: str) -> str:
    if precision != AUTOMATIC:
        return precision
    spec = registry.resolve(name)
    return f"Automatic ({checkpoint.choose(spec, sources.availability(spec).path, AUTOMATIC, 'auto').precision})"


def _is_hub_id(name: str) -> bool:
    """Whether `name` is a hub id. A link must not make the server look at a directory of its machine."""
    if name.startswith((".", "~", "/", "\\")) or name.count("/") != 1:
        return False
    try:
        return registry.resolve(name).family == "hub"
    except EngineError:
        return False
