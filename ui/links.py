"""A button that copies a link to the page as it is now. It works in the browser; the server is not asked."""

from collections.abc import Mapping

import streamlit as st

_HTML = """<button type="button"><span class="says" aria-live="polite">Copy link</span></button>
<span class="note"></span>
<input readonly hidden aria-label="Link to this page">"""

_CSS = """
button { font: inherit; font-size: 1rem; color: var(--st-text-color); background: transparent; cursor: pointer;
  border: 1px solid var(--st-border-color); border-radius: var(--st-button-radius); min-height: 2.5rem;
  padding: 0 0.75rem; white-space: nowrap; }
button:hover { border-color: var(--st-primary-color); color: var(--st-primary-color); }
button:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 2px; }
.note { font-size: 0.875rem; margin-left: 0.5rem; opacity: 0.8; }
input { font: inherit; width: 18rem; max-width: 100%; margin-top: 0.25rem; }
"""

# The strip keeps what is looked at in the browser and writes it into the address, so the link starts from there.
_JS = """
export default function ({ data, parentElement }) {
  const button = parentElement.querySelector('button'), says = parentElement.querySelector('.says');
  const field = parentElement.querySelector('input');
  parentElement.querySelector('.note').textContent = data.note;
  const link = () => {
    const url = new URL(location.pathname, location.origin);
    for (const name of data.keep) {
      const value = new URLSearchParams(location.search).get(name);
      if (value !== null) url.searchParams.set(name, value);
    }
    for (const [name, value] of Object.entries(data.params)) url.searchParams.set(name, value);
    return url.href;
  };
  button.onclick = async () => {
    try {
      await navigator.clipboard.writeText(link());
      says.textContent = 'Link copied';
      setTimeout(() => { says.textContent = 'Copy link'; }, 2000);
    } catch {  // no clipboard outside https and this machine: show the link to copy by hand
      field.value = link(); field.hidden = false; field.select();
    }
  };
}
"""

_component = st.components.v2.component("logitscope.copy_link", html=_HTML, css=_CSS, js=_JS)


def copy_link(params: Mapping[str, str], keep: tuple[str, ...] = (), note: str = "") -> None:
    """Draw the button.

    Parameters
    ----------
    params : what the link sets, e.g. {"model": "gpt2", "text": "facts"}; never a person's own text
    keep : names in the page's present address that are carried over as they are
    note : one sentence to read beside the button
    """
    _component(key="copy_link", data={"params": dict(params), "keep": list(keep), "note": note}, width="content")
