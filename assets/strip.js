// The token strip: cells coloured by a value, cards on hover and pinned, all without asking the server.
//
// The default export is what Streamlit calls on mount and whenever data or theme change; `mountPage` shows the same
// strip in a page of its own. The server hears of one thing only: which token was picked (`selected`, `clicked`).
// A second, invisible component ("remote") carries what Python wants marked, so that the large data is not sent again.

const hub = new EventTarget(); // strips and remotes of one page: they share this module
const marks = new Map(); // strip key -> the latest {highlight, selected} from Python
const LISTED = 8;
const SLICE_UNITS = 2000; // painted without a pause
const SLICE_MS = 25;

class Strip {
  constructor(root, parent) {
    this.parent = parent;
    this.root = root;
    this.pins = []; // token indices
    this.active = -1; // unit under the keyboard
    this.toolbar = new Toolbar((view) => this.look(view));
    this.list = make("div", "tokens");
    this.list.tabIndex = 0;
    this.list.setAttribute("role", "listbox");
    this.list.setAttribute("aria-multiselectable", "true");
    this.tip = make("div", "tip");
    this.tip.hidden = true;
    this.chips = make("div", "chips");
    this.board = make("div", "pins");
    append(root, this.toolbar.element, this.list, this.chips, this.board, this.tip);
    this.listen();
  }

  // --- data and view

  update({ data, setStateValue, setTriggerValue }) {
    this.options = { key: "", url: null, report: false, announce: false, link: null, view: {}, ...data.options };
    this.send = (token, clicked) => {
      if (!this.options.report) return;
      // With the text's signature: state outlives the text it was about.
      setStateValue("selected", token == null ? null : { signature: this.payload.signature, token });
      if (clicked) setTriggerValue("clicked", token);
    };
    this.theme = themeOf(this.root);
    this.root.dataset.theme = this.theme;
    if (data !== this.payload) this.take(data);
    this.refresh(true);
    this.mark(marks.get(this.options.key));
    if (!this.options.announce || this.announced) return;
    this.announced = true;
    requestAnimationFrame(() => requestAnimationFrame(() => setStateValue("drawn", true)));
  }

  take(payload) {
    const another = this.payload?.signature !== payload.signature;
    this.payload = payload;
    const top = payload.top;
    if (top?.k) payload.columns.top1 = payload.token.map((_, i) => top.log_prob[i * top.k]);
    const names = Object.keys(VALUES).filter((name) => VALUES[name].needs in payload.columns);
    this.toolbar.offer(names);
    this.list.classList.toggle("mono", payload.monospace);
    const height = this.options.max_height;
    this.list.style.maxHeight = height ? `${height}px` : "";
    this.list.setAttribute("aria-label", `Tokens${payload.title ? `, ${payload.title}` : ""}`);
    const first = { colour: names[0], limits: null, ranks: RANK_LIMITS, words: false, ...this.options.view };
    this.initial = names.includes(first.colour) ? first : { ...first, colour: names[0] };
    if (!this.view) this.view = readUrl(this.options.url, this.initial, names);
    if (!names.includes(this.view.colour)) this.view = { ...this.view, colour: names[0], limits: null };
    if (another) [this.pins, this.built, this.told] = [[], null, null];
  }

  look(view) {
    const focus = this.root.getRootNode().activeElement?.getAttribute("aria-label");
    this.view = view;
    this.refresh();
    if (focus) this.toolbar.element.querySelector(`[aria-label="${CSS.escape(focus)}"]`)?.focus();
    writeUrl(this.options.url, view, this.initial);
  }

  refresh(isNews = false) {
    this.hideTip();
    const needsBuilding = this.built !== this.shape;
    if (needsBuilding) this.build();
    this.paint();
    if (!needsBuilding && !isNews) return; // another colour or scale changes no number
    this.listSurprises();
    this.drawPins();
  }

  // What the spans are made from: the text, what stands in front of it, cells or words.
  get shape() {
    return [this.payload.signature, this.view.words, ...this.payload.opening].join(" ");
  }

  // One span a unit; rebuilt only for another text or opening, or between cells and words.
  build() {
    const { cell, word, cell_text, strings, token, opening } = this.payload;
    const starts = this.view.words ? word : cell;
    this.units = [];
    this.unitOf = new Int32Array(token.length);
    const blank = make("span", "t");
    blank.setAttribute("role", "option");
    blank.setAttribute("aria-selected", "false");
    const spans = document.createDocumentFragment();
    let at = 0, offset = 0;
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
    this.active = -1;
    this.built = this.shape;
  }

