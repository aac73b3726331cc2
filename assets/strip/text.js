// Text as something to see: elements, invisible characters made visible, white space with signs.

import SIGNS from "../signs.json" with { type: "json" };

export function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text != null) element.textContent = text;
  return element;
}
export function append(parent, ...children) {
  parent.append(...children.filter(Boolean));
  return parent;
}

// Characters that would be invisible, or would reorder their surroundings, as something to see. Joiners and variation
// selectors inside an emoji or a word do their work unseen; alone they are shown too.
const CONTROL = /(?![\t\n\r])[\p{Cc}\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]/gu;
const ONLY_JOINERS = /^[\p{M}\p{Join_Control}]+$/u;
const codePoint = (c) => `⟨${c.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`;
export function visible(text) {
  if (ONLY_JOINERS.test(text)) return /^\p{M}+$/u.test(text) ? `◌${text}` : [...text].map(codePoint).join("");
  return text.replace(CONTROL, (c) => (c < " " ? String.fromCharCode(0x2400 + c.charCodeAt(0)) : codePoint(c)));
}
// White space with signs for it, for where layout does not show it: cards, chips, lists. Bytes (⟨F0 9F⟩) stay as they are.
export const withSigns = (text) => visible(text).replace(/[\n\r\t]| (?![0-9A-F ]*⟩)/g, (c) => SIGNS[c]);
// White space as words, for those who hear it.
const SPOKEN = { " ": "space", "\t": "tab", "\n": "line break", "\r": "carriage return" };
export const spoken = (text) =>
  text.trim() ? visible(text) : [...text].map((c) => SPOKEN[c] ?? codePoint(c)).join(", ");
const shortened = (text, most = 60) => (text.length > most ? `${[...text].slice(0, most - 3).join("")}…` : text);

const SIGN_RUNS = new RegExp(`([${Object.values(SIGNS).join("")}]+)`);

export function tokenText(text, className = "") {
  const element = make("bdi", `token ${className}`);
  const signs = withSigns(shortened(text)).split(SIGN_RUNS);
  return append(element, ...signs.map((part, i) => part && make("span", i % 2 ? "sign" : "", part)));
}

// A token that was put in front of the text: read by the model, no part of the text, so neither scored nor copied.
export function openingToken(text) {
  const element = make("span", "opening", visible(text));
  element.title = "Put in front of the text for the model to open with; it is not scored.";
  element.setAttribute("aria-hidden", "true");
  return element;
}

// Text into a cell. Signs for white space are drawn by the style sheet, so that copying gives the text itself.
// A space before a word is drawn as one that does not break, or it would stay behind at the end of the line before.
export const leadsWithSpace = (text) => /^ [^\s]/.test(text);
export function drawText(span, text) {
  const onlySpace = !text.trim();
  if (leadsWithSpace(text)) text = `\u00a0${text.slice(1)}`;
  if (!onlySpace && !/[\n\r\t]/.test(text)) {
    span.textContent = visible(text);
    return span;
  }
  for (const part of text.split(/(\r\n|[\n\r\t ])/)) {
    const kind = part === " " ? onlySpace && "space" : part === "\t" ? "tab" : /^[\r\n]/.test(part) && "newline";
    if (kind) span.append(kind === "newline" ? make("i", kind) : make("i", kind, part), kind === "newline" ? "\n" : "");
    else if (part) span.append(visible(part));
  }
  return span;
}
