"""HellaSwag's two forms, a corpus of texts, and what is said about malformed ones."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from engine import steps
from engine.errors import EngineError, FetchError, InputError
from engine.evaluation.corpora import corpus as reading
from engine.evaluation.hellaswag import hub_items, items

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
    (item,) = items.read_item_set(jsonl(RECORD)).items
    assert item.context == "Roof shingle removal: A man is sitting on a roof. He"
    assert item.endings[0] == "is using wrap. again."
    assert item.label == 3


def test_the_six_line_form_gives_the_same_context() -> None:
    (item,) = items.read_item_set(SIX_LINES).items
    assert item.context == items.read_item_set(jsonl(RECORD)).items[0].context
    assert items.read_item_set(SIX_LINES, capitalise=False).items[0].context.endswith("roof. he")


def test_brackets_go_and_double_spaces_fold_once() -> None:
    assert items.preprocess(" a [header] b    c ") == "a b  c"


ODD = [
    ({"endings": None}, "Line 2 lacks 'endings'"),
    ({"label": None}, "Line 2 lacks 'label'"),
    ({"label": 4}, "Line 2: the label is '4'"),
    ({"label": True}, "Line 2: the label is 'True'"),
    ({"label": ""}, "Line 2: the label is ''"),
    ({"endings": ["one", "two"]}, "Line 2 has 2 endings"),
    ({"endings": "four"}, "Line 2: endings must be a list"),
    ({"endings": ["", "b", "c", "d"]}, "Line 2: the context or an ending is empty"),
    ({"endings": ["[all of it]", "b", "c", "d"]}, "Line 2: the context or an ending is empty"),
    ({"endings": ["a\ud800", "b", "c", "d"]}, "Line 2: character 2 .* half of a surrogate pair"),
    ({"ctx_a": None}, "Line 2 lacks 'ctx'"),
]


@pytest.mark.parametrize(("change", "said"), ODD)
def test_an_odd_item_is_left_out_counted_and_named_by_its_line(change: dict[str, object], said: str) -> None:
    found = items.read_item_set(jsonl(RECORD, {**RECORD, **change}, RECORD))
    assert found.items == items.read_item_set(jsonl(RECORD, RECORD)).items
    (note,) = found.notes
    assert note.startswith("1 of 3 items is left out as unusable. ")
    assert re.search(said, note)


@pytest.mark.parametrize(("change", "said"), ODD)
def test_a_file_without_a_good_item_is_refused(change: dict[str, object], said: str) -> None:
    odd = {**RECORD, **change}
    with pytest.raises(InputError, match=said.replace("Line 2", "Line 1")):
        items.read_item_set(jsonl(odd))
    with pytest.raises(InputError, match="None of the 2 items can be used. " + said.replace("Line 2", "Line 1")):
        items.read_item_set(jsonl(odd, odd))


def test_an_odd_item_of_the_six_line_form_is_left_out_too() -> None:
    found = items.read_item_set(SIX_LINES.replace("\n3\n", "\n7\n") + SIX_LINES)
    assert len(found.items) == 1
    assert "Line 2: the label is '7'" in found.notes[0]


FORMS: dict[str, Callable[[list[dict[str, object]]], bytes]] = {
    "JSON lines": lambda found: jsonl(*found).encode(),
    "an array": lambda found: json.dumps(found).encode(),
    "a pretty array in an object": lambda found: json.dumps({"version": "1", "data": found}, indent=2).encode("utf-16"),
    "old Mac lines": lambda found: jsonl(*found).replace("\n", "\r").encode(),
    "Parquet": lambda found: pd.DataFrame(found).to_parquet(),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_items(form: str) -> None:
    second = {**RECORD, "label": 0, "ctx_b": "she"}
    found = items.read_items_file(FORMS[form]([RECORD, second]))
    assert found.items == items.read_item_set(jsonl(RECORD, second)).items
    assert found.notes == ()


def test_an_odd_row_of_parquet_is_left_out() -> None:
    data = pd.DataFrame([RECORD, {**RECORD, "label": None}, {**RECORD, "endings": None}]).to_parquet()
    found = items.read_items_file(data)
    assert [item.label for item in found.items] == [3]  # written as 3.0, as the column has an empty cell
    assert "2 of 3 items are left out as unusable. Row 2 lacks 'label'" in found.notes[0]


def test_the_hubs_parquet_is_read_and_a_damaged_one_is_said_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    folder = tmp_path / "datasets--Rowan--hellaswag"  # as the hub's own library lays it out
    file = folder / "snapshots" / ("0" * 40) / hub_items.FILE
    for path in (file, folder / "refs" / "main"):
        path.parent.mkdir(parents=True)
    (folder / "refs" / "main").write_text("0" * 40)
    file.write_bytes(pd.DataFrame([{**RECORD, "label": "3", "split": "val"}]).to_parquet())
    assert steps.run(hub_items.fetch_items_steps()) == items.read_item_set(jsonl(RECORD)).items
    file.write_bytes(file.read_bytes()[:-10])
    with pytest.raises(FetchError, match="The hub's file of Rowan/hellaswag is damaged"):
        steps.run(hub_items.fetch_items_steps())


def test_a_single_pretty_item_is_read() -> None:
    assert items.read_item_set(json.dumps(RECORD, indent=2)).items == items.read_item_set(jsonl(RECORD)).items


PIECES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20).filter(str.strip)


@given(
    st.lists(st.tuples(PIECES, st.tuples(PIECES, PIECES, PIECES, PIECES), st.integers(0, 3)), min_size=1, max_size=4)
)
@example([("A cook\u2028reads\x85  [two]   spaces", ("the\u2029recipe.", "b\r\n", "c [c]", " d"), 0)])
def test_items_are_read_as_they_were_written_and_cleaned(
    drawn: list[tuple[str, tuple[str, str, str, str], int]],
) -> None:
    cleaned = [([items.preprocess(piece) for piece in (context, *ends)], label) for context, ends, label in drawn]
    assume(all(piece.strip() for pieces, _ in cleaned for piece in pieces))
    records = ({"ctx": context, "endings": ends, "label": label} for context, ends, label in drawn)
    written = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    expected = tuple(items.HellaSwagItem(pieces[0], tuple(pieces[1:]), label) for pieces, label in cleaned)
    assert items.read_item_set(written).items == expected
    assert items.read_items_file(written.encode()).items == expected


@given(st.binary(max_size=300))
def test_any_bytes_are_items_or_are_refused(data: bytes) -> None:
    for content in (data, b"[" + data, b'{"endings":' + data):
        with pytest.raises(EngineError):
            items.read_items_file(content)


@pytest.mark.parametrize("content", ["[" * 2_000_000, '{"endings":' * 300_000, '{"label": ' + "9" * 9_000 + "}"])
def test_hostile_json_is_refused(content: str) -> None:
    with pytest.raises(InputError):
        items.read_item_set(content)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the file is empty"),
        ("[]", "the file is empty"),
        (jsonl(RECORD) + "\n{broken", "Line 2 is not JSON"),
        (jsonl(RECORD) + "\n[1]", "Line 2 is not a JSON object"),
        (SIX_LINES.replace("\n3\n", "\nx\n"), "Line 2: the label is 'x'"),
        (SIX_LINES + "A context\n2\nan ending", "Line 7: the last item has 3 of 6 lines"),
    ],
)
def test_a_malformed_file_is_refused_with_the_place(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        items.read_item_set(text)


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


def test_repeated_texts_are_kept_and_said() -> None:
    corpus = reading.read_corpus("same\n\nsame\n\nother")
    assert len(corpus.texts) == 3
    assert "1 of 3 texts is a repetition" in corpus.notes[1]


def test_the_digest_depends_on_borders_and_order() -> None:
    digests = {reading.digest(texts) for texts in (["ab", "c"], ["a", "bc"], ["c", "ab"], ["abc"])}
    assert len(digests) == 4
