import codecs

import pytest

from engine.errors import TextError
from engine.text import texts


@pytest.mark.parametrize(
    "data",
    [
        "½ 🙂 Việt\r\n".encode(),
        codecs.BOM_UTF8 + "½ 🙂 Việt\r\n".encode(),
        "½ 🙂 Việt\r\n".encode("utf-16"),
        codecs.BOM_UTF16_BE + "½ 🙂 Việt\r\n".encode("utf-16-be"),
        "½ 🙂 Việt\r\n".encode("utf-32"),
        codecs.BOM_UTF32_BE + "½ 🙂 Việt\r\n".encode("utf-32-be"),
    ],
    ids=["utf-8", "utf-8 with mark", "utf-16", "utf-16 big-endian", "utf-32", "utf-32 big-endian"],
)
def test_unicode_encodings_with_a_mark_and_utf8_come_out_as_the_same_text(data: bytes) -> None:
    assert texts.decode(data).text == "½ 🙂 Việt\r\n"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "empty"),
        (codecs.BOM_UTF8, "empty"),
        (b"\x00\x01\x02 text", "binary"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "a PNG image"),
        (b"%PDF-1.7\nplain enough", "a PDF document"),
        (b"PK\x03\x04\x14\x00", "a ZIP archive"),
        ("a text without a mark".encode("utf-16-le"), "UTF-16 without a byte order mark"),
        ("caf\u00e9 au lait".encode("latin-1"), "byte 4 is 0xE9"),
        (codecs.BOM_UTF16_LE + b"a", "marked as UTF-16"),
        (b"\x01\x02\x03\x04" * 9, "many control characters"),
    ],
)
def test_bytes_that_are_not_text_are_named_and_the_remedy_is_said(data: bytes, said: str) -> None:
    with pytest.raises(TextError, match=said) as caught:
        texts.decode(data)
    assert "Save it as plain text" in str(caught.value) or "Choose a file" in str(caught.value)


def test_a_text_that_begins_like_a_binary_format_is_still_text() -> None:
    assert texts.decode(b"MZ is the mark of a program.\n").text.startswith("MZ is")


def test_an_empty_text_is_refused() -> None:
    with pytest.raises(TextError, match="empty"):
        texts.check_text("")


def test_a_lone_surrogate_is_refused_with_its_place() -> None:
    with pytest.raises(TextError, match=r"Character 4 of the text is U\+D83D"):
        texts.check_text("abc\ud83d def")


# What editors of the time wrote, and which name it should get; None: no false one.
OLDER = [
    ("Größe und Maß: die Straße führt über den Fluß.", "cp1252", "Windows-1252 or Latin-1"),
    ("café au lait, déjà vu — l’été à la plage", "cp1252", "Windows-1252 or Latin-1"),
    ("Это простой текст на русском языке, написанный для проверки.", "cp1251", "Windows-1251"),
    ("Это простой текст на русском языке, написанный для проверки.", "koi8-r", "KOI8-R"),
    ("東京都は日本の首都であり、人口が最も多い。", "cp932", "Shift-JIS"),
    ("東京都は日本の首都であり、人口が最も多い。", "euc_jp", "EUC-JP"),
    ("北京是中国的首都，也是全国的政治中心。", "gbk", "GBK"),
    ("台北是台灣的首都，我們在那裡有很多朋友。", "big5", "Big5"),
    ("서울은 대한민국의 수도이다.", "cp949", "EUC-KR"),
    ("Αυτό είναι ένα ελληνικό κείμενο", "iso8859-7", None),
    ("זה משפט בעברית", "cp1255", None),
    ("Příliš žluťoučký kůň úpěl ďábelské ódy", "iso8859-2", None),
    ("Größe und Maß", "cp437", None),
]


@pytest.mark.parametrize(("text", "codec", "name"), OLDER)
def test_an_older_encoding_is_named_if_it_is_clear_and_never_wrongly(text: str, codec: str, name: str | None) -> None:
    with pytest.raises(TextError, match="an older encoding") as caught:
        texts.decode(text.encode(codec))
    named = {title for _, _, title in OLDER if title and title in str(caught.value)}
    assert named == ({name} if name else set())


@pytest.mark.parametrize(
    ("codec", "name"), [("utf-8", "UTF-8"), ("utf-8-sig", "UTF-8"), ("utf-16", "UTF-16"), ("utf-32", "UTF-32")]
)
def test_the_encoding_is_told(codec: str, name: str) -> None:
    assert texts.decode("½".encode(codec)) == texts.Decoded("½", name)
