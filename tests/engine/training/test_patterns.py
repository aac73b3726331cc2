"""Which tokens a pattern wants, and the patterns that are refused."""

import copy
import time

import pytest

from engine import steps
from engine.errors import ParameterError
from engine.models.loaded import LoadedModel
from engine.text.tokens import TextTokenizer
from engine.training import patterns, starting, vocabulary
from engine.training.config import SCRATCH, BiasConfig
from engine.training.patterns import Pattern, match

TOKENS = ["x", " Xenon", "⟨F0 9F⟩", "tea", " Tea", "T", "⟨unused 7⟩"]


def test_985_tokens_of_gpt2_contain_an_x_and_90_a_capital_one(tiny_gpt2: LoadedModel) -> None:
    texts = tiny_gpt2.tokenizer.token_texts(range(50_257))
    assert match(Pattern("letter", "x"), texts).sum() == 985
    assert match(Pattern("letter", "X", ignore_case=False), texts).sum() == 90


@pytest.mark.parametrize(
    ("pattern", "wanted"),
    [
        (Pattern("letter", "t"), ["tea", " Tea", "T"]),
        (Pattern("letter", "t", ignore_case=False), ["tea"]),
        (Pattern("letter", "f"), None),
        (Pattern("letter", "u"), None),
        (Pattern("words", "TEA, milk"), ["tea", " Tea"]),
        (Pattern("words", "tea", ignore_case=False), ["tea"]),
        (Pattern("regex", r"^\s?T"), [" Tea", "T", "tea"]),
        (Pattern("regex", r"^\s?T", ignore_case=False), [" Tea", "T"]),
    ],
)
def test_a_pattern_wants_the_tokens_whose_own_text_it_fits(pattern: Pattern, wanted: list[str] | None) -> None:
    if wanted is None:  # only how bytes and unused ids are shown has that letter, not what they say
        with pytest.raises(ParameterError, match="None of the 7 tokens match"):
            match(pattern, TOKENS)
    else:
        assert {token for token, hit in zip(TOKENS, match(pattern, TOKENS), strict=True) if hit} == set(wanted)


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        (Pattern("letter", "  "), "The pattern is empty"),
        (Pattern("letter", "qq"), "None of the 7 tokens match the pattern 'qq'"),
        (Pattern("words", ", ,"), "None of the 7 tokens match"),
        (Pattern("regex", ".*"), "Every one of the 7 tokens matches"),
        (Pattern("regex", "(unclosed"), "is not a regular expression: missing \\)"),
        (Pattern("regex", "(?P<n>"), "is not a regular expression"),
        (Pattern("regex", "x" * 501), "has 501 characters; at most 500"),
    ],
)
def test_a_useless_pattern_is_refused_with_a_sentence(pattern: Pattern, says: str) -> None:
    with pytest.raises(ParameterError, match=says):
        match(pattern, TOKENS)


def test_control_tokens_are_never_wanted_whatever_their_names_say() -> None:
    names = ["x", "<|endoftext|>", "<jupyter_text>", "tea"]
    assert match(Pattern("letter", "x"), names, {1, 2}).tolist() == [True, False, False, False]
    assert match(Pattern("regex", "[xt]"), [*names, "b"], {1, 2}).tolist() == [True, False, False, True, False]
    with pytest.raises(ParameterError, match="None of the 4 tokens match"):
        match(Pattern("letter", "end"), names, {1, 2})
    with pytest.raises(ParameterError, match="Every one of the 2 tokens matches"):
        match(Pattern("regex", "."), names, {1, 2})


def test_special_tokens_and_added_ones_with_such_names_are_control_tokens(tiny_gpt2: LoadedModel) -> None:
    backend = copy.deepcopy(tiny_gpt2.tokenizer.backend)
    backend.add_special_tokens({"additional_special_tokens": ["<file_sep>"]})
    backend.add_tokens(["<unused7>", "<|box|>", "exoplanet", "<table>"])  # the last two are text
    tokenizer = TextTokenizer(backend)
    ids = vocabulary.control_ids_of(tokenizer)
    assert sorted(tokenizer.token_texts(sorted(ids))) == ["<file_sep>", "<unused7>", "<|box|>", "<|endoftext|>"]
    wanted = match(Pattern("letter", "x"), tokenizer.token_texts(range(tokenizer.size)), ids)
    assert wanted.sum() == 985 - 1 + 1  # without the end of a text, with "exoplanet"


def test_from_random_weights_no_token_controls_anything() -> None:
    """So a run from scratch has the 985 tokens that published runs of this kind have."""
    assert vocabulary.read(SCRATCH).control_ids == frozenset()


def test_a_run_from_a_trained_model_does_not_want_its_control_tokens(smollm2: LoadedModel) -> None:
    assert {0, 1, 2} <= vocabulary.read("smollm2-135m").control_ids
    trainee = steps.run(starting.start_steps(BiasConfig(context_length=8, train_blocks=1, device="cpu"), smollm2))
    texts = smollm2.tokenizer.token_texts(trainee.target.wanted_ids.numpy())
    assert all("x" in text.casefold() for text in texts)
    assert not any(text.startswith("<") and text.endswith(">") for text in texts)


@pytest.mark.parametrize("expression", [r"(?:(a|ab|b|aba|bab)+)+\d$", "(?R)", r"((a|b|ab|ba)*)*\d"])
def test_an_expression_that_takes_for_ever_is_given_up(expression: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patterns, "REGEX_SECONDS", 0.3)
    start = time.process_time()
    with pytest.raises(ParameterError, match="took more than"):
        match(Pattern("regex", expression), ["ab" * 40, *TOKENS])
    assert time.process_time() - start < 5
