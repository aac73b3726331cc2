// The text as spans, one a unit (a character shown whole, or a word), coloured and marked. Knows nothing of numbers.

import { drawText, leadsWithSpace, make, openingToken, spoken } from "./text.js";

const SLICE_UNITS = 2000; // painted without a pause
const SLICE_MS = 25;
const SEEN_BEFORE = 200; // units painted above the place in view

export class Cells {
  constructor() {
    this.units = []; // {from, to (tokens), text, offset, span}
    this.marked = new Map(); // class -> spans
    this.list = make("div", "tokens");
    this.list.tabIndex = 0;
    this.list.setAttribute("role", "listbox");
    this.list.setAttribute("aria-multiselectable", "true");
  }

  // Shows a text in cells or words, unless it already does; says whether anything was built.
  show(payload, words) {
    const shape = [payload.signature, words, ...payload.opening].join(" ");
    if (shape === this.shape) return false;
    this.shape = shape;
    this.build(payload, words ? payload.word : payload.cell);
    return true;
  }

  build({ cell, cell_text, strings, token, opening }, starts) {
    this.units = [];
    this.unitOf = new Int32Array(token.length);
    this.marked = new Map();
    const blank = make("span", "t");
    blank.setAttribute("role", "option");
    blank.setAttribute("aria-selected", "false");
    const spans = document.createDocumentFragment();
    let at = 0;
    let offset = 0;
    starts.forEach((from, i) => {
      const to = starts[i + 1] ?? token.length;
      let text = "";
      while (at < cell.length && cell[at] < to) text += strings[cell_text[at++]];
      const span = drawText(blank.cloneNode(), text);
      span.id = `t${i}`;
      if (!text.trim()) span.setAttribute("aria-label", spoken(text));
      this.units.push({ from, to, text, offset, span });
      this.unitOf.fill(i, from, to);
      offset += text.length;
      // A leading space stays with its cell (see drawText), so the place to break the line is before the cell.
      if (leadsWithSpace(text)) spans.append(make("wbr"));
      spans.append(span);
    });
    this.list.replaceChildren(...opening.map(openingToken), spans);
    this.list.removeAttribute("aria-activedescendant");
  }

  // What is in view first; a long text's rest follows in slices, so that the page answers at once.
  paint(paintOf) {
    const { units } = this;
    const first = this.firstInView();
    let done = 0;
    this.stopPainting();
    const slice = () => {
      const end = performance.now() + SLICE_MS;
      do {
        for (const stop = Math.min(done + SLICE_UNITS, units.length); done < stop; done++) {
          const i = (first + done) % units.length;
          paintSpan(units[i].span, paintOf(i));
        }
      } while (done < units.length && performance.now() < end);
      if (done < units.length) this.painting = setTimeout(slice);
    };
    slice();
  }

  stopPainting() {
    clearTimeout(this.painting);
  }

  firstInView() {
    if (this.units.length <= SLICE_UNITS) return 0;
    const { left, right, top } = this.list.getBoundingClientRect();
    const there = this.list.getRootNode().elementFromPoint((left + right) / 2, Math.max(top, 0) + 20);
    return Math.max(0, unitOfElement(there) - SEEN_BEFORE);
  }

  // Puts a class on these units, and takes it from all others.
  mark(name, indices) {
    for (const span of this.marked.get(name) ?? []) span.classList.remove(name);
    const spans = indices.filter((i) => this.units[i]).map((i) => this.units[i].span);
    for (const span of spans) span.classList.add(name);
    this.marked.set(name, spans);
  }

  select(indices) {
    for (const span of this.list.querySelectorAll("[aria-selected=true]")) span.setAttribute("aria-selected", "false");
    for (const i of indices) this.units[i].span.setAttribute("aria-selected", "true");
  }

  activate(i, label) {
    const { span } = this.units[i];
    this.mark("active", [i]);
    span.setAttribute("aria-label", label);
    this.list.setAttribute("aria-activedescendant", span.id);
  }

  // -1 where an event is on no unit.
  at(event) {
    return unitOfElement(event.target);
  }

  // The unit of a character of the text; strips of one text may be cut differently.
  atOffset(offset) {
    return offset < 0 ? -1 : this.units.findIndex((unit) => offset < unit.offset + unit.text.length);
  }

  box(i) {
    const { span } = this.units[i];
    return span.getClientRects()[0] ?? span.getBoundingClientRect();
  }

  reveal(i) {
    this.units[i].span.scrollIntoView({ block: "nearest", behavior: "instant" });
  }

  // Within the strip only: a chart that marks tokens must not move the page.
  scrollInside(i) {
    const inside = this.list.getBoundingClientRect();
    const box = this.box(i);
    if (box.top >= inside.top && box.bottom <= inside.bottom) return;
    this.list.scrollTop += box.top - inside.top - inside.height / 3;
  }
}

function unitOfElement(element) {
  const span = element?.closest(".t");
  return span ? +span.id.slice(1) : -1;
}

function paintSpan(span, paint) {
  span.classList.toggle("hatched", !paint);
  span.style.backgroundColor = paint ? paint.background : "";
  span.style.color = paint ? paint.ink : "";
}
