"""Spans and ids over the kinds of tokenizers that models come with, on texts that are hard to cut."""

import json
import unicodedata
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from engine.errors import TextError
from engine.scoring import score
from engine.text.tokens import TextTokenizer
from tests.engine import fakes

CORPUS = ["the cat sat on the mat. Ünïcödé café naïve 12,345 हिन्दी भाषा 한국어 日本語 שלום مرحبا 👩🏽‍🚀 🇩🇪 🙂"] * 3


def byte_level(normalizer: normalizers.Normalizer | None = None) -> Tokenizer:
    """GPT-2's kind; with NFC Qwen's and Pythia's."""
    tokenizer = Tokenizer(models.BPE())
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


def sentencepiece() -> Tokenizer:
    """Llama 2's kind: a space in front, spaces as ▁, bytes for characters the vocabulary lacks."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokens = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256))]
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=tokens, show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    description = json.loads(tokenizer.to_str())
    description["added_tokens"] = description["added_tokens"][:1]  # the bytes are tokens like others
    return Tokenizer.from_str(json.dumps(description))


def unigram() -> Tokenizer:
    """T5's and XLNet's kind."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    options = {"special_tokens": ["<unk>"], "unk_token": "<unk>", "show_progress": False}
    tokenizer.train_from_iterator(CORPUS, trainers.UnigramTrainer(vocab_size=120, **options))
    return tokenizer


def word_pieces() -> Tokenizer:
    """BERT's kind, used by many Chinese GPT-2s: drops white space, accents and capitals."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(vocab_size=200, special_tokens=["[UNK]"], show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


def words() -> Tokenizer:
    """Whole words, all others unknown."""
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0, "the": 1, "cat": 2}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer


REWRITE: dict[str, Callable[[str], str]] = {
    "byte-level": str,
    "byte-level, NFC": lambda text: unicodedata.normalize("NFC", text),
    "byte-level, NFKC": lambda text: unicodedata.normalize("NFKC", text),
    "byte-level, NFD": lambda text: unicodedata.normalize("NFD", text),
}
MADE = {
    "byte-level": byte_level(),
    "byte-level, NFC": byte_level(normalizers.NFC()),
    "byte-level, NFKC": byte_level(normalizers.NFKC()),
    "byte-level, NFD": byte_level(normalizers.NFD()),
    "SentencePiece BPE": sentencepiece(),
    "Unigram": unigram(),
    "WordPiece": word_pieces(),
    "words": words(),
}
UNKNOWN = {"SentencePiece BPE": "<unk>", "Unigram": "<unk>", "WordPiece": "[UNK]", "words": "[UNK]"}
TOKENIZERS = {
    name: TextTokenizer(
        PreTrainedTokenizerFast(tokenizer_object=made, **({"unk_token": UNKNOWN[name]} if name in UNKNOWN else {}))
    )
    for name, made in MADE.items()
}
AWKWARD = {
    "emoji joined": "👩🏽‍🚀 👨‍👩‍👧",
    "flags": "🇩🇪🇫🇷 🇺",
    "jamo": "각각 한국",
    "Devanagari": "हिन्दी क्षत्रिय",
    "right to left": "שָׁלוֹם abc مَرْحَبًا",
    "combining marks": "cafe\u0301 a\u0301\u0327b e\u0301e\u0301",
    "a mark first": "\u0301a",
    "controls": "\x00\x07a\x1b[0m\x7f",
    "separators": "a\u2028b\u2029c\u0085d",
    "lone variation selectors": "a\ufe0fb \ufe0f",
    "line ends": "a\r\nb\rc\n\n\r\n",
    "long spaces": "      a      \t\t\t b     ",
    "compatibility": "ﬁ ½ ① ㍿ ｶﾞ ǆ",
    "case": "İ ß Σς",
    "private and unassigned": "\ue000 \U000f0000 \u0378",
    "bytes order marks": "\ufeffa\ufeff",
    "Zalgo": "Z\u0335\u0321\u0351a\u0334\u0322l\u0337",
}
unicode_texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
pieces = st.sampled_from([*" \n\r\te\u0301aé\ufe0f\u200d\u1100\u1161\u11a8ｶﾞ▁", "🙂", "🏽", "the", " cat", "\u0327"])
texts = unicode_texts | st.lists(pieces, min_size=1, max_size=12).map("".join)


def assert_right(name: str, text: str) -> None:
    """Spans in order and without gap from the first character to the last, ids the tokenizer's own."""
    tokenizer = TOKENIZERS[name]
    encoding = tokenizer.encode(text)
    assert encoding.token_ids.tolist() == tokenizer.backend.backend_tokenizer.encode(text, add_special_tokens=False).ids
    if not len(encoding):
        assert encoding.spans.shape == (0, 2)
        return
    starts, ends = encoding.spans.T
    assert (starts[0], ends[-1]) == (0, len(text))
    assert (starts < ends).all(), "an empty span"
    assert (np.diff(starts) >= 0).all()
    assert (np.diff(ends) >= 0).all()
    assert (starts[1:] <= ends[:-1]).all(), "a gap"


