"""The settings of a run: widgets beside the live view, presets that fill them, and the `BiasConfig` they make.

Ranges, choices and help are the engine's (`engine.training.config.SETTINGS`); here is what they are called.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from engine import sources
from engine.errors import EngineError
from engine.models import registry
from engine.training import presets
from engine.training.config import SCRATCH, SETTINGS, BiasConfig
from engine.training.patterns import Pattern
from engine.training.schema import settings_of
from ui import messages, model_picker
from ui.training import server, tokens

RATES = tuple(digit * 10.0**power for power in range(-6, 2) for digit in (1, 2, 5))[:-2]
"""Learning rates to choose from: 1e-6 to 10 in steps of 1, 2, 5."""
BETAS = (0.0, *(digit * 10.0**power for power in range(-2, 3) for digit in (1, 2, 3, 5)))[:-3]
SIZES = {
    "layers": (1, 2, 4, 6, 8, 12),
    "width": (32, 64, 128, 256, 384, 512, 768),
    "train_blocks": (0, 1, 2, 4, 8),
    "batch_size": (1, 2, 4, 8, 16, 32, 64),
    "context_length": (8, 16, 32, 64, 128, 256, 512, 1024),
}
"""Sizes to choose from; no block to train means all weights."""
TITLES: dict[str, dict[str, str]] = {
    "bos": {"auto": "as the model's tokenizer opens a text", "on": "always", "off": "never"},
    "pull_on": {"random": "random tokens, last position only", "text": "real text, every position"},
    "direction": {"forward": "D(Q‖P): cover every wanted token", "reverse": "D(P‖Q): any wanted token will do"},
    "optimiser": {"adamw": "AdamW", "adam": "Adam", "sgd": "SGD"},
    "schedule": {"constant": "constant", "warmup": "warm-up, then constant", "cosine": "warm-up, then cosine to 0"},
}
"""What choices are called."""
_EXAMPLES = {"letter": Pattern(), "words": presets.WORDS_EXAMPLE, "regex": presets.REGEX_EXAMPLE}
_KINDS = {"letter": "Letter", "words": "Words", "regex": "Expression"}
_EXPLAINED = {"bos", "pull_on", "pull", "seed"}
"""Settings whose help is offered."""
_PATTERN = {"pattern_kind": "kind", "pattern_text": "pattern", "pattern_ignore_case": "ignore_case"}
_CALLED = {name: name for name in SETTINGS} | _PATTERN
"""What a link calls each setting."""


def key(name: str) -> str:
    """Session key of one setting."""
    return f"train_{name}"


def value(name: str) -> Any:
    """A setting as it stands."""
    return st.session_state[key(name)]


def plain(config: BiasConfig) -> dict[str, Any]:
    """Every setting of a run and its pattern by name, as the widgets hold them."""
    flat = {name: getattr(config, name) for name in SETTINGS}
    pattern = {f"pattern_{name}": getattr(config.pattern, name) for name in settings_of(Pattern)}
    return flat | pattern | {"train_blocks": config.train_blocks or 0}


def made(values: Mapping[str, Any]) -> BiasConfig:
    """Undo `plain`.

    >>> made(plain(BiasConfig())) == BiasConfig()
    True
    """
    pattern = Pattern(**{name: values[f"pattern_{name}"] for name in settings_of(Pattern)})
    return BiasConfig(
        pattern, **{name: values[name] for name in SETTINGS} | {"train_blocks": values["train_blocks"] or None}
    )


def fill(config: BiasConfig) -> None:
    """Put a configuration into the widgets."""
    values = plain(config)
    values["learning_rate"] = min(RATES, key=lambda rate: abs(rate - config.learning_rate))
    values["beta"] = min(BETAS, key=lambda beta: abs(beta - config.beta))
    for name in values.keys() - {"device"}:
        st.session_state[key(name)] = values[name]


def prepare(running: BiasConfig | None) -> None:
    """In a session that is new here, begin with the run that was found again, or else what the address asks for."""
    if key("steps") not in st.session_state:
        # What the address asks for is taken out of it, as from here on the widgets say what holds.
        config = running or read_link(
            {called: st.query_params.pop(called) for called in _CALLED.values() if called in st.query_params}
        )
        fill(config)
        known = [preset.name for preset in presets.PRESETS if preset.config == config]
        st.session_state.setdefault(key("preset"), known[0] if known else None)


def read_link(asked: Mapping[str, str]) -> BiasConfig:
    """Undo `link_parameters`, over the first preset; if that cannot be, the first preset itself."""
    values = plain(presets.NOTES)
    try:
        for name, called in _CALLED.items():
            if called in asked:
                kind = type(values[name])
                values[name] = asked[called] == "True" if kind is bool else kind(asked[called])
        return made(values)
    except (EngineError, ValueError):
        return presets.NOTES


def link_parameters(config: BiasConfig) -> dict[str, str]:
    """What a link says of the settings: those that differ from the first preset's."""
    usual, values = plain(presets.NOTES), plain(config)
    return {called: str(values[name]) for name, called in _CALLED.items() if values[name] != usual[name]}


