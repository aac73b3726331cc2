// Text as something to see: elements, invisible characters made visible, white space with signs.

function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text != null) element.textContent = text;
  return element;
}
function append(parent, ...children) {
  parent.append(...children.filter(Boolean));
  return parent;
}

// Characters that would be invisible, or would reorder their surroundings, as something to see. Joiners inside an emoji
// or a word do their work unseen; alone they are shown too.
const CONTROL = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
const ONLY_FORMAT = /^[\u00ad\u200b-\u200d\u2060-\u2064\ufe00-\ufe0f\ufeff\p{M}]+$/u;
const codePoint = (c) => `⟨${c.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`;
function visible(text) {
  if (ONLY_FORMAT.test(text)) return /^\p{M}+$/u.test(text) ? `◌${text}` : [...text].map(codePoint).join("");
  return text.replace(CONTROL, (c) => (c < " " ? String.fromCharCode(0x2400 + c.charCodeAt(0)) : codePoint(c)));
}
// White space with signs for it, for where layout does not show it: cards, chips, lists.
const withSigns = (text) => visible(text).replace(/\r\n|\n|\r/g, "↵").replace(/\t/g, "→").replace(/ /g, "␣");
const shortened = (text) => (text.length > 60 ? `${text.slice(0, 57)}…` : text);

function tokenText(text, className = "") {
  const element = make("bdi", `token ${className}`);
  const signs = withSigns(shortened(text)).split(/([␣↵→]+)/);
  return append(element, ...signs.map((part, i) => part && make("span", i % 2 ? "sign" : "", part)));
}

// Text into a cell. Signs for white space are drawn by the style sheet, so that copying gives the text itself.
// A space before a word is drawn as one that does not break, or it would stay behind at the end of the line before.
const leadsWithSpace = (text) => /^ [^\s]/.test(text);
function drawText(span, text) {
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