  paint() {
    const { colour, limits: chosen, ranks, words } = this.view;
    const value = VALUES[colour];
    this.values = this.units.map(({ from, to }) => value.at(this.payload, from, to));
    const fitted = (!words && this.payload.domain?.[colour]) || extent(this.values, value.ramp === "diverging");
    const limits = value.ramp === "rank" ? ranks : chosen ?? fitted;
    const paintOf = painter(this.theme, value.ramp, limits);
    this.toolbar.draw(this.view, limits, this.theme, this.values);
    this.paintAll((i) => (this.values[i] == null ? null : paintOf(this.values[i])));
  }

  // What is in view first; a long text's rest follows in slices, so that the page answers at once.
  paintAll(paintOf) {
    const { units } = this;
    const first = this.firstInView();
    let done = 0;
    clearTimeout(this.painting);
    const slice = () => {
      const end = performance.now() + SLICE_MS;
      do {
        for (const stop = Math.min(done + SLICE_UNITS, units.length); done < stop; done++) {
          const i = (first + done) % units.length;
          const { span } = units[i], paint = paintOf(i);
          span.classList.toggle("hatched", !paint);
          span.style.backgroundColor = paint ? paint.background : "";
          span.style.color = paint ? paint.ink : "";
        }
      } while (done < units.length && performance.now() < end);
      if (done < units.length) this.painting = setTimeout(slice);
    };
    slice();
  }

  firstInView() {
    if (this.units.length <= SLICE_UNITS) return 0;
    const { left, right, top } = this.list.getBoundingClientRect();
    const there = this.root.getRootNode().elementFromPoint((left + right) / 2, Math.max(top, 0) + 20)?.closest(".t");
    return there ? Math.max(0, +there.id.slice(1) - 200) : 0;
  }

  // --- the most surprising, or the most different, units

  listSurprises() {
    const compared = this.payload.kind === "comparison";
    const value = VALUES[compared ? "difference" : "surprisal"];
    const all = this.units.map((unit, i) => [i, value.at(this.payload, unit.from, unit.to)]);
    const strength = ([, x]) => (compared ? Math.abs(x) : x);
    const known = all.filter(([i, x]) => x != null && x !== 0 && this.units[i].text.trim());
    const worst = known.sort((x, y) => strength(y) - strength(x)).slice(0, LISTED);
    this.chips.hidden = this.units.length < 4 || !worst.length;
    const buttons = worst.map(([i, x]) => {
      const chip = append(make("button", "chip"), tokenText(this.units[i].text), make("span", "number", compared ? format.difference(x) : x.toFixed(1)));
      chip.type = "button";
      chip.dataset.unit = i;
      return chip;
    });
    const heading = compared ? "Differ most (B − A, nats)" : "Most surprising (bits)";
    this.chips.replaceChildren(make("span", "heading", heading), ...buttons);
  }

  // --- cards

  card(i) {
    return buildCard(this.payload, this.units[i], this.view.words);
  }

  showTip(i) {
    const { span } = this.units[i];
    if (this.shown !== i) {
      this.hideTip();
      this.shown = i;
      span.classList.add("hover");
      this.tip.replaceChildren(this.card(i));
      this.tip.hidden = false;
      this.tell(i);
    }
    const box = span.getClientRects()[0] ?? span.getBoundingClientRect();
    const { offsetWidth: width, offsetHeight: height } = this.tip;
    const below = box.bottom + 8 + height < innerHeight || box.top < height + 8;
    this.tip.style.left = `${Math.max(8, Math.min(box.left, innerWidth - width - 8))}px`;
    this.tip.style.top = `${Math.max(8, below ? Math.min(box.bottom + 8, innerHeight - height - 8) : box.top - height - 8)}px`;
  }

  hideTip() {
    this.units?.[this.shown]?.span.classList.remove("hover");
    this.shown = -1;
    this.tip.hidden = true;
    this.tell(-1);
  }

  pin(i, clicked = true) {
    const token = this.units[i].from;
    this.hideTip();
    if (this.pins.includes(token)) return this.unpin(token);
    this.pins.push(token);
    this.drawPins();
    this.send(token, clicked);
  }

  unpin(token) {
    this.pins = this.pins.filter((pinned) => pinned !== token);
    this.drawPins();
    this.send(this.pins.at(-1) ?? null, false);
  }

