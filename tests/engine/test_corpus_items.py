"""HellaSwag's two forms, a corpus of texts, and what is said about malformed ones."""

import json

import pytest

from engine.corpus import items, reading
from engine.errors import InputError, TextError

RECORD = {
    "activity_label": "Roof shingle removal",
    "ctx_a": "A man is sitting on a roof.",
    "ctx_b": "he",
    "endings": ["is using wrap [title] again.", "is ripping level tiles off.", "holds a cube.", "starts pulling."],
    "label": 3,
}
SIX_LINES = "Roof shingle removal: A man is sitting on a roof. he\n3\nis using wrap.\nis ripping.\nholds.\nstarts.\n"


def jsonl(*records: object) -> str:
    return "\n".join(json.dumps(record) for record in records)


def test_official_records_become_what_lm_evaluation_harness_makes_of_them() -> None:
    (item,) = items.read_items(jsonl(RECORD))
    assert item.context == "Roof shingle removal: A man is sitting on a roof. He"
    assert item.endings[0] == "is using wrap. again."
    assert item.label == 3


def test_the_six_line_form_gives_the_same_context() -> None:
    (item,) = items.read_items(SIX_LINES)
    assert item.context == items.read_items(jsonl(RECORD))[0].context
    assert items.read_items(SIX_LINES, capitalise=False)[0].context.endswith("roof. he")


def test_brackets_go_and_double_spaces_fold_once() -> None:
    assert items.preprocess(" a [header] b    c ") == "a b  c"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"endings": None}, "Line 2 lacks 'endings'"),
        ({"label": None}, "Line 2 lacks 'label'"),
        ({"label": 4}, "Line 2: the label is '4'"),
        ({"label": ""}, "Line 2: the label is ''"),
        ({"endings": ["one", "two"]}, "Line 2 has 2 endings"),
        ({"endings": "four"}, "Line 2: endings must be a list"),
        ({"endings": ["", "b", "c", "d"]}, "Line 2: the context or an ending is empty"),
        ({"ctx_a": None}, "Line 2 lacks 'ctx'"),
    ],
)
def test_a_malformed_record_is_named_by_its_line(change: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        items.read_items(jsonl(RECORD, {**RECORD, **change}))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the file is empty"),
        (jsonl(RECORD) + "\n{broken", "Line 2 is not JSON"),
        (jsonl(RECORD) + "\n[1]", "Line 2 is not a JSON object"),
        (SIX_LINES.replace("\n3\n", "\nx\n"), "Line 2: the label is 'x'"),
        (SIX_LINES + "A context\n2\nan ending", "Line 7: the last item has 3 of 6 lines"),
    ],
)
def test_a_malformed_file_is_refused_with_the_place(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        items.read_items(text)


def test_a_corpus_is_split_at_blank_lines_unless_told_otherwise() -> None:
    text = "First.\nStill first.\n\n\nSecond."
    assert reading.read_corpus(text).texts == ("First.\nStill first.", "Second.")
    assert len(reading.read_corpus(text, "lines").texts) == 3
    assert reading.read_corpus(text, "whole").texts == (text,)


def test_jsonl_is_recognised_and_its_bad_lines_are_named() -> None:
    assert reading.read_corpus('{"text": "a"}\n"b"').texts == ("a", "b")
    with pytest.raises(InputError, match="Line 2 lacks a 'text'"):
        reading.read_corpus('{"text": "a"}\n{"body": "b"}')


def test_a_text_that_only_looks_like_json_is_text() -> None:
    assert reading.read_corpus('"Well," she said.\n\n{x}').texts == ('"Well," she said.', "{x}")


def test_an_empty_corpus_is_refused() -> None:
    with pytest.raises(InputError, match="the corpus is empty"):
        reading.read_corpus(" \n\n ")


def test_a_lone_surrogate_is_refused() -> None:
    with pytest.raises(TextError, match="surrogate"):
        reading.read_corpus("good\n\nbad \ud800")


def test_repeated_texts_are_kept_and_said() -> None:
    corpus = reading.read_corpus("same\n\nsame\n\nother")
    assert len(corpus.texts) == 3
    assert "1 of 3 text is a repetition" in corpus.notes[0]


def test_the_digest_depends_on_borders_and_order() -> None:
    digests = {reading.digest(texts) for texts in (["ab", "c"], ["a", "bc"], ["c", "ab"], ["abc"])}
    assert len(digests) == 4