@pytest.mark.parametrize("text", AWKWARD)
@pytest.mark.parametrize("name", TOKENIZERS)
def test_awkward_texts_are_covered_in_order(name: str, text: str) -> None:
    assert_right(name, AWKWARD[text])


@pytest.mark.parametrize("name", TOKENIZERS)
@given(text=texts)
@settings(max_examples=60, deadline=None)
def test_any_text_is_covered_in_order(name: str, text: str) -> None:
    assert_right(name, text)


@pytest.mark.parametrize("name", REWRITE)
@given(text=texts)
@settings(max_examples=80, deadline=None)
def test_a_token_of_whole_characters_is_in_its_span_as_the_tokenizer_writes_it(name: str, text: str) -> None:
    decomposed = [unicodedata.normalize("NFD", character) for character in text]
    assume(unicodedata.normalize("NFD", text) == "".join(decomposed))  # else marks change places, and tokens with them
    tokenizer = TOKENIZERS[name]
    encoding = tokenizer.encode(text)
    for (start, stop), token in zip(encoding.spans, tokenizer.token_texts(encoding.token_ids), strict=True):
        if "⟨" not in token:
            assert token in REWRITE[name](text[start:stop])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("the e\u0301", [[0, 3], [3, 4], [4, 6]]),
        ("e\u0301a", [[0, 2], [2, 3]]),
        ("e\u0301e\u0301 ", [[0, 2], [2, 4], [4, 5]]),
        ("\u1100\u1161\u11a8", [[0, 3]] * 3),  # one syllable of three bytes
    ],
)
def test_a_mark_belongs_to_the_token_of_its_letter(text: str, expected: list[list[int]]) -> None:
    assert TOKENIZERS["byte-level, NFC"].encode(text).spans.tolist() == expected


def test_a_dropped_accent_belongs_to_its_letter() -> None:
    encoding = TOKENIZERS["WordPiece"].encode("cafe\u0301 the")
    assert encoding.spans[-1].tolist() == [5, 9]


@pytest.mark.parametrize("name", ["WordPiece", "words"])
@pytest.mark.parametrize("text", ["\n", "   ", " \t\r\n "])
def test_a_text_without_tokens_has_none_and_scoring_says_so(name: str, text: str) -> None:
    assert len(TOKENIZERS[name].encode(text)) == 0
    model = fakes.uniform_model(TOKENIZERS[name].size, tokenizer=TOKENIZERS[name])
    with pytest.raises(TextError, match="no token in this text"):
        score.score_text(model, text, top_k=1)


def test_a_zero_width_space_alone_has_no_word_piece() -> None:
    assert len(TOKENIZERS["WordPiece"].encode("\u200b")) == 0