  drawPins() {
    this.list.querySelectorAll("[aria-selected=true]").forEach((span) => span.setAttribute("aria-selected", "false"));
    this.board.replaceChildren(...this.pins.map((token) => {
      const i = this.unitOf[token];
      this.units[i].span.setAttribute("aria-selected", "true");
      const card = this.card(i);
      const close = make("button", "close", "×");
      close.type = "button";
      close.setAttribute("aria-label", `Close the card of ${spoken(this.units[i].text).trim()}`);
      close.onclick = () => { this.unpin(token); this.list.focus({ preventScroll: true }); };
      card.firstChild.append(close);
      return card;
    }));
  }

  // --- hearing

  listen() {
    const { list, chips } = this;
    const unitAt = (event) => { const span = event.target.closest(".t"); return span ? +span.id.slice(1) : -1; };
    list.onpointerover = (event) => {
      const i = unitAt(event);
      if (event.pointerType !== "touch" && i >= 0) this.showTip(i);
    };
    list.onpointerleave = () => this.hideTip();
    list.onclick = (event) => {
      const i = unitAt(event);
      if (i < 0 || !getSelection().isCollapsed) return; // selecting text to copy it is no pick
      this.go(i, false);
      this.pin(i);
    };
    list.onkeydown = (event) => this.onKey(event);
    list.onblur = () => this.hideTip();
    list.oncopy = (event) => {
      event.clipboardData.setData("text/plain", getSelection().toString().replace(/\u00a0/g, " "));
      event.preventDefault();
    };
    const chipAt = (event) => event.target.closest(".chip");
    chips.onpointerover = chips.onfocusin = (event) => { const chip = chipAt(event); if (chip) this.point(+chip.dataset.unit); };
    chips.onpointerleave = () => this.point(-1);
    chips.addEventListener("focusout", () => this.point(-1));
    chips.addEventListener("focusin", chips.onpointerover);
    chips.onclick = (event) => {
      const chip = chipAt(event);
      if (!chip) return;
      const i = +chip.dataset.unit;
      this.reveal(i);
      if (!this.pins.includes(this.units[i].from)) this.pin(i);
    };
    this.root.addEventListener("keydown", (event) => { if (event.key === "Escape") this.escape(event); });
    this.onMark = ({ detail }) => detail.key === this.options.key && this.mark(detail);
    this.onPeer = ({ detail }) => detail.from !== this && detail.link && detail.link === this.options.link && this.point(this.unitAtOffset(detail.offset));
    this.onScroll = () => { if (!this.tip.hidden) this.hideTip(); };
    hub.addEventListener("mark", this.onMark);
    hub.addEventListener("hover", this.onPeer);
    addEventListener("scroll", this.onScroll, { capture: true, passive: true });
  }

  leave() {
    hub.removeEventListener("mark", this.onMark);
    hub.removeEventListener("hover", this.onPeer);
    removeEventListener("scroll", this.onScroll, { capture: true });
    clearTimeout(this.painting);
    this.root.remove();
    this.parent.tokenStrip = undefined;
  }

