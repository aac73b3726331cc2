// The token strip: cells coloured by a value, cards on hover and pinned, all without asking the server. This is where
// its parts are held together: the data, the view of it, and who hears what. The server hears one thing only, which
// token was picked.

import { readView, writeView } from "./address.js";
import { buildCard } from "./cards.js";
import { Cells } from "./cells.js";
import { Chips } from "./chips.js";
import { goal } from "./keyboard.js";
import { listen, marksOf, tellHover } from "./links.js";
import { Pins } from "./pins.js";
import { extent, painter, RANK_LIMITS, themeOf, VALUES } from "./scales.js";
import { append, make, spoken } from "./text.js";
import { Toolbar } from "./toolbar.js";

const OPTIONS = { key: "", url: null, report: false, announce: false, link: null, view: {} };

class Strip {
  constructor(root) {
    this.root = root;
    this.active = -1; // unit under the keyboard
    this.toolbar = new Toolbar((view) => this.look(view));
    this.cells = new Cells();
    this.pins = new Pins(this.cells, {
      cardOf: (i) => buildCard(this.payload, this.cells.units[i], this.view.words),
      onPick: (token) => this.report(token),
      onHover: (i) => tellHover(this, this.options.link, i < 0 ? -1 : this.cells.units[i].offset),
    });
    this.chips = new Chips({ onPoint: (i) => this.cells.mark("pointed", [i]), onPick: (i) => this.jump(i) });
    append(root, this.toolbar.element, this.cells.list, this.chips.element, this.pins.board, this.pins.tip);
    this.listen();
  }

  // --- data and view

  update({ data, setStateValue }) {
    this.options = { ...OPTIONS, ...data.options };
    this.setStateValue = setStateValue;
    this.theme = themeOf(this.root);
    this.root.dataset.theme = this.theme;
    if (data !== this.payload) this.take(data);
    this.refresh(true);
    if (!this.options.announce || this.announced) return;
    this.announced = true;
    requestAnimationFrame(() => requestAnimationFrame(() => setStateValue("drawn", true)));
  }

  // With the text's signature: state outlives the text it was about.
  report(token) {
    if (!this.options.report) return;
    this.setStateValue("selected", token == null ? null : { signature: this.payload.signature, token });
  }

  take(payload) {
    if (this.payload?.signature !== payload.signature) [this.pins.tokens, this.told] = [[], null];
    this.payload = payload;
    const { top } = payload;
    if (top?.k) payload.columns.top1 = payload.token.map((_, i) => top.log_prob[i * top.k]);
    const names = Object.keys(VALUES).filter((name) => VALUES[name].needs in payload.columns);
    this.toolbar.offer(names);
    const { list } = this.cells;
    list.classList.toggle("mono", payload.monospace);
    list.style.maxHeight = this.options.max_height ? `${this.options.max_height}px` : "";
    list.setAttribute("aria-label", `Tokens${payload.title ? `, ${payload.title}` : ""}`);
    const first = { colour: names[0], limits: null, ranks: RANK_LIMITS, words: false, ...this.options.view };
    this.initial = names.includes(first.colour) ? first : { ...first, colour: names[0] };
    this.view ??= readView(this.options.url, this.initial, names);
    if (!names.includes(this.view.colour)) this.view = { ...this.view, colour: names[0], limits: null };
  }

  look(view) {
    const focus = this.root.getRootNode().activeElement?.getAttribute("aria-label");
    this.view = view;
    this.refresh();
    if (focus) this.toolbar.element.querySelector(`[aria-label="${CSS.escape(focus)}"]`)?.focus();
    writeView(this.options.url, view, this.initial);
  }

  refresh(isNews = false) {
    this.pins.leave();
    const isBuilt = this.cells.show(this.payload, this.view.words);
    if (isBuilt) this.active = -1;
    this.paint();
    if (!isBuilt && !isNews) return; // another colour or scale changes no number
    this.chips.draw(this.payload, this.cells.units);
    this.pins.draw();
    this.follow(marksOf(this.options.key));
  }

