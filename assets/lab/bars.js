// P and Q as bars that are dragged. data: {p, q, seen, epoch, home: {p, q}, colours: {p, q}}.
// Moving one bar scales the others of its distribution, so that it always sums to 1. Keys: arrows, Page, Home, End.

import { afterKey, withEntry, withOneFewer, withOneMore } from "./distribution.js";
import { isBeingTyped, makeSender, rememberInAddress, shortNumber } from "./sender.js";

const LEAST_OUTCOMES = 2;
const MOST_OUTCOMES = 8;
const SIDES = ["p", "q"];

function make(tag, className) {
  const element = document.createElement(tag);
  element.className = className;
  return element;
}

class Bars {
  constructor(root, setStateValue) {
    this.root = root;
    this.sender = makeSender((values) => setStateValue("values", values));
    this.cells = [];
    this.button("more").onclick = () => this.resize(withOneMore);
    this.button("fewer").onclick = () => this.resize(withOneFewer);
    this.button("swap").onclick = () => {
      [this.p, this.q] = [this.q, this.p];
      this.draw();
      this.send();
      this.remember();
    };
  }

  button(name) {
    return this.root.querySelector(`.${name}`);
  }

  update(data) {
    this.data = data;
    for (const side of SIDES) this.root.style.setProperty(`--${side}`, data.colours[side]);
    if (data.epoch !== this.epoch) {
      Object.assign(this, { p: data.p, q: data.q, epoch: data.epoch });
      this.build();
    }
    this.sender.answered(data.seen);
  }

  send() {
    this.sender.push({ epoch: this.epoch, p: this.p, q: this.q });
  }

  remember() {
    const text = (values) => values.map((v) => shortNumber(v, 6)).join(",");
    const entry = (side) => (text(this[side]) === text(this.data.home[side]) ? null : text(this[side]));
    rememberInAddress(Object.fromEntries(SIDES.map((side) => [side, entry(side)])));
  }

  move({ side, index }, wanted) {
    this[side] = withEntry(this[side], index, Math.max(0, wanted));
    this.draw();
    this.send();
  }

  resize(change) {
    for (const side of SIDES) this[side] = change(this[side]);
    this.build();
    this.send();
    this.remember();
  }

  // --- drawing

  build() {
    this.cells = [];
    this.root.querySelector(".plot").replaceChildren(...this.p.map((_, index) => this.outcome(index)));
    this.button("more").disabled = this.p.length >= MOST_OUTCOMES;
    this.button("fewer").disabled = this.p.length <= LEAST_OUTCOMES;
    this.draw();
  }

  outcome(index) {
    const [outcome, pair, name] = ["outcome", "pair", "name"].map((it) => make("div", it));
    name.textContent = String.fromCharCode(65 + index);
    const [p, q] = SIDES.map((side) => this.cell(side, index, `${side.toUpperCase()} of ${name.textContent}`));
    this.cells.push(p, q);
    pair.append(p.track, q.track, p.number, q.number);
    outcome.append(pair, name);
    return outcome;
  }

  cell(side, index, label) {
    const cell = {
      side,
      index,
      track: make("div", `track ${side}`),
      bar: make("div", "bar"),
      number: make("input", side),
    };
    cell.track.append(cell.bar);
    const attributes = {
      role: "slider",
      tabindex: 0,
      "aria-orientation": "vertical",
      "aria-valuemin": 0,
      "aria-valuemax": 1,
    };
    for (const [name, value] of Object.entries(attributes)) cell.track.setAttribute(name, value);
    cell.track.setAttribute("aria-label", label);
    Object.assign(cell.number, { type: "number", min: 0, max: 1, step: 0.01 });
    cell.number.setAttribute("aria-label", `${label}, exact`);
    this.listen(cell);
    return cell;
  }

  draw() {
    for (const { side, index, track, bar, number } of this.cells) {
      const value = this[side][index];
      bar.style.height = `${value * 100}%`;
      track.classList.toggle("zero", value === 0);
      track.setAttribute("aria-valuenow", value.toFixed(3));
      track.setAttribute("aria-valuetext", value === 0 ? "0, impossible" : value.toFixed(3));
      if (!isBeingTyped(number)) number.value = shortNumber(value, 3);
    }
  }

  // --- hearing

  listen(cell) {
    const { track, number } = cell;
    const follow = (event) => {
      const box = track.getBoundingClientRect();
      this.move(cell, (box.bottom - event.clientY) / box.height);
    };
    track.onpointerdown = (event) => {
      track.setPointerCapture(event.pointerId);
      follow(event);
    };
    track.onpointermove = (event) => {
      if (track.hasPointerCapture(event.pointerId)) follow(event);
    };
    track.onpointerup = () => this.remember();
    track.onkeydown = (event) => {
      const wanted = afterKey(event.key, this[cell.side][cell.index]);
      if (wanted === undefined) return;
      event.preventDefault();
      this.move(cell, wanted);
      this.remember();
    };
    number.oninput = () => {
      const wanted = parseFloat(number.value);
      if (wanted >= 0 && wanted <= 1) this.move(cell, wanted);
    };
    number.onchange = () => {
      this.draw();
      this.remember();
      number.value = shortNumber(this[cell.side][cell.index], 3);
    };
  }
}

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".bars");
  root.bars ??= new Bars(root, setStateValue);
  root.bars.update(data);
}
