"""Corpora in the forms people have them: the texts that went in come out, or the file is refused in words."""

import codecs
import contextlib
import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine import errors
from engine.evaluation.corpora import corpus as reading
from engine.evaluation.corpora import parquet
from engine.evaluation.corpora.forms import FORMS, Form

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40).filter(str.strip)
LISTS = st.lists(TEXTS, min_size=1, max_size=5)
ODD = [
    "a\u2028b\u2029c\x85d",
    'a "quoted", \ttext;\r\nof two lines',
    "\ufeffmark",
    "\rcarriage",
    '[{"text": 1}]',
    "=1+1",
]


def as_json_lines(texts: list[str], *, ascii_only: bool = False) -> bytes:
    return "\n".join(json.dumps({"id": 1, "text": text}, ensure_ascii=ascii_only) for text in texts).encode()


def as_csv(texts: list[str], delimiter: str = ",") -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter)
    writer.writerow(["label", "text"])
    writer.writerows([[number, text] for number, text in enumerate(texts)])
    return out.getvalue().encode()


def as_parquet(texts: list[str]) -> bytes:
    return pd.DataFrame({"label": range(len(texts)), "text": texts}).to_parquet()


WRITERS: dict[str, Callable[[list[str]], bytes]] = {
    "lines.jsonl": as_json_lines,
    "escaped.jsonl": lambda texts: as_json_lines(texts, ascii_only=True),
    "strings.jsonl": lambda texts: "\n".join(json.dumps(text, ensure_ascii=False) for text in texts).encode(),
    "array.json": lambda texts: json.dumps([{"text": text} for text in texts], indent=2).encode(),
    "strings.json": lambda texts: json.dumps(texts, ensure_ascii=False).encode(),
    "wrapped.json": lambda texts: json.dumps({"version": 1, "data": [{"text": text} for text in texts]}).encode(),
    "objects.json": lambda texts: "\n".join(json.dumps({"text": text}, indent=1) for text in texts).encode(),
    "table.csv": as_csv,
    "excel.csv": lambda texts: codecs.BOM_UTF8 + as_csv(texts, ";"),
    "table.tsv": lambda texts: as_csv(texts, "\t").decode().encode("utf-16"),
}


CONTROLS = {code: "0" for code in range(32) if chr(code) not in "\t\n\r"}


def without_controls(texts: list[str]) -> list[str]:
    """Control characters as they stand mark a binary file; JSON escapes them and Parquet counts lengths."""
    return [text.translate(CONTROLS) for text in texts]


@pytest.mark.parametrize("name", WRITERS)
@given(texts=LISTS)
@example(texts=ODD)
def test_texts_come_out_of_a_file_as_they_went_in(name: str, texts: list[str]) -> None:
    texts = without_controls(texts)
    assert list(reading.read_corpus_file(WRITERS[name](texts), name).texts) == texts


@pytest.mark.parametrize("name", WRITERS)
@given(texts=LISTS)
@example(texts=ODD)
def test_the_same_pasted_is_known_for_what_it_is(name: str, texts: list[str]) -> None:
    texts = without_controls(texts)
    data = WRITERS[name](texts)
    pasted = data.decode("utf-16" if name == "table.tsv" else "utf-8")
    assert list(reading.read_corpus(pasted).texts) == texts
    assert list(reading.read_corpus_file(data).texts) == texts  # standard input: bytes without a name


@given(text=st.text(max_size=60) | st.text('[]{}":,;\t\r\n text\\0'), form=st.sampled_from(FORMS))
def test_any_text_in_any_form_is_texts_or_is_refused(text: str, form: Form) -> None:
    with contextlib.suppress(errors.EngineError):
        assert all(piece.strip() for piece in reading.read_corpus(text, form).texts)


@given(st.binary(max_size=300))
@pytest.mark.parametrize("name", ["", "a.txt", "a.json", "a.jsonl", "a.csv", "a.tsv", "a.parquet"])
def test_any_bytes_are_texts_or_are_refused(name: str, data: bytes) -> None:
    for content in (data, b"[" + data, b'{"text":' + data, b"text,label\n" + data):
        with contextlib.suppress(errors.EngineError):
            assert all(text.strip() for text in reading.read_corpus_file(content, name).texts)


@settings(max_examples=8)
@given(LISTS)
@example(["a\0null", *ODD])
def test_texts_come_out_of_parquet_as_they_went_in(texts: list[str]) -> None:
    assert list(reading.read_corpus_file(as_parquet(texts)).texts) == texts


@settings(max_examples=8)
@given(st.integers(0, 10_000), st.integers(0, 255))
@example(278, 113)  # some versions of the library end their process on this one
def test_a_damaged_parquet_file_is_texts_or_is_refused(place: int, byte: int) -> None:
    data = bytearray(as_parquet(["one", "two", "two"] * 5))
    data[4 + place % (len(data) - 8)] = byte
    with contextlib.suppress(errors.EngineError):
        assert reading.read_corpus_file(bytes(data), "a.parquet").texts


