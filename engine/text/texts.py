"""Text as it comes in: what can be scored, and uploaded bytes turned into text.

This module knows nothing of tokens or models.
"""

import codecs
from dataclasses import dataclass

from engine.errors import TextError
from engine.text import encodings

# Longest first: the UTF-32 mark begins with the UTF-16 one.
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SIGNATURES = (
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive or an Office document"),
    (b"\xd0\xcf\x11\xe0", "an old Office document"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    (b"GGUF", "a model file"),
)
_PLAIN_CONTROLS = frozenset(b"\t\n\v\f\r\x1b")
_SAVE_AS_UTF8 = "Save it as plain text in UTF-8 and try again."


@dataclass(frozen=True, slots=True)
class Decoded:
    """Text, and the name of the encoding its bytes were in: UTF-8, UTF-16 or UTF-32."""

    text: str
    encoding: str


def check_text(text: str, where: str = "the text") -> None:
    """Raise a `TextError` unless `text` can be encoded and scored; `where` names it in the message.

    Raises
    ------
    TextError
        If the text is empty, or holds half of a surrogate pair, which is no character and has no UTF-8 form.

    Examples
    --------
    >>> check_text("½ 🙂")
    """
    if not text:
        raise TextError("The text is empty. Type or paste at least one word.")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        code = f"U+{ord(text[error.start]):04X}"
        raise TextError(
            f"Character {error.start + 1:,} of {where} is {code}, half of a surrogate pair and not a character. "
            "Remove it, or copy the text again from its source."
        ) from None


def decode(data: bytes) -> Decoded:
    r"""Text of an uploaded file: UTF-8, with or without its mark, or UTF-16 and UTF-32 with their byte order mark.

    Line ends are kept as they are.

    Raises
    ------
    TextError
        If the bytes are empty, a binary file, or text in another encoding; the message says which it looks like.

    Examples
    --------
    >>> decode("½".encode("utf-16"))
    Decoded(text='½', encoding='UTF-16')
    """
    for mark, encoding in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return Decoded(_decoded(data, encoding), _title(encoding))
    _refuse_binary(data)
    return Decoded(_decoded(data, "utf-8"), "UTF-8")


def _title(encoding: str) -> str:
    return encoding.removesuffix("-sig").upper()


def _decoded(data: bytes, encoding: str) -> str:
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise TextError(_undecodable(data, encoding, error)) from None
    if not text:
        raise TextError("The file is empty. Choose a file with at least one word in it.")
    if "\0" in text:
        raise TextError(f"The file looks like a binary file: it holds null bytes. {_SAVE_AS_UTF8}")
    return text


def _undecodable(data: bytes, encoding: str, error: UnicodeDecodeError) -> str:
    if encoding != "utf-8":
        return (
            f"The file is marked as {_title(encoding)}, but byte {error.start + 1:,} does not fit that. {_SAVE_AS_UTF8}"
        )
    older = encodings.looks_like(data)
    looks = f" such as {older}" if older and " or " in older else f", {older}" if older else ""
    return (
        f"The file is not UTF-8: byte {error.start + 1:,} is 0x{data[error.start]:02X}. "
        f"It looks like text in an older encoding{looks}. {_SAVE_AS_UTF8}"
    )


def _refuse_binary(data: bytes) -> None:
    for signature, kind in _SIGNATURES:
        if data.startswith(signature) and not _is_plain(data):
            raise TextError(f"The file is {kind}, not text. {_SAVE_AS_UTF8}")
    head = data[:4096]
    if b"\0" in data:
        # Western text in UTF-16 has a null in every second byte.
        if len(head) > 3 and max(head[::2].count(0), head[1::2].count(0)) > 0.4 * (len(head) // 2):
            raise TextError(f"The file looks like UTF-16 without a byte order mark. {_SAVE_AS_UTF8}")
        raise TextError(f"The file looks like a binary file: it holds null bytes. {_SAVE_AS_UTF8}")
    controls = sum(byte < 32 and byte not in _PLAIN_CONTROLS for byte in head)
    if controls > 0.05 * len(head):
        raise TextError(f"The file looks like a binary file: it holds many control characters. {_SAVE_AS_UTF8}")


def _is_plain(data: bytes) -> bool:
    """Whether a file that begins like a known binary format is nevertheless text, such as a note on 'MZ'."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return not any(byte < 32 and byte not in _PLAIN_CONTROLS for byte in data) and not data.startswith(b"%PDF")
