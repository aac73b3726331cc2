// What strips of one page tell each other, and what Python wants marked in them. They share this module, so its hub too.

const hub = new EventTarget();
const marks = new Map(); // strip key -> the latest {highlight, selected} from Python

const tell = (name, detail) => hub.dispatchEvent(new CustomEvent(name, { detail }));

// Takes what Python wants marked in the strip `detail.key`; calling what it returns forgets it.
export function takeMarks(detail) {
  marks.set(detail.key, detail);
  tell("mark", detail);
  return () => marks.delete(detail.key);
}

export const marksOf = (key) => marks.get(key);

// Says that the character at `offset` of the text (-1: none) is looked at in the strip `from`.
export function tellHover(from, link, offset) {
  if (link) tell("hover", { from, link, offset });
}

// Until `signal` aborts, `onMarks(detail)` hears what Python marks in `strip`, `onHover(offset)` what its peers look at.
export function listen(strip, signal, { onMarks, onHover }) {
  const hears = (name, hear) => hub.addEventListener(name, ({ detail }) => hear(detail), { signal });
  hears("mark", (detail) => {
    if (detail.key === strip.options.key) onMarks(detail);
  });
  hears("hover", ({ from, link, offset }) => {
    if (from !== strip && link === strip.options.link) onHover(offset);
  });
}
