"""How a text is read, as a person chooses it: what stands in front of it, and how special tokens in it are taken.

Pages on one text share the choice. The page that judges models over many texts has one of its own, since a run that is
opened brings the choice it was made with.
"""

from collections.abc import Mapping
from typing import TypedDict

import streamlit as st

from engine.evaluation.runs import planning
from engine.evaluation.runs.store import Run
from engine.models.opening import Bos
from engine.scoring.results import ModelComparison, TextScores
from ui import layout

_TITLES: Mapping[Bos, str] = {"auto": "Automatic", "on": "On", "off": "Off"}
_OLDER = {"true": "on"}
"""What links said when the choice was a switch."""


def opening_token(key: str = "bos") -> Bos:
    """Draw the choice of opening token; the address holds it under `key`."""
    about = (
        "Some models were trained on texts that open with a token of their own; Automatic does what the model's own "
        "tokenizer does. On puts the model's opening token there in any case, Off never."
    )
    return layout.choice("Opening token", _TITLES, key, named=True, about=about, linked=True, older=_OLDER)


def special_tokens(key: str = "special") -> bool:
    """Draw the switch for special tokens that the text spells out; the address holds it under `key`."""
    about = "`<|endoftext|>` in the text is read as the token, not as thirteen characters."
    return st.toggle("Read special tokens", key=key, bind="query-params", persist_state="session", help=about)


def common_tokens(key: str = "common") -> bool:
    """Draw the switch for a KL over the tokens that both models know; the address holds it under `key`."""
    about = (
        "For two models whose vocabularies are one but for padding or a few added tokens: KL over the tokens that "
        "both know. The page then says how much probability that leaves out. Other pairs are not changed by it."
    )
    return st.toggle("KL over common tokens", key=key, bind="query-params", persist_state="session", help=about)


class CorpusReading(TypedDict):
    """How the texts of a run are read and compared."""

    bos: Bos
    special_tokens: bool
    common_tokens: bool


OF_RUNS = ("run_bos", "run_special", "run_common")
"""Keys of the choices on the page that judges models over many texts."""


def corpus_options() -> CorpusReading:
    """Draw the choices for a run over many texts."""
    bos, special, common = OF_RUNS
    with st.popover("Options", icon=":material/tune:", key="corpus_options"):
        return {
            "bos": opening_token(bos),
            "special_tokens": special_tokens(special),
            "common_tokens": common_tokens(common),
        }


def runs_opening() -> Bos:
    """Draw the choice of opening token alone, for a run that has no other."""
    return opening_token(OF_RUNS[0])


def of_run(run: Run) -> CorpusReading:
    """How the texts of a kept run were read and compared."""
    return {
        "bos": planning.bos_of(run.settings),
        "special_tokens": planning.special_tokens_of(run.settings),
        "common_tokens": planning.common_tokens_of(run.settings),
    }


def take_over(run: Run) -> None:
    """Before the choices are drawn: set them to those of a run that is opened."""
    for key, value in zip(OF_RUNS, of_run(run).values(), strict=True):
        st.session_state[key] = value


def link_parameters() -> dict[str, str]:
    """What a link says of the choices on a page about one text: nothing of those that are the usual ones."""
    bos = st.session_state["bos"]
    opening = {} if bos == "auto" else {"bos": str(bos)}
    return opening | {name: "true" for name in ("special", "common") if st.session_state.get(name)}


def opened(scores: TextScores, title: str) -> str:
    """One sentence on what stood in front of a text; empty if nothing did. `title` is the model's name for people."""
    if not scores.opening_tokens:
        return ""
    return f"Opened with {' '.join(scores.opening_tokens)}, {_because(scores.bos, title)}."


def both_opened(comparison: ModelComparison, title_a: str, title_b: str) -> str:
    """The same for two models; empty if neither had anything in front."""
    a, b = comparison.a, comparison.b
    if a.opening_tokens != b.opening_tokens:
        return f"{_side('A', a, title_a)} {_side('B', b, title_b)}"
    if not a.opening_tokens:
        return ""
    because = "as the option asks" if a.bos == "on" else "as the models' tokenizers do"
    return f"Both opened with {' '.join(a.opening_tokens)}, {because}."


def run_opened(run: Run) -> str:
    """One sentence on what stood in front of the texts of a run; empty if nothing did."""
    tokens = {model["title"]: " ".join(model.get("opening_tokens", ())) for model in run.models.values()}
    if not any(tokens.values()):
        return ""
    because = "as the tokenizers do" if planning.bos_of(run.settings) == "auto" else "as the option asks"
    if len(set(tokens.values())) == 1:
        return f"Every text opened with {next(iter(tokens.values()))}, {because}."
    said = " and ".join(f"with {opening or 'nothing'} for {title}" for title, opening in tokens.items())
    return f"Texts opened {said}, {because}."


def _side(side: str, scores: TextScores, title: str) -> str:
    if scores.opening_tokens:
        return f"{side} opened with {' '.join(scores.opening_tokens)}, {_because(scores.bos, title)}."
    # A text may also spell its opening token out itself.
    because = f", {_because(scores.bos, title)}" if scores.bos == "auto" and not scores.special_tokens else ""
    return f"{side} opened with nothing in front{because}."


def _because(bos: Bos, title: str) -> str:
    return f"as {title}'s tokenizer does" if bos == "auto" else "as the option asks"
