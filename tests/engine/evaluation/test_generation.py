"""Texts that models write: the same as one row read anew for each token, in every family, and with its spaces."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from engine import steps
from engine.errors import InputError, ParameterError
from engine.evaluation.mauve import features, generation, tails, writing
from engine.evaluation.mauve.generation import Sampling
from engine.models.loaded import LoadedModel
from engine.steps import Progress
from engine.text.tokens import TextTokenizer
from tests.engine import fakes, small_networks
from tests.engine.keepers import MemoryKeeper

OPENINGS = ["the cat sat", "a dog came in with the ball of it"]
"""One within a window of 16 tokens, which it passes while it is being written, and one beyond."""
NEW = 14


def ids_of(text: str) -> list[int]:
    return list(text.encode())


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """The ids behind each text, as they are turned into text."""
    found: list[list[int]] = []

    def added(tokenizer: TextTokenizer, prompt: list[int], new: list[int]) -> str:
        found.append(list(new))
        return ""

    monkeypatch.setattr(tails, "added_text", added)
    return found


@pytest.mark.parametrize("name", small_networks.NAMES)
def test_every_family_writes_what_single_rows_without_a_cache_give(
    name: str, tiny_gpt2: LoadedModel, drawn: list[list[int]]
) -> None:
    model = small_networks.model(name, tiny_gpt2)
    steps.run(generation.continue_texts_steps(model, OPENINGS, Sampling(temperature=0, new_tokens=NEW)))
    assert drawn == [small_networks.greedy(name, ids_of(opening), NEW) for opening in OPENINGS]


@pytest.mark.parametrize("way", ["together", "alone", "whole"])
def test_every_way_writes_the_same_with_a_network_that_allows_all(
    way: writing.Way, tiny_gpt2: LoadedModel, drawn: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = small_networks.model("llama", tiny_gpt2)
    monkeypatch.setattr(writing, "way", lambda *_: way)
    sampling = Sampling(temperature=0, new_tokens=NEW)
    steps.run(generation.continue_texts_steps(model, OPENINGS, sampling, limits=[3, NEW]))
    wanted = [small_networks.greedy("llama", ids_of(opening), NEW) for opening in OPENINGS]
    assert drawn == [wanted[0][:3], wanted[1]]


WAYS: dict[str, writing.Way] = {"mamba": "alone", "mamba2": "alone", "rwkv": "alone", "jamba": "alone"} | {
    "openai_gpt": "whole"
}


@pytest.mark.parametrize("name", small_networks.NAMES)
def test_the_way_of_writing_is_said_if_it_is_a_slow_one(name: str, tiny_gpt2: LoadedModel) -> None:
    model = small_networks.model(name, tiny_gpt2)
    said: list[Progress] = []
    work = generation.continue_texts_steps(model, OPENINGS, Sampling(temperature=0, new_tokens=2))
    steps.run(work, said.append)
    way = WAYS.get(name, "together")
    assert said[0].message.endswith(writing.WHY[way] or "token 1 of 2")
    assert writing.way(model, 60) == way


def test_a_writer_that_differs_only_beyond_a_window_is_refuted_there_and_kept_below(tiny_gpt2: LoadedModel) -> None:
    """The network forgets its window when keys are kept, as a wrong cache would make it."""
    model = small_networks.model("mistral", tiny_gpt2)
    config = type(model.network.config).from_dict(model.network.config.to_dict() | {"sliding_window": 64})
    wide = type(model.network)(config).eval()
    wide.load_state_dict(model.network.state_dict())
    model = replace(model, network=wide)
    forward = wide.forward

    def forgetful(**given: object) -> object:
        for layer in wide.base_model.layers:
            layer.self_attn.sliding_window = None
        masks = wide.config.sliding_window
        wide.config.sliding_window = 10_000 if given.get("use_cache") else masks
        try:
            return forward(**given)
        finally:
            wide.config.sliding_window = masks

    wide.forward = forgetful
    assert writing.way(model, 50) == "together"
    assert writing.way(model, 80) != "together"


def test_an_opening_token_is_read_first(tiny_gpt2: LoadedModel, drawn: list[list[int]]) -> None:
    model = small_networks.model("llama", tiny_gpt2)
    sampling = Sampling(temperature=0, new_tokens=NEW)
    for bos, first in (("on", [256]), ("off", []), ("auto", [])):
        chosen = replace(model, tokenizer=with_bos(model.tokenizer))
        steps.run(generation.continue_texts_steps(chosen, OPENINGS, sampling, bos=bos))  # type: ignore[arg-type]
        wanted = [small_networks.greedy("llama", [*first, *ids_of(opening)], NEW) for opening in OPENINGS]
        assert drawn == wanted
        drawn.clear()


def with_bos(tokenizer: TextTokenizer) -> TextTokenizer:
    """The same, with its special token as the one that opens texts if that is asked for."""
    tokenizer.backend.bos_token = fakes.BOS
    return tokenizer


def test_an_opening_that_does_not_fit_loses_its_beginning_but_not_its_opening_token(
    tiny_gpt2: LoadedModel, drawn: list[list[int]]
) -> None:
    model = small_networks.model("llama", tiny_gpt2)
    model = replace(model, tokenizer=with_bos(model.tokenizer))
    long = "abcdefghij" * 40
    steps.run(generation.continue_texts_steps(model, [long], Sampling(temperature=0, new_tokens=6), bos="on"))
    assert model.context_length == 256
    assert drawn == [small_networks.greedy("llama", [256, *ids_of(long)[-(256 - 6 - 1) :]], 6)]


def test_sampling_the_slow_way_depends_on_the_seed_and_not_on_a_stop(tiny_gpt2: LoadedModel) -> None:
    for name in ("mamba", "openai_gpt"):
        model = small_networks.model(name, tiny_gpt2)

        def written(seed: int, model: LoadedModel = model) -> list[str]:
            sampling = Sampling(new_tokens=6, seed=seed, top_k=20)
            return steps.run(generation.continue_texts_steps(model, OPENINGS, sampling))

        assert written(3) == written(3) != written(4)


# Features


@pytest.mark.parametrize("name", small_networks.NAMES)
def test_features_of_every_family_are_the_last_states_of_single_rows(name: str, tiny_gpt2: LoadedModel) -> None:
    model = small_networks.model(name, tiny_gpt2)
    texts = ["x", *OPENINGS, "a text that is longer than any window of these networks, by far"]
    plain = [small_networks.hidden(name, ids_of(text))[-1].numpy() for text in texts]
    np.testing.assert_allclose(features.text_features(model, texts), plain, atol=1e-4)


def test_a_network_that_cannot_be_padded_reads_text_by_text_and_says_so(tiny_gpt2: LoadedModel) -> None:
    model = small_networks.model("llama", tiny_gpt2)
    network = type(model.network)(model.network.config).eval()
    network.load_state_dict(model.network.state_dict())
    forward = network.base_model.forward

    def mixing(**given: object) -> object:
        output = forward(**given)
        output.last_hidden_state = output.last_hidden_state + output.last_hidden_state.mean((0, 1))
        return output

    network.base_model.forward = mixing
    model, said = replace(model, network=network), []
    found = steps.run(features.text_features_steps(model, OPENINGS), said.append)
    plain = [model.hidden_states(torch.tensor([ids_of(text)]))[0, -1].numpy() for text in OPENINGS]
    np.testing.assert_allclose(found, plain, atol=1e-5)
    assert said[-1].message.endswith(features.APART)
    assert small_networks.proved(model)["padding"] is False


def test_features_are_of_texts_behind_the_opening_token_and_kept_apart(tiny_gpt2: LoadedModel) -> None:
    model = small_networks.model("llama", tiny_gpt2)
    model, keep = replace(model, tokenizer=with_bos(model.tokenizer)), MemoryKeeper()
    for bos, first in (("off", []), ("on", [256]), ("auto", [])):
        found = steps.run(features.text_features_steps(model, OPENINGS, bos=bos, keep=keep))  # type: ignore[arg-type]
        plain = [small_networks.hidden("llama", [*first, *ids_of(text)])[-1].numpy() for text in OPENINGS]
        np.testing.assert_allclose(found, plain, atol=1e-4)


def test_an_opening_token_that_there_is_not_is_refused() -> None:
    with pytest.raises(ParameterError, match="no token that opens"):
        features.text_features(fakes.uniform_model(bos_id=None), ["a"], bos="on")


def test_a_text_without_tokens_is_named() -> None:
    with pytest.raises(InputError, match=r"no tokens for Table"):
        features.text_features(fakes.uniform_model(tokenizer=EmptyTokenizer(fakes.byte_tokenizer().backend)), ["\n"])


class EmptyTokenizer(TextTokenizer):
    def encode(self, text: str, *, special_tokens: bool = False):  # type: ignore[no-untyped-def]
        found = super().encode(text)
        return type(found)(found.token_ids[:0], found.spans[:0])


# The text of new tokens

WORDS = ("the", "cat", "sat", "on", "mat", "s", "é")


def finished(tokenizer: Tokenizer, **special: str) -> TextTokenizer:
    return TextTokenizer(PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special))


def like_llama() -> TextTokenizer:
    """SentencePiece as Llama 2 has it: a space put in front, bytes for what is unknown, one space stripped again."""
    pieces = ["<unk>", "<s>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", *WORDS, *("▁" + word for word in WORDS)]
    letters = sorted(set("".join(WORDS)) - set(pieces))
    vocabulary = {piece: number for number, piece in enumerate([*pieces, *letters])}
    vocabulary |= {piece: len(vocabulary) + at for at, piece in enumerate(("th", "ca", "sa", "ma"))}
    merges = [("t", "h"), ("th", "e"), ("c", "a"), ("ca", "t"), ("s", "a"), ("sa", "t"), ("o", "n"), ("m", "a")]
    merges += [("ma", "t"), *(("▁", word) for word in WORDS)]
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return finished(tokenizer, bos_token="<s>", unk_token="<unk>")


def metaspace() -> TextTokenizer:
    vocabulary = [("<unk>", 0.0), *((word, -3.0) for word in WORDS), *(("▁" + word, -1.0) for word in WORDS)]
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=0, byte_fallback=False))
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    return finished(tokenizer, unk_token="<unk>")


def wordpiece() -> TextTokenizer:
    pieces = ["[UNK]", *WORDS, *("##" + word for word in WORDS), ",", ".", "n", "'", "t", "a"]
    tokenizer = Tokenizer(models.WordPiece({piece: at for at, piece in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.BertPreTokenizer(), decoders.WordPiece(cleanup=True)
    return finished(tokenizer, unk_token="[UNK]")


def ended_words() -> TextTokenizer:
    """BPE whose words end in a mark of their own, as OpenAI's first GPT has it."""
    pieces = ["<unk>", *(word + "</w>" for word in WORDS), *WORDS]
    tokenizer = Tokenizer(models.WordLevel({piece: at for at, piece in enumerate(pieces)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.WhitespaceSplit(), decoders.BPEDecoder(suffix="</w>")
    return finished(tokenizer, unk_token="<unk>")


@pytest.mark.parametrize(
    ("make", "prompt", "new", "added"),
    [
        (like_llama, ["▁the", "▁cat"], ["▁sat"], " sat"),
        (like_llama, ["<s>", "▁the", "▁cat"], ["▁sat", "s"], " sats"),
        (like_llama, ["<s>"], ["▁the", "▁cat"], " the cat"),
        (like_llama, ["▁the", "▁cat"], ["s", "▁on"], "s on"),
        (like_llama, ["▁the"], ["▁", "▁", "cat"], "  cat"),
        (metaspace, ["▁the", "▁cat"], ["▁sat", "s"], " sats"),
        (metaspace, ["▁the", "▁cat"], ["s", "▁sat"], "s sat"),
        (wordpiece, ["the", "cat"], ["##s", "sat"], "s sat"),
        (wordpiece, ["the", "cat"], [",", "sat", "."], ", sat."),
        (ended_words, ["the</w>", "cat</w>"], ["sat</w>", "on</w>"], " sat on"),
    ],
)
def test_new_tokens_add_the_text_that_they_have_behind_the_prompt(
    make: Callable[[], TextTokenizer], prompt: list[str], new: list[str], added: str
) -> None:
    tokenizer = make()
    ids = [tokenizer.backend.convert_tokens_to_ids(pieces) for pieces in (prompt, new)]
    assert tails.added_text(tokenizer, *ids) == added


def byte_ids(tokenizer: TextTokenizer, data: bytes) -> list[int]:
    known = tokenizer.backend.get_vocab()
    return [known[f"<0x{byte:02X}>"] for byte in data] if "<0x00>" in known else list(data)


@pytest.mark.parametrize("make", [like_llama, fakes.byte_tokenizer])
@pytest.mark.parametrize(
    ("before", "data", "added"),
    [
        ("a ", "é".encode(), "é"),
        ("日", "本".encode(), "本"),  # bytes on both sides of the border
        ("a", "本".encode()[:2], ""),
        ("日", "本".encode()[:1], ""),  # spoils the run of bytes before it in SentencePiece's decoder
        ("日", "本語".encode()[:5], "本"),
        ("日", "🙂".encode()[:3], ""),
        ("日", b"x", "x"),
    ],
)
def test_a_character_cut_off_is_left_out_and_takes_nothing_else_with_it(
    make: Callable[[], TextTokenizer], before: str, data: bytes, added: str
) -> None:
    tokenizer = make()
    assert tails.added_text(tokenizer, byte_ids(tokenizer, before.encode()), byte_ids(tokenizer, data)) == added


def test_the_opening_stays_as_it_was_given(tiny_gpt2: LoadedModel) -> None:
    tokenizer = like_llama()
    model = replace(small_networks.model("llama", tiny_gpt2), tokenizer=tokenizer)
    network = type(model.network)(
        type(model.network.config).from_dict(model.network.config.to_dict() | {"vocab_size": 400})
    ).eval()
    bias = torch.zeros(400)
    bias[tokenizer.backend.convert_tokens_to_ids("▁sat")] = 1e3
    network.lm_head = torch.nn.Linear(32, 400)
    network.lm_head.bias = torch.nn.Parameter(bias)
    model = replace(model, network=network)
    openings = ["the  cat", " the cat", "THE cat", "the cat 🙂"]
    texts = steps.run(generation.continue_texts_steps(model, openings, Sampling(temperature=0, new_tokens=2)))
    assert texts == [opening + " sat sat" for opening in openings]