@pytest.mark.parametrize("ending", ["import os; os.abort()", "import time; time.sleep(60)", "print('no JSON')"])
def test_whatever_happens_to_the_process_that_reads_parquet_is_a_refusal(
    ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "reader.py").write_text(ending)
    monkeypatch.setattr(parquet, "_READER", tmp_path / "reader.py")
    monkeypatch.setattr(parquet, "_MOST_SECONDS", 1)
    with pytest.raises(errors.InputError, match=r"cannot be read \(it is damaged\)"):
        reading.read_corpus_file(as_parquet(["one"]))


@pytest.mark.parametrize(
    "prose",
    [
        "[Enter Hamlet]\n\nTo be, or not to be.",
        "[1] Shannon, C. (1948). A theory.\n\n[2] Another, with commas, and more.",
        "[1]",
        "[1, 2, 3]",
        '["Stop!" she said, and stopped.]',
        '"Well," she said.\n\n"No."',
        '"Come in."\n\nHe came in.',
        "{x} is a set.\n\n{y} too.",
        "Text, and more\nwords, and more",
        "text, the\nword, again",
        "The story, the text\nA line, a line",
        "text\nsome words",
        "text,label\nwords, more words, and more\n",
        "A list: one, two, three\n\nand four, five, six",
    ],
)
def test_prose_stays_prose(prose: str) -> None:
    expected = [piece for piece in prose.replace("\n\n", "\0").split("\0") if piece]
    corpus = reading.read_corpus(prose)
    assert [text.strip() for text in corpus.texts] == [text.strip() for text in expected]
    assert corpus.notes[0] == "Read as plain text, split at blank lines."


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", "text,label\nhello,1\n", 'Read as CSV, column "text"; UTF-8.'),
        ("a.txt", "Hello.", "Read as plain text, split at blank lines; UTF-8."),
        ("a.json", '{"rows": [{"Content": "a"}, {"Content": "b"}]}', 'Read as JSON, key "Content"; UTF-8.'),
        ("a.json", '["a", "b"]', "Read as JSON, a list of strings; UTF-8."),
        ("a.jsonl", '{"id": "x", "body": "a"}', 'Read as JSON lines, key "body"; UTF-8.'),
    ],
)
def test_a_note_says_how_the_file_was_read(name: str, content: str, said: str) -> None:
    assert reading.read_corpus_file(content.encode(), name).notes[0] == said


def test_the_encoding_of_a_file_is_said() -> None:
    corpus = reading.read_corpus_file("½ of it".encode("utf-16"), "a.txt")
    assert corpus.notes == ("Read as plain text, split at blank lines; UTF-16.",)
    assert reading.read_corpus_file(as_parquet(["a"]), "x").notes == ('Read as Parquet, column "text".',)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", "one,two\nhello,1\n", r"called 'text'; there are 'one', 'two'\. Call the one .* or choose it"),
        ("a.csv", "prompt,completion\nhello,you\n", "'prompt', 'completion' may each hold the texts"),
        ("a.jsonl", '{"question": "a", "answer": "b"}', "there are 'question', 'answer'"),
        ("a.json", "[{}]", "there are none"),
        ("a.csv", "text,label\nhello\n", "Line 2 of the table has 1 cell, its first line 2"),
        ("a.csv", 'text,label\n"hello,1\n', "Line 2 of the table cannot be read"),
        ("a.csv", "text,text\nhello,1\n", "Two columns are called 'text'"),
        ("a.json", '[{"text": "a"}, {"text": "b"', "not complete JSON: .* on line 1"),
        ("", '[\n {"text": "a"},\n {"text": "b"', "not complete JSON: .* on line 3"),
        ("", '{"text": "a",', "not complete JSON.* To read it as plain text, say how to split it"),
        ("a.json", '[{"text": "a"}, 3]', "Entry 2 is neither a text in quotation marks nor an object"),
        ("a.json", '[{"text": "a"}, {"text": 3}]', "Entry 2 lacks a 'text' that is a string"),
        ("", "[[1], [2]]", "Entry 1 is neither .* say how to split it"),
        ("a.jsonl", '{"text": "a"}\n{broken', "Line 2 is not JSON"),
        ("a.json", "[]", "the corpus is empty"),
        ("", "[]", "the corpus is empty"),
        ("a.csv", "text\n", "the corpus is empty"),
        ("a.parquet", "no table", "not a complete Parquet file"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name_and_place(name: str, content: str, said: str) -> None:
    with pytest.raises(errors.InputError, match=said):
        reading.read_corpus_file(content.encode(), name)


def test_the_column_may_be_chosen() -> None:
    table = b"prompt,completion\nhello,you\n"
    assert reading.read_corpus_file(table, "a.csv", column="completion").texts == ("you",)
    lines = b'{"question": "a", "tags": ["x"]}'
    assert reading.read_corpus_file(lines, "a.json", column="question").texts == ("a",)
    assert reading.read_corpus_file(as_parquet(["a", "b"]), column="text").texts == ("a", "b")
    with pytest.raises(reading.ColumnError, match="There is no 'x'; there are 'prompt', 'completion'") as caught:
        reading.read_corpus_file(table, "a.csv", column="x")
    assert caught.value.names == ("prompt", "completion")
    with pytest.raises(errors.InputError, match="int64, not text"):
        reading.read_corpus_file(as_parquet(["a"]), column="label")
    with pytest.raises(errors.InputError, match="Plain text has no column 'x'"):
        reading.read_corpus_file(b"prose", "a.txt", column="x")


def test_a_form_that_is_named_overrules_the_ending() -> None:
    assert reading.read_corpus_file(b'["a", "b"]\n\n[]', "a.json", "paragraphs").texts == ('["a", "b"]', "[]")
    assert reading.read_corpus("text\nfirst\nsecond\n", "csv").texts == ("first", "second")


def test_records_without_a_text_are_left_out_and_counted() -> None:
    corpus = reading.read_corpus('{"text": "a"}\n{"text": null}\n{"text": " "}')
    assert corpus.texts == ("a",)
    assert corpus.notes[1] == "2 of 3 records hold no text and are left out."
    data = pd.DataFrame({"text": ["a", None]}).to_parquet()
    assert reading.read_corpus_file(data).notes[1] == "1 of 2 records holds no text and is left out."


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_end_as_on_any_system(end: str) -> None:
    text = end.join(["First.", "Still first.", "", "Second."])
    assert reading.read_corpus(text).texts == ("First.\nStill first.", "Second.")
    assert reading.read_corpus(text, "lines").texts == ("First.", "Still first.", "Second.")
    assert reading.read_corpus(end.join(['{"text": "a"}', '{"text": "b"}'])).texts == ("a", "b")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('{"text": "a"}\n{"text": "abcd\\ud800"}', "Character 5 of line 2 is"),
        ('["a", "abcd\\ud800"]', "Character 5 of entry 2 is"),
        ("good\n\nbad \ud800", "Character 5 of text 2 is"),
    ],
)
def test_a_lone_surrogate_is_refused_with_the_text_it_is_in(text: str, place: str) -> None:
    with pytest.raises(errors.TextError, match=place):
        reading.read_corpus(text)


