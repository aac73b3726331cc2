"""Runs known to work, and what to watch for in them."""

from dataclasses import dataclass, replace

from engine.models.registry import DEFAULT_MODEL
from engine.training.config import BiasConfig
from engine.training.patterns import Pattern


@dataclass(frozen=True)
class Preset:
    """A run with a name, and two sentences on what to watch for."""

    name: str
    title: str
    watch: str
    config: BiasConfig


NOTES = BiasConfig()
PRETRAINED = BiasConfig(start=DEFAULT_MODEL, steps=20, learning_rate=5e-4, schedule="warmup", context_length=32)

PRESETS: tuple[Preset, ...] = (
    Preset(
        "notes",
        "Like X, from scratch",
        "Two curves start apart and fall together: the cross-entropy from ln V to its floor ln w, the divergence to 0. "
        "Perplexity on real text was never asked for, and it explodes.",
        NOTES,
    ),
    Preset(
        "sgd",
        "The same with SGD",
        "The gradient points the same way, but it is small, and SGD's step is only the rate times the gradient: it "
        "crawls. Raise the learning rate while it runs, up to 0.5 or 1, and see how far that helps.",
        replace(NOTES, optimiser="sgd", learning_rate=0.05),
    ),
    Preset(
        "ruined",
        "A real model, ruined",
        "The model has read billions of words, and gives in within 20 steps of noise that holds no text at all. "
        "Watch the perplexity on real text: the price is paid where nobody trained.",
        PRETRAINED,
    ),
    Preset(
        "held",
        "The same, kept readable",
        "Now every step also pays beta times KL(P‖P_start) on fixed real text; reinforcement learning from human "
        "feedback has the same leash, on the model's own texts. Compare how much the wanted share in real text grows "
        "with how much perplexity does.",
        replace(PRETRAINED, pull_on="text", beta=3.0, steps=40, learning_rate=2e-4, schedule="cosine"),
    ),
    Preset(
        "too_fast",
        "Too fast",
        "A learning rate of 1 throws the weights out of the valley at once. The run is stopped, and the last good "
        "weights are kept; lower the rate and start again.",
        replace(NOTES, learning_rate=1.0, measure_every=2),
    ),
)


def preset(name: str) -> Preset:
    """The preset of that name."""
    return next(each for each in PRESETS if each.name == name)


WORDS_EXAMPLE = Pattern("words", "rain, snow, wind, storm, cloud, sun")
"""What the word list holds when it is first chosen."""
REGEX_EXAMPLE = Pattern("regex", r"^\s?[A-Z]{2,}$", ignore_case=False)
"""What the regular expression is when it is first chosen: tokens in capitals."""
