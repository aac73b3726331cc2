"""HellaSwag's validation set from the hub's data set, where the hub can be reached; kept in the hub's own cache."""

from engine import errors
from engine.evaluation.hellaswag.items import HellaSwagItem, read_items_file
from engine.sources import hub
from engine.steps import Progress, Steps

REPOSITORY = "Rowan/hellaswag"
FILE = "data/validation-00000-of-00001.parquet"


def fetch_items_steps() -> Steps[tuple[HellaSwagItem, ...]]:
    """All 10,042 validation items in their official order.

    Raises
    ------
    UnreachableError
        The hub does not answer.
    FetchError
        It answers, but not with the file.
    """
    try:
        path = yield from hub.fetch_data_file_steps(REPOSITORY, FILE, "HellaSwag")
    except errors.FetchError as error:
        raise type(error)(
            f"{error} Or give the items as a file: the official hellaswag_val.jsonl, or six lines per item."
        ) from error
    yield Progress("Reading HellaSwag")
    try:
        return read_items_file(path.read_bytes(), FILE).items
    except errors.InputError as error:
        raise errors.FetchError(f"The hub's file of {REPOSITORY} is damaged: {error}") from error