@pytest.mark.parametrize("name", ["a.json", "a.jsonl", ""])
@pytest.mark.parametrize("content", ["[" * 2_000_000, '{"a":' * 500_000, '{"text": ' + "9" * 10_000 + "}"])
def test_json_that_is_nested_too_deep_or_has_a_giant_number_is_refused(name: str, content: str) -> None:
    with pytest.raises(errors.InputError):
        reading.read_corpus_file(content.encode(), name)


def test_a_cell_may_be_as_long_as_a_book() -> None:
    book = "word, " * 200_000
    (text,) = reading.read_corpus_file(as_csv([book]), "a.csv").texts
    assert text == book


def test_a_column_of_any_name_is_refused_in_words() -> None:
    name = "text" + " " * 3_000_000  # longer than a process may be told
    with pytest.raises(errors.InputError, match="cannot be read"):
        reading.read_corpus_file(pd.DataFrame({name: ["a"]}).to_parquet())


def test_null_bytes_are_refused() -> None:
    with pytest.raises(errors.TextError, match="null bytes"):
        reading.read_corpus_file(b"text,label\na\0b,1\n", "a.csv")


def test_tabs_may_part_cells_that_know_no_quotation_marks() -> None:
    table = 'label\ttext\n1\t"Tis so, he said.\n0\tIt is "so".\n'
    assert reading.read_corpus_file(table.encode(), "a.tsv").texts == ('"Tis so, he said.', 'It is "so".')


def test_a_parquet_dictionary_is_not_multiplied_in_memory() -> None:
    data = pd.DataFrame({"text": pd.Categorical(["x" * 100_000] * 400)}).to_parquet()
    assert len(data) < 100_000
    texts = reading.read_corpus_file(data).texts
    assert len({id(text) for text in texts}) == 1


def test_too_many_rows_characters_or_bytes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_TEXTS", 2)
    for content in (b"a\n\nb\n\nc", as_csv(["a", "b", "c"]), as_parquet(["a", "b", "c"])):
        with pytest.raises(errors.InputError, match="Split it"):
            reading.read_corpus_file(content)
    monkeypatch.setattr(reading, "MOST_CHARACTERS", 3)
    with pytest.raises(errors.InputError, match="more than 3 characters"):
        reading.read_corpus_file(b"ab\n\ncd")


def test_a_small_parquet_file_that_unpacks_to_a_large_one_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "_MOST_BYTES", 10_000_000)
    table = pa.table({"text": ["x" * 3_000_000]})
    out = io.BytesIO()
    with pq.ParquetWriter(out, table.schema, compression="zstd", use_dictionary=False) as writer:
        for _ in range(4):
            writer.write_table(table)
    assert len(out.getvalue()) < 100_000
    with pytest.raises(errors.InputError, match=r"more than 10 MB unpacked\. Split it"):
        reading.read_corpus_file(out.getvalue())
