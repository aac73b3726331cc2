"""A button that copies a link to the page as it is now. It works in the browser; the server is not asked."""

from collections.abc import Mapping

from ui import components

_component = components.component("copy_link/copy_link")


def copy_link(params: Mapping[str, str], keep: tuple[str, ...] = (), note: str = "") -> None:
    """Draw the button.

    Parameters
    ----------
    params : what the link sets, e.g. {"model": "gpt2", "text": "facts"}; never a person's own text
    keep : names in the page's present address that are carried over as they are
    note : one sentence to read beside the button
    """
    _component(key="copy_link", data={"params": dict(params), "keep": list(keep), "note": note}, width="content")
