"""Which older encoding bytes look like, so that a refusal can name it.

It is named only if the text it would give is full of what is frequent in the languages written in it; if nothing
fits clearly, no name is better than a false one.
"""

import re
from dataclasses import dataclass

_SAMPLE_BYTES = 200_000
_QUOTE_INSIDE_WORD = re.compile(r"[^\W\d_][“”„«»][^\W\d_]")
_WESTERN = frozenset("éèêëàâäáãåæçíîïñóôöõøœúùûüßÄÖÜÉ’‘“”–—…«»°½€£§ ")
_HIRAGANA = "".join(map(chr, range(0x3041, 0x3094)))


@dataclass(frozen=True, slots=True)
class _Encoding:
    """An encoding, and characters of which at least `share` of a text's non-ASCII ones are in that encoding."""

    title: str
    codec: str
    frequent: frozenset[str]
    share: float
    most_foreign: float = 1.0
    """Largest share of a text's characters that are not ASCII: Western languages need few others."""


_ENCODINGS = (
    _Encoding("Windows-1252 or Latin-1", "cp1252", _WESTERN, 0.75, 0.25),
    _Encoding("Windows-1251", "cp1251", frozenset("оеаинтсрвл"), 0.45),
    _Encoding("KOI8-R", "koi8-r", frozenset("оеаинтсрвл"), 0.45),
    _Encoding("Shift-JIS", "cp932", frozenset(_HIRAGANA + "、。"), 0.35),
    _Encoding("EUC-JP", "euc_jp", frozenset(_HIRAGANA + "、。"), 0.35),
    _Encoding("GBK", "gbk", frozenset("的一是不了在人有我他这中大来上国，。"), 0.1),
    _Encoding("Big5", "big5", frozenset("的一是不了在人有我他這中大來上國，。"), 0.1),
    _Encoding("EUC-KR", "cp949", frozenset("이다는을에가의고하지도로한은기"), 0.2),
)


def looks_like(data: bytes) -> str | None:
    """Name of the older encoding that `data` looks like, or None if none fits clearly.

    Examples
    --------
    >>> looks_like("Über die Brücke".encode("cp1252"))
    'Windows-1252 or Latin-1'
    >>> looks_like("日本語の文です。".encode("cp932"))
    'Shift-JIS'
    """
    fits = [(_fit(encoding, data[:_SAMPLE_BYTES]), encoding.title) for encoding in _ENCODINGS]
    best, title = max(fits)
    return title if best > 0 else None


def _fit(encoding: _Encoding, data: bytes) -> float:
    """By how many times the frequent characters' share reaches what is asked for; 0 if it does not."""
    try:
        text = data.decode(encoding.codec)
    except UnicodeDecodeError as error:
        if error.start < len(data) - 4:  # else the sample ends within a character
            return 0.0
        text = data[: error.start].decode(encoding.codec)
    foreign = [character for character in text if ord(character) > 127]
    if not foreign or len(foreign) > encoding.most_foreign * len(text) or _QUOTE_INSIDE_WORD.search(text):
        return 0.0
    reached = sum(character in encoding.frequent for character in foreign) / len(foreign) / encoding.share
    return reached if reached >= 1 else 0.0
