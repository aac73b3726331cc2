// The view in the page's address: short names, and only what is not the default.

const numbers = (text) => (text ? text.split("_").map(Number) : []);
const rising = (list, length) => list.length === length && list.every((x, i) => Number.isFinite(x) && (!i || x > list[i - 1]));

function readUrl(prefix, initial, names) {
  if (prefix == null) return initial;
  const query = new URLSearchParams(location.search);
  const view = { ...initial };
  const colour = query.get(`${prefix}colour`);
  if (names.includes(colour)) view.colour = colour;
  const limits = numbers(query.get(`${prefix}limits`)), ranks = numbers(query.get(`${prefix}ranks`));
  if (rising(limits, 2)) view.limits = limits;
  if (rising(ranks, 3) && ranks[0] >= 1) view.ranks = ranks;
  if (query.has(`${prefix}words`)) view.words = query.get(`${prefix}words`) === "1";
  return view;
}

function writeUrl(prefix, view, initial) {
  if (prefix == null) return;
  const url = new URL(location.href);
  const text = (it) => (Array.isArray(it) ? it.map((x) => +x.toPrecision(4)).join("_") : typeof it === "boolean" ? String(+it) : it);
  for (const name of ["colour", "limits", "ranks", "words"]) {
    if (view[name] == null || text(view[name]) === text(initial[name])) url.searchParams.delete(prefix + name);
    else url.searchParams.set(prefix + name, text(view[name]));
  }
  history.replaceState(history.state, "", url);
}