def choose_preset() -> None:
    """Draw the presets, and what to watch for in the one that was chosen."""
    titles = {preset.name: preset.title for preset in presets.PRESETS}
    st.pills(
        "Experiments",
        list(titles),
        format_func=titles.__getitem__,
        key=key("preset"),
        on_change=_take_preset,
        persist_state="session",
        label_visibility="collapsed",
    )
    chosen = value("preset")
    if chosen is not None:
        st.html(f'<p class="ls-watch"><strong>Watch</strong> {presets.preset(chosen).watch}</p>')


def config() -> BiasConfig | None:
    """Draw every setting and return what they make, or None after saying what is wrong."""
    _pattern_and_start()
    asked: BiasConfig | None = None
    with messages.shown():
        pattern = (value("pattern_kind"), value("pattern_text"), value("pattern_ignore_case"))
        preview = server.preview(value("start"), *pattern)
        st.html(
            f'<p class="ls-count"><strong>{preview.count:,}</strong> of {preview.size:,} tokens match '
            f"({preview.count / preview.size:.2%})</p>"
        )
        tokens.chips(preview.shown, preview.count - len(preview.shown))
        _model_and_input()
        _loss_and_optimiser()
        _samples_and_seed()
        asked = as_it_stands()
    return asked  # noqa: RET504 - not reached with a value if the block ends in a message


def as_it_stands() -> BiasConfig:
    """What all widgets say now, those of the live view included and those that are not drawn just now."""
    usual = plain(presets.NOTES)
    values = {name: st.session_state.get(key(name), usual[name]) for name in usual}
    return made(values | ({"train_blocks": 0} if values["start"] == SCRATCH else {}))


def _take_preset() -> None:
    if value("preset") is not None:
        fill(presets.preset(value("preset")).config)


def _take_kind() -> None:
    example = _EXAMPLES[value("pattern_kind")]
    st.session_state[key("pattern_text")] = example.text
    st.session_state[key("pattern_ignore_case")] = example.ignore_case


def _pattern_and_start() -> None:
    st.segmented_control(
        "Tokens to like",
        list(_KINDS),
        format_func=_KINDS.__getitem__,
        key=key("pattern_kind"),
        on_change=_take_kind,
        required=True,
        persist_state="session",
    )
    labels = {"letter": "Letter or letters", "words": "Words, each one token", "regex": "Regular expression"}
    st.text_input(
        labels[value("pattern_kind")], key=key("pattern_text"), persist_state="session", label_visibility="collapsed"
    )
    st.toggle("Capitals count as the same letter", key=key("pattern_ignore_case"), persist_state="session")
    titles = {SCRATCH: "Random weights, GPT-2"} | {name: registry.resolve(name).title for name in _models_here()}
    if value("start") not in titles:
        st.session_state[key("start")] = SCRATCH
    _select("Start from", "start", list(titles), titles)


def _models_here() -> list[str]:
    known = [name for name in model_picker.known_names() if name != "scratch-gpt2"]
    return [name for name in known if sources.availability(registry.resolve(name)).state == "here"]


def _model_and_input() -> None:
    with st.expander("Model and input", icon=":material/neurology:"):
        if value("start") == SCRATCH:
            _size("Blocks", "layers")
            _size("Width", "width")
        else:
            _size("Train", "train_blocks", {0: "all weights", 1: "the last block"}, "the last {} blocks")
        _size("Batch size", "batch_size")
        _size("Context length (tokens)", "context_length")
        _choice("Opening token", "bos")
        _choice("Pull on", "pull_on")


def _loss_and_optimiser() -> None:
    with st.expander("Loss and optimiser", icon=":material/trending_down:"):
        _choice("Divergence", "direction")
        _number("Strength of the pull", "pull", 0.1)
        _choice("Optimiser", "optimiser")
        _choice("Learning rate over time", "schedule")
        _number("Steps", "steps", 10)


def _samples_and_seed() -> None:
    with st.expander("Samples and seed", icon=":material/casino:"):
        _number("Temperature", "temperature", 0.1)
        _number("Top-k (0: all tokens)", "top_k", 10)
        _number("A sample every so many steps", "sample_every", 1)
        _number("Seed", "seed", 1)


def _number(label: str, name: str, step: float) -> None:
    of = SETTINGS[name]
    low, high, by = (of.kind(each) for each in (of.low, of.high, step))
    st.number_input(label, low, high, step=by, key=key(name), help=_help(name), persist_state="session")


def _choice(label: str, name: str) -> None:
    _select(label, name, SETTINGS[name].choices, TITLES[name])


def _size(label: str, name: str, titles: Mapping[int, str] | None = None, other: str = "{}") -> None:
    """One of the sizes; one that a link or a found run brought along is offered too."""
    sizes = sorted({*SIZES[name], value(name)})
    _select(label, name, sizes, {size: (titles or {}).get(size, other.format(size)) for size in sizes})


def _select(label: str, name: str, options: Sequence[Any], titles: Mapping[Any, str]) -> None:
    named = titles.__getitem__
    st.selectbox(label, options, format_func=named, key=key(name), help=_help(name), persist_state="session")


def _help(name: str) -> str | None:
    text = SETTINGS[name].help
    return f"{text[0].upper()}{text[1:]}." if name in _EXPLAINED else None
