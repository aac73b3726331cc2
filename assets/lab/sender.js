// Sends values to the server without queueing them up: one is on its way, and of those that come meanwhile the newest
// follows as soon as the page has answered. So a drag is drawn as fast as the server can, and never lags behind.

const ANSWER_TIMEOUT_MS = 1500;

export function makeSender(send) {
  let stamp = Date.now(); // unlike any stamp of an earlier mount
  let onItsWay = null;
  let next = null;
  let timer = 0;
  const flush = () => {
    if (onItsWay !== null || next === null) return;
    onItsWay = ++stamp;
    send({ ...next, stamp });
    next = null;
    timer = setTimeout(release, ANSWER_TIMEOUT_MS);
  };
  const release = () => {
    clearTimeout(timer);
    onItsWay = null;
    flush();
  };
  return {
    push(values) {
      next = values;
      flush();
    },
    answered(seen) {
      if (onItsWay !== null && seen === onItsWay) release();
    },
  };
}

// Keeps the address a link to what is shown; `entries` maps a parameter to its text, or to null at its default.
export function rememberInAddress(entries) {
  const url = new URL(location.href);
  for (const [name, text] of Object.entries(entries)) {
    if (text === null) url.searchParams.delete(name);
    else url.searchParams.set(name, text);
  }
  history.replaceState(history.state, "", url);
}

// A number as it stands in a field: with so many decimals, and no zeros at their end.
export const shortNumber = (value, decimals) => String(+value.toFixed(decimals));

export const isBeingTyped = (field) => field.getRootNode().activeElement === field;
