// Links into the text: the most surprising units, or with two models those that differ most.

import { format, VALUES } from "./scales.js";
import { append, make, tokenText } from "./text.js";

const LISTED = 8;
const FEWEST_UNITS = 4; // of a shorter text everything is in view

// Indices and values of the units of the largest values (or sizes of differences), first the largest; white space and
// what was not predicted left out.
export function strongest(payload, units) {
  const isCompared = payload.kind === "comparison";
  const value = VALUES[isCompared ? "difference" : "surprisal"];
  const strength = ([, x]) => (isCompared ? Math.abs(x) : x);
  const known = units
    .map(({ from, to }, i) => [i, value.at(payload, from, to)])
    .filter(([i, x]) => x != null && x !== 0 && units[i].text.trim());
  return known.sort((x, y) => strength(y) - strength(x)).slice(0, LISTED);
}

export class Chips {
  // `onPoint(i)` hears the unit whose chip is looked at, or -1; `onPick(i)` the one that is clicked.
  constructor({ onPoint, onPick }) {
    this.element = make("div", "chips");
    const unitAt = (event) => +(event.target.closest(".chip")?.dataset.unit ?? -1);
    const point = (event) => {
      if (unitAt(event) >= 0) onPoint(unitAt(event));
    };
    const leave = () => onPoint(-1);
    const heard = { pointerover: point, focusin: point, pointerleave: leave, focusout: leave };
    for (const [name, hear] of Object.entries(heard)) this.element.addEventListener(name, hear);
    this.element.onclick = (event) => {
      if (unitAt(event) >= 0) onPick(unitAt(event));
    };
  }

  draw(payload, units) {
    const isCompared = payload.kind === "comparison";
    const found = strongest(payload, units);
    this.element.hidden = units.length < FEWEST_UNITS || !found.length;
    const chips = found.map(([i, x]) => {
      const chip = make("button", "chip");
      chip.type = "button";
      chip.dataset.unit = i;
      const number = make("span", "number", isCompared ? format.difference(x) : x.toFixed(1));
      return append(chip, tokenText(units[i].text), number);
    });
    const heading = isCompared ? "Differ most (B − A, nats)" : "Most surprising (bits)";
    this.element.replaceChildren(make("span", "heading", heading), ...chips);
  }
}
