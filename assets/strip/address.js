// The view in the page's address: short names, and only what is not the default.

import { isRising } from "./scales.js";

const NAMES = ["colour", "limits", "ranks", "words"];

const numbers = (text) => (text ? text.split("_").map(Number) : []);
const isScale = (list, length) => list.length === length && isRising(list);

// The view that a query names, over `initial`; what cannot be used in it is left out. `colours`: those that are defined.
export function viewIn(query, prefix, initial, colours) {
  const [colour, limits, ranks, words] = NAMES.map((name) => query.get(prefix + name));
  const view = { ...initial };
  if (colours.includes(colour)) view.colour = colour;
  if (isScale(numbers(limits), 2)) view.limits = numbers(limits);
  if (isScale(numbers(ranks), 3) && numbers(ranks)[0] >= 1) view.ranks = numbers(ranks);
  if (words !== null) view.words = words === "1";
  return view;
}

function written(value) {
  if (Array.isArray(value)) return value.map((x) => +x.toPrecision(4)).join("_");
  return typeof value === "boolean" ? String(+value) : value;
}

// Puts the view into a query, and nothing where it is the `initial` one.
export function putView(query, prefix, view, initial) {
  for (const name of NAMES) {
    if (view[name] == null || written(view[name]) === written(initial[name])) query.delete(prefix + name);
    else query.set(prefix + name, written(view[name]));
  }
}

// Both for the page's own address; a prefix of null keeps the view out of it.
export function readView(prefix, initial, colours) {
  return prefix == null ? initial : viewIn(new URLSearchParams(location.search), prefix, initial, colours);
}

export function writeView(prefix, view, initial) {
  if (prefix == null) return;
  const url = new URL(location.href);
  putView(url.searchParams, prefix, view, initial);
  history.replaceState(history.state, "", url);
}
