import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from engine.errors import TextError
from engine.models.loaded import LoadedModel
from engine.text.tokens import Encoding, TextTokenizer
from tests.engine import fakes

MIXED = "½ a 🙂👍🏽 Tiếng Việt\r\n\t 1234 日本語 <|endoftext|>"


def sentencepiece_like(*, prefix: bool = False) -> TextTokenizer:
    """Spaces as ▁, characters the vocabulary lacks as byte tokens: the shape of Gemma's and Llama's tokenizers."""
    vocabulary = {"<unk>": 0, **{f"<0x{byte:02X}>": byte + 1 for byte in range(256)}}
    for piece in ("▁", "a", "b", "▁a"):
        vocabulary[piece] = len(vocabulary)
    tokenizer = Tokenizer(models.BPE(vocabulary, [("▁", "a")], byte_fallback=True, unk_token="<unk>"))
    replace = normalizers.Replace(" ", "▁")
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), replace]) if prefix else replace
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    return TextTokenizer(PreTrainedTokenizerFast(tokenizer_object=tokenizer))


def dropping_accents() -> TextTokenizer:
    """A tokenizer that rewrites its text: accents go, and so do spaces."""
    vocabulary = {letter: index for index, letter in enumerate("abcdefghijklmnopqrstuvwxyz")}
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents()])
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return TextTokenizer(PreTrainedTokenizerFast(tokenizer_object=tokenizer))


def assert_tiles(encoding: Encoding, text: str) -> None:
    starts, ends = encoding.spans.T
    assert starts[0] == 0
    assert ends[-1] == len(text)
    assert (starts < ends).all()
    assert (np.diff(starts) >= 0).all()
    assert (np.diff(ends) >= 0).all()
    assert (starts[1:] <= ends[:-1]).all(), "a gap"


TOKENIZERS = {
    "bytes": fakes.byte_tokenizer(),
    "sentencepiece": sentencepiece_like(),
    "sentencepiece with a prefix": sentencepiece_like(prefix=True),
}


@pytest.mark.parametrize("name", TOKENIZERS)
@given(text=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30))
@settings(max_examples=60, deadline=None)
def test_spans_cover_any_text_without_gaps(name: str, text: str) -> None:
    assert_tiles(TOKENIZERS[name].encode(text), text)


@given(text=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30))
@settings(max_examples=60, deadline=None)
def test_tokens_overlap_just_where_they_share_a_character(text: str) -> None:
    spans = TOKENIZERS["bytes"].encode(text).spans
    characters = [index for index, character in enumerate(text) for _ in character.encode()]
    assert spans.tolist() == [[index, index + 1] for index in characters]


def test_spans_of_the_embedded_models_tokens_are_exact(smollm2: LoadedModel) -> None:
    encoding = smollm2.tokenizer.encode(MIXED)
    assert_tiles(encoding, MIXED)
    shown = smollm2.tokenizer.token_texts(encoding.token_ids)
    for (start, stop), token in zip(encoding.spans.tolist(), shown, strict=True):
        assert token == MIXED[start:stop] or "⟨" in token


def test_a_character_the_tokenizer_has_whole_is_one_token(smollm2: LoadedModel) -> None:
    assert len(smollm2.tokenizer.encode("½")) == 1


@pytest.mark.parametrize("fixture", ["smollm2", "tiny_gpt2"])
def test_no_token_of_a_vocabulary_shows_the_replacement_character(fixture: str, request: pytest.FixtureRequest) -> None:
    tokenizer = request.getfixturevalue(fixture).tokenizer
    shown = tokenizer.token_texts(range(tokenizer.size))
    assert not [text for text in shown if "\ufffd" in text or not text]


def test_parts_of_characters_show_as_bytes() -> None:
    tokenizer = fakes.byte_tokenizer((("ð", "Ł"), ("Ġ", "ð")))
    assert tokenizer.token_texts([256, 257, 0xBD, 32]) == ["⟨F0 9F⟩", " ⟨F0⟩", "⟨BD⟩", " "]


def test_ids_no_token_has_are_named_as_unused() -> None:
    assert fakes.byte_tokenizer().token_texts(np.array([300])) == ["⟨unused 300⟩"]


def test_special_token_text_is_plain_text(smollm2: LoadedModel) -> None:
    for text in ("<|endoftext|>", "a<|im_start|>user"):
        encoding = smollm2.tokenizer.encode(text)
        specials = set(smollm2.tokenizer.backend.all_special_ids)
        assert not specials & set(encoding.token_ids.tolist())
        assert "".join(smollm2.tokenizer.token_texts(encoding.token_ids)) == text


def test_a_long_text_gives_no_warning(smollm2: LoadedModel, caplog: pytest.LogCaptureFixture) -> None:
    encoding = smollm2.tokenizer.encode("one two " * 20_000)
    assert len(encoding) > smollm2.context_length
    assert not caplog.records


def test_a_megabyte_of_text_is_cut_in_full(smollm2: LoadedModel) -> None:
    text = ("The goal is ½ of 🙂. " * 60_000)[: 1 << 20]
    assert_tiles(smollm2.tokenizer.encode(text), text)


def test_a_tokenizer_that_rewrites_its_text_still_tiles_it() -> None:
    text = "  café  au lait  "
    encoding = dropping_accents().encode(text)
    assert_tiles(encoding, text)
    assert encoding.spans[3].tolist() == [5, 6]


def test_a_space_the_tokenizer_adds_shares_the_first_characters() -> None:
    tokenizer = sentencepiece_like(prefix=True)
    encoding = tokenizer.encode("b")
    assert tokenizer.token_texts(encoding.token_ids) == [" ", "b"]
    assert encoding.spans.tolist() == [[0, 1], [0, 1]]


@pytest.mark.parametrize(("text", "said"), [("", "empty"), ("a\udc00", "Character 2")])
def test_text_that_cannot_be_encoded_is_refused(text: str, said: str) -> None:
    with pytest.raises(TextError, match=said):
        fakes.byte_tokenizer().encode(text)


def test_vocabulary_id_tells_vocabularies_apart() -> None:
    merged = (("h", "e"),)
    assert fakes.byte_tokenizer().vocabulary_id == fakes.byte_tokenizer().vocabulary_id
    assert fakes.byte_tokenizer().vocabulary_id != fakes.byte_tokenizer(merged).vocabulary_id
