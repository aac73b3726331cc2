"""Which tokens a pattern wants, and the patterns that are refused."""

import time

import pytest

from engine.errors import ParameterError
from engine.model import LoadedModel
from engine.training import patterns
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


@pytest.mark.parametrize("expression", [r"(?:(a|ab|b|aba|bab)+)+\d$", "(?R)", r"((a|b|ab|ba)*)*\d"])
def test_an_expression_that_takes_for_ever_is_given_up(expression: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patterns, "REGEX_SECONDS", 0.3)
    start = time.process_time()
    with pytest.raises(ParameterError, match="took more than"):
        match(Pattern("regex", expression), ["ab" * 40, *TOKENS])
    assert time.process_time() - start < 5