  onKey(event) {
    const last = this.units.length - 1;
    const rightToLeft = this.active >= 0 && this.isRightToLeft(this.active);
    const steps = { ArrowRight: rightToLeft ? -1 : 1, ArrowLeft: rightToLeft ? 1 : -1 };
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in steps) this.go(this.active < 0 ? 0 : Math.max(0, Math.min(last, this.active + steps[event.key])));
    else if (event.key === "ArrowDown") this.go(this.active < 0 ? 0 : this.onLine(1));
    else if (event.key === "ArrowUp") this.go(this.active < 0 ? 0 : this.onLine(-1));
    else if (event.key === "Home") this.go(0);
    else if (event.key === "End") this.go(last);
    else if ((event.key === "Enter" || event.key === " ") && this.active >= 0) this.pin(this.active);
    else return;
    event.preventDefault();
  }

  // First the hovering card goes, then the last pin.
  escape(event) {
    if (this.tip.hidden && !this.pins.length) return;
    event.stopPropagation();
    if (!this.tip.hidden) this.hideTip();
    else this.unpin(this.pins.at(-1));
    this.list.focus({ preventScroll: true });
  }

  // --- moving

  go(i, withCard = true) {
    this.units[this.active]?.span.classList.remove("active");
    this.active = i;
    const { span, text } = this.units[i];
    span.classList.add("active");
    const colour = VALUES[this.view.colour];
    const value = this.values[i] == null ? "not predicted" : `${colour.label} ${+this.values[i].toPrecision(3)} ${colour.unit}`;
    span.setAttribute("aria-label", `${spoken(text)}, ${value}`);
    this.list.setAttribute("aria-activedescendant", span.id);
    if (!withCard) return;
    this.reveal(i);
    this.showTip(i);
  }

  reveal(i) {
    this.units[i].span.scrollIntoView({ block: "nearest", behavior: "instant" });
  }

  box(i) {
    return this.units[i].span.getClientRects()[0] ?? this.units[i].span.getBoundingClientRect();
  }

  isRightToLeft(i) {
    const other = i + 1 < this.units.length ? i + 1 : i - 1;
    if (other < 0) return false;
    const [here, there] = [this.box(i), this.box(other)];
    return Math.abs(here.top - there.top) < 4 && here.left > there.left === other > i;
  }

  // The unit one visual line up or down whose place is nearest.
  onLine(step) {
    const from = this.box(this.active);
    const middle = (from.left + from.right) / 2;
    let best = this.active, distance = Infinity, line = null;
    for (let i = this.active + step; this.units[i]; i += step) {
      const box = this.box(i);
      if (Math.abs(box.top - from.top) < 4) continue;
      if (line !== null && Math.abs(box.top - line) > 4) break;
      line = box.top;
      const away = Math.abs((box.left + box.right) / 2 - middle);
      if (away < distance) [best, distance] = [i, away];
    }
    return best;
  }

  // --- marks from elsewhere: chips, other strips, Python

  point(i) {
    this.units[this.pointed]?.span.classList.remove("pointed");
    this.pointed = i;
    this.units[i]?.span.classList.add("pointed");
  }

  tell(i) {
    if (!this.options?.link) return;
    const offset = i < 0 ? -1 : this.units[i].offset;
    hub.dispatchEvent(new CustomEvent("hover", { detail: { from: this, link: this.options.link, offset } }));
  }

  unitAtOffset(offset) {
    return offset < 0 ? -1 : this.units.findIndex((unit) => offset < unit.offset + unit.text.length);
  }

  mark(detail) {
    this.list.querySelectorAll(".marked").forEach((span) => span.classList.remove("marked"));
    if (!detail) return;
    const units = detail.highlight.map((token) => this.unitOf[token]).filter((i) => i !== undefined);
    units.forEach((i) => this.units[i].span.classList.add("marked"));
    const { selected } = detail;
    if (selected !== this.told && selected != null && selected in this.unitOf && !this.pins.includes(selected)) {
      this.pins.push(selected);
      this.drawPins();
      units.push(this.unitOf[selected]);
    }
    this.told = selected; // told once: closing the card is the reader's right
    const first = Math.min(...units);
    if (this.options.max_height && Number.isFinite(first)) this.scrollInside(first);
  }

  // Within the strip only: a chart that marks tokens must not move the page.
  scrollInside(i) {
    const inside = this.list.getBoundingClientRect(), box = this.box(i);
    if (box.top < inside.top || box.bottom > inside.bottom) this.list.scrollTop += box.top - inside.top - inside.height / 3;
  }
}

// --- ways in

function stripIn(parent) {
  if (!parent.tokenStrip) {
    const root = make("div", "ls");
    parent.append(root);
    parent.tokenStrip = new Strip(root, parent);
  }
  return parent.tokenStrip;
}

function mountPage(main, script) {
  const { strip: data, title, facts } = JSON.parse(script.textContent);
  const header = append(make("header", "page-head"), make("h1", "", title));
  const list = make("dl", "facts");
  for (const [label, value] of facts) list.append(append(make("div"), make("dt", "", label), make("dd", "", value)));
  header.append(list);
  const page = document.documentElement;
  page.className = "ls";
  const show = () => {
    page.dataset.theme = themeOf(page);
    stripIn(main).update({ data });
  };
  main.before(header);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
  show();
}

export default function ({ data, parentElement, setStateValue, setTriggerValue }) {
  if (data.kind === "remote") {
    marks.set(data.key, data);
    hub.dispatchEvent(new CustomEvent("mark", { detail: data }));
    return () => marks.delete(data.key);
  }
  const strip = stripIn(parentElement);
  strip.update({ data, setStateValue, setTriggerValue });
  return () => strip.leave();
}
