"""The settings of a run: widgets beside the live view, presets that fill them, and the `BiasConfig` they make."""

import dataclasses
from typing import Any

import streamlit as st

from engine import sources
from engine.errors import EngineError
from engine.models import registry
from engine.training import presets
from engine.training.config import SCRATCH, BiasConfig
from engine.training.patterns import Pattern
from ui import messages, model_picker
from ui.training import server, tokens

RATES = tuple(digit * 10.0**power for power in range(-6, 2) for digit in (1, 2, 5))[:-2]
"""Learning rates to choose from: 1e-6 to 10 in steps of 1, 2, 5."""
BETAS = (0.0, *(digit * 10.0**power for power in range(-2, 3) for digit in (1, 2, 3, 5)))[:-3]
_EXAMPLES = {"letter": Pattern(), "words": presets.WORDS_EXAMPLE, "regex": presets.REGEX_EXAMPLE}
_KINDS = {"letter": "Letter", "words": "Words", "regex": "Expression"}
_BLOCKS = (0, 1, 2, 4, 8)


def key(name: str) -> str:
    """Session key of one setting."""
    return f"train_{name}"


def value(name: str) -> Any:
    """A setting as it stands."""
    return st.session_state[key(name)]


def fill(config: BiasConfig) -> None:
    """Put a configuration into the widgets."""
    plain = {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
    plain |= {f"pattern_{field.name}": getattr(config.pattern, field.name) for field in dataclasses.fields(Pattern)}
    plain["train_blocks"] = config.train_blocks or 0
    plain["learning_rate"] = min(RATES, key=lambda rate: abs(rate - config.learning_rate))
    plain["beta"] = min(BETAS, key=lambda beta: abs(beta - config.beta))
    for name in plain.keys() - {"pattern", "device", "measure_every"}:
        st.session_state[key(name)] = plain[name]
    st.session_state[key("measure_every")] = config.measure_every


def prepare(running: BiasConfig | None) -> None:
    """In a session that is new here, begin with the run that was found again, or else what the address asks for."""
    if key("steps") not in st.session_state:
        config = from_link() if running is None else running
        fill(config)
        known = [preset.name for preset in presets.PRESETS if preset.config == config]
        st.session_state.setdefault(key("preset"), known[0] if known else None)


def from_link() -> BiasConfig:
    """The settings that the address asks for, over the first preset; what cannot be used there is left out."""
    base = presets.PRESETS[0].config
    asked = {name: st.query_params[name] for name in _plain_defaults(base) if name in st.query_params}
    for name in asked:
        st.query_params.pop(name)  # from here on the widgets say what holds
    try:
        return _changed(base, asked)
    except (EngineError, ValueError):
        return base


def link_parameters(config: BiasConfig) -> dict[str, str]:
    """What a link says of the settings: those that differ from the first preset's."""
    usual = _plain_defaults(presets.PRESETS[0].config)
    return {name: str(value) for name, value in _plain_defaults(config).items() if value != usual[name]}


def _plain_defaults(config: BiasConfig) -> dict[str, Any]:
    plain = {**config.to_dict(), "train_blocks": config.train_blocks or 0}
    pattern = {"pattern": config.pattern.text, "kind": config.pattern.kind, "ignore_case": config.pattern.ignore_case}
    return {**plain, **pattern}


def _changed(base: BiasConfig, asked: dict[str, str]) -> BiasConfig:
    kinds = {name: type(value) for name, value in _plain_defaults(base).items()}
    values: dict[str, Any] = {
        name: text == "True" if kinds[name] is bool else kinds[name](text) for name, text in asked.items()
    }
    pattern = Pattern(
        values.pop("kind", base.pattern.kind),
        values.pop("pattern", base.pattern.text),
        values.pop("ignore_case", base.pattern.ignore_case),
    )
    values["train_blocks"] = values.get("train_blocks") or None
    return dataclasses.replace(base, pattern=pattern, **values)


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
    pattern, start = _pattern_and_start()
    asked: BiasConfig | None = None
    with messages.shown():
        preview = server.preview(start, pattern.kind, pattern.text, pattern.ignore_case)
        st.html(
            f'<p class="ls-count"><strong>{preview.count:,}</strong> of {preview.size:,} tokens match '
            f"({preview.count / preview.size:.2%})</p>"
        )
        tokens.chips(preview.shown, preview.count - len(preview.shown))
        asked = _rest(pattern, start)
    return asked  # noqa: RET504 - not reached with a value where the block ends in a message


def with_live(base: BiasConfig) -> BiasConfig:
    """`base` with the learning rate and beta of the live controls, which are drawn elsewhere."""
    return dataclasses.replace(base, learning_rate=value("learning_rate"), beta=value("beta"))


def _take_preset() -> None:
    if value("preset") is not None:
        fill(presets.preset(value("preset")).config)


def _take_kind() -> None:
    example = _EXAMPLES[value("pattern_kind")]
    st.session_state[key("pattern_text")] = example.text
    st.session_state[key("pattern_ignore_case")] = example.ignore_case


def _pattern_and_start() -> tuple[Pattern, str]:
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
    names = start_names()
    if value("start") not in names:
        st.session_state[key("start")] = SCRATCH
    st.selectbox("Start from", names, format_func=_start_title, key=key("start"), persist_state="session")
    return Pattern(value("pattern_kind"), value("pattern_text"), value("pattern_ignore_case")), value("start")


def start_names() -> list[str]:
    """Scratch, then every model that is on this machine."""
    known = [name for name in model_picker.known_names() if name != "scratch-gpt2"]
    return [SCRATCH, *(name for name in known if sources.availability(registry.resolve(name)).state == "here")]


def _start_title(name: str) -> str:
    return "Random weights, GPT-2" if name == SCRATCH else registry.resolve(name).title


def _number(label: str, name: str, low: float, high: float, **options: Any) -> None:
    st.number_input(label, low, high, key=key(name), persist_state="session", **options)


def _choice(label: str, name: str, titles: dict[Any, str], **options: Any) -> None:
    st.selectbox(label, list(titles), format_func=titles.__getitem__, key=key(name), persist_state="session", **options)


def _rest(pattern: Pattern, start: str) -> BiasConfig:
    with st.expander("Model and input", icon=":material/neurology:"):
        if start == SCRATCH:
            _choice("Blocks", "layers", {count: str(count) for count in (1, 2, 4, 6, 8, 12)})
            _choice("Width", "width", {width: str(width) for width in (32, 64, 128, 256, 384, 512, 768)})
        else:
            titles = {count: f"the last {count} blocks" if count else "all weights" for count in _BLOCKS}
            _choice("Train", "train_blocks", titles | {1: "the last block"})
        _choice("Batch size", "batch_size", {count: str(count) for count in (1, 2, 4, 8, 16, 32, 64)})
        lengths = (8, 16, 32, 64, 128, 256, 512, 1024)
        _choice("Context length (tokens)", "context_length", {count: str(count) for count in lengths})
        bos = {"auto": "as the model's tokenizer opens a text", "on": "always", "off": "never"}
        _choice("Opening token", "bos", bos, help="Whether each sequence begins with the token that opens a text.")
        pull_on = {"random": "random tokens, last position only", "text": "real text, every position"}
        _choice("Pull on", "pull_on", pull_on, help="Where the loss of the wanted tokens is taken.")
    with st.expander("Loss and optimiser", icon=":material/trending_down:"):
        directions = {"forward": "D(Q‖P): cover every wanted token", "reverse": "D(P‖Q): any wanted token will do"}
        _choice("Divergence", "direction", directions)
        _number("Strength of the pull", "pull", 0.0, 100.0, step=0.1, help="With 0 nothing moves.")
        _choice("Optimiser", "optimiser", {"adamw": "AdamW", "adam": "Adam", "sgd": "SGD"})
        schedules = {"constant": "constant", "warmup": "warm-up, then constant", "cosine": "warm-up, then cosine to 0"}
        _choice("Learning rate over time", "schedule", schedules)
        _number("Steps", "steps", 1, 5000, step=10)
    with st.expander("Samples and seed", icon=":material/casino:"):
        _number("Temperature", "temperature", 0.05, 10.0, step=0.1)
        _number("Top-k (0: all tokens)", "top_k", 0, 1_000_000, step=10)
        _number("A sample every so many steps", "sample_every", 1, 1000)
        _number("Seed", "seed", 0, 2**31 - 1, help="The same seed gives the same curve.")
    return BiasConfig(
        pattern=pattern,
        start=start,
        layers=_kept("layers"),
        width=_kept("width"),
        train_blocks=_kept("train_blocks") or None if start != SCRATCH else None,
        direction=value("direction"),
        pull=value("pull"),
        pull_on=value("pull_on"),
        steps=value("steps"),
        optimiser=value("optimiser"),
        schedule=value("schedule"),
        batch_size=value("batch_size"),
        context_length=value("context_length"),
        bos=value("bos"),
        temperature=value("temperature"),
        top_k=value("top_k"),
        seed=value("seed"),
        measure_every=value("measure_every"),
        sample_every=value("sample_every"),
    )


def _kept(name: str) -> Any:
    """A setting whose widget may not be drawn just now."""
    return st.session_state.get(key(name), getattr(presets.NOTES, name))