  paint() {
    const { colour, limits: chosen, ranks, words } = this.view;
    const value = VALUES[colour];
    this.values = this.cells.units.map(({ from, to }) => value.at(this.payload, from, to));
    const fitted = (!words && this.payload.domain?.[colour]) || extent(this.values, value.ramp === "diverging");
    const limits = value.ramp === "rank" ? ranks : (chosen ?? fitted);
    const paintOf = painter(this.theme, value.ramp, limits);
    this.toolbar.draw(this.view, limits, this.theme, this.values);
    this.cells.paint((i) => (this.values[i] == null ? null : paintOf(this.values[i])));
  }

  // --- hearing

  listen() {
    const { cells, pins } = this;
    const { list } = cells;
    list.onpointerover = (event) => {
      const i = cells.at(event);
      if (event.pointerType !== "touch" && i >= 0) pins.hover(i);
    };
    list.onpointerleave = list.onblur = () => pins.leave();
    list.onclick = (event) => {
      const i = cells.at(event);
      if (i < 0 || !getSelection().isCollapsed) return; // selecting text to copy it is no pick
      this.go(i);
      pins.toggle(i);
    };
    list.onkeydown = (event) => this.onKey(event);
    list.oncopy = (event) => {
      event.clipboardData.setData("text/plain", getSelection().toString().replaceAll("\u00a0", " "));
      event.preventDefault();
    };
    this.root.addEventListener("keydown", (event) => this.onEscape(event));
    this.leaving = new AbortController();
    const { signal } = this.leaving;
    listen(this, signal, {
      onMarks: (marks) => this.follow(marks),
      onHover: (offset) => cells.mark("pointed", [cells.atOffset(offset)]),
    });
    addEventListener("scroll", () => pins.leave(), { capture: true, passive: true, signal });
  }

  leave() {
    this.leaving.abort();
    this.cells.stopPainting();
    this.root.parentNode.tokenStrip = undefined;
    this.root.remove();
  }

  onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { cells, pins, active } = this;
    const next = goal(event.key, active, cells.units.length, (i) => cells.box(i));
    if (next !== null) {
      this.go(next);
      cells.reveal(next);
      pins.hover(next);
    } else if ((event.key === "Enter" || event.key === " ") && active >= 0) pins.toggle(active);
    else return;
    event.preventDefault();
  }

  onEscape(event) {
    if (event.key !== "Escape" || !this.pins.dismiss()) return;
    event.stopPropagation();
    this.cells.list.focus({ preventScroll: true });
  }

  // --- moving

  go(i) {
    this.active = i;
    const { label, unit } = VALUES[this.view.colour];
    const number = this.values[i];
    const value = number == null ? "not predicted" : `${label} ${+number.toPrecision(3)} ${unit}`;
    this.cells.activate(i, `${spoken(this.cells.units[i].text)}, ${value}`);
  }

  jump(i) {
    this.cells.reveal(i);
    if (!this.pins.has(i)) this.pins.toggle(i);
  }

  // What Python wants marked, and the token that it wants pinned: told once, closing the card is the reader's right.
  follow(marks) {
    const { highlight, selected } = marks ?? { highlight: [], selected: null };
    const { cells, pins } = this;
    const units = highlight.map((token) => cells.unitOf[token]).filter((i) => i !== undefined);
    cells.mark("marked", units);
    const isNew = selected !== this.told && selected != null && selected in cells.unitOf;
    if (isNew && !pins.tokens.includes(selected)) {
      pins.add(selected);
      units.push(cells.unitOf[selected]);
    }
    if (marks) this.told = selected;
    if (this.options.max_height && units.length) cells.scrollInside(Math.min(...units));
  }
}

// The strip in an element, made at first.
export function stripIn(parent) {
  if (!parent.tokenStrip) {
    const root = make("div", "ls");
    parent.append(root);
    parent.tokenStrip = new Strip(root);
  }
  return parent.tokenStrip;
}
