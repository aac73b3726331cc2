// A group of sliders that speak while they are dragged. data: {sliders: [{name, label, low, high, step, value, home}],
// seen, epoch}: `seen` is the stamp of the values the page shows, `epoch` rises when the server sets the values.

import { isBeingTyped, makeSender, rememberInAddress, shortNumber } from "./sender.js";

class Sliders {
  constructor(root, setStateValue) {
    this.root = root;
    this.sender = makeSender((values) => setStateValue("values", values));
    this.rows = new Map();
  }

  update({ sliders, seen, epoch }) {
    const signature = JSON.stringify(sliders.map(({ value: _, ...fixed }) => fixed));
    if (signature !== this.signature) {
      this.root.replaceChildren();
      this.rows = new Map(sliders.map((spec) => [spec.name, this.build(spec)]));
    }
    if (signature !== this.signature || epoch !== this.epoch) {
      for (const { name, value } of sliders) this.show(this.rows.get(name), value);
    }
    Object.assign(this, { signature, epoch });
    this.sender.answered(seen);
  }

  build(spec) {
    const row = { spec, value: spec.value, digits: Math.max(0, Math.ceil(-Math.log10(spec.step) - 1e-9)) };
    const box = document.createElement("div");
    const label = document.createElement("label");
    row.number = document.createElement("input");
    row.range = document.createElement("input");
    const { low: min, high: max, step } = spec;
    Object.assign(row.range, { type: "range", id: `range-${spec.name}`, min, max, step });
    Object.assign(row.number, { type: "number", min, max, step: "any" });
    row.number.setAttribute("aria-label", `${spec.label}, exact`);
    box.className = "row";
    label.textContent = spec.label;
    label.htmlFor = row.range.id;
    for (const input of [row.range, row.number]) {
      input.oninput = () => this.change(row, parseFloat(input.value));
      input.onchange = () => this.remember(row);
    }
    box.append(label, row.number, row.range);
    this.root.append(box);
    return row;
  }

  show(row, value) {
    const { low, high } = row.spec;
    row.value = value;
    row.range.value = value;
    row.range.style.setProperty("--share", `${((value - low) / (high - low)) * 100}%`);
    if (!isBeingTyped(row.number)) row.number.value = shortNumber(value, row.digits);
  }

  change(row, wanted) {
    if (!Number.isFinite(wanted)) return;
    this.show(row, Math.min(row.spec.high, Math.max(row.spec.low, wanted)));
    const values = Object.fromEntries([...this.rows].map(([name, { value }]) => [name, value]));
    this.sender.push({ epoch: this.epoch, values });
  }

  remember(row) {
    row.number.value = shortNumber(row.value, row.digits);
    rememberInAddress({ [row.spec.name]: row.value === row.spec.home ? null : row.number.value });
  }
}

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".sliders");
  root.sliders ??= new Sliders(root, setStateValue);
  root.sliders.update(data);
}
