"""Files that a notebook or the command line names: their bytes, and the items and texts in them."""

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import InputError
from engine.evaluation.corpora.corpus import read_corpus_file
from engine.evaluation.corpora.forms import Form

if TYPE_CHECKING:
    from engine.evaluation.hellaswag.items import HellaSwagItem


def read_bytes(path: str | PathLike[str]) -> bytes:
    """Content of a file.

    Raises
    ------
    InputError
        It is a directory, or cannot be read.
    """
    try:
        return Path(path).read_bytes()
    except OSError as error:
        if Path(path).is_dir():  # Windows says "Permission denied" of a directory
            raise InputError(f"{path} is a directory. Give a file.") from None
        raise InputError(f"{path} cannot be read: {error.strerror}.") from None
    except ValueError:  # a name with a null byte
        raise InputError(f"{path!r} cannot be read: there is no such file.") from None


def read_items(path: str | PathLike[str], *, capitalise: bool = True) -> tuple["HellaSwagItem", ...]:
    """HellaSwag items for `evaluate_hellaswag`, out of a file in any form that `read_items_file` knows.

    Items that cannot be used are left out; `engine.evaluation.hellaswag.items.read_items_file` says which.

    Raises
    ------
    InputError
        The file cannot be read, is malformed, or holds no usable item.
    """
    from engine.evaluation.hellaswag.items import read_items_file  # loads torch, which not every command needs

    return read_items_file(read_bytes(path), Path(path).name, capitalise=capitalise).items


def read_texts(path: str | PathLike[str], form: Form = "auto", column: str | None = None) -> tuple[str, ...]:
    """Texts for `corpus_divergence` and `text_features`, out of a file in any form that `read_corpus_file` knows.

    `form` and `column` are as in `engine.evaluation.corpora.corpus.read_corpus_file`, which also says how it read it.

    Raises
    ------
    InputError
        The file cannot be read, is malformed, or holds no text.
    """
    return read_corpus_file(read_bytes(path), Path(path).name, form, column).texts
