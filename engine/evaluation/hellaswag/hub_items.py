"""HellaSwag's validation set from the hub's data set, where the hub can be reached; kept in the hub's own cache."""

from pathlib import Path

from engine import errors
from engine.evaluation.hellaswag.items import HellaSwagItem, read_items_file
from engine.quiet import quiet_libraries
from engine.sources import hub_client
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
    yield Progress("Fetching HellaSwag from the hub")
    path = _path()
    yield Progress("Reading HellaSwag")
    try:
        return read_items_file(Path(path).read_bytes(), FILE).items
    except errors.InputError as error:
        raise errors.FetchError(f"The hub's file of {REPOSITORY} is damaged: {error}") from error


def _path() -> str:
    import httpx2
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError

    try:
        if hub_client.known_unreachable():
            raise OSError("asked a moment ago")
        with quiet_libraries():
            return hf_hub_download(REPOSITORY, FILE, repo_type="dataset", etag_timeout=5)
    except HfHubHTTPError as error:
        status = getattr(error.response, "status_code", "an error")
        raise errors.FetchError(
            f"The hub answered {status} for {REPOSITORY}. Give the items as a file instead."
        ) from error
    except (httpx2.HTTPError, OSError) as error:
        raise errors.UnreachableError(
            f"The hub cannot be reached, and {REPOSITORY} is not on this machine. Give the items as a file: the "
            "official hellaswag_val.jsonl, or six lines an item."
        ) from error
