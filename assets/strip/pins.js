// The card that hovers over the unit looked at, and the cards that are pinned under the text.

import { make, spoken } from "./text.js";

const GAP_PX = 8; // between a card and the unit, or the edge of the window

// Where the hovering card goes: under its unit, above it if only there is room, never out of the window.
export function tipPlace(unit, tip, view) {
  const isBelow = unit.bottom + GAP_PX + tip.height < view.height || unit.top < tip.height + GAP_PX;
  const top = isBelow
    ? Math.min(unit.bottom + GAP_PX, view.height - tip.height - GAP_PX)
    : unit.top - tip.height - GAP_PX;
  const left = Math.min(unit.left, view.width - tip.width - GAP_PX);
  return { left: Math.max(GAP_PX, left), top: Math.max(GAP_PX, top) };
}

export class Pins {
  // `cardOf(i)` makes a unit's card; `onPick(token)` hears what a person pinned last, or null; `onHover(i)` the unit
  // looked at, or -1.
  constructor(cells, { cardOf, onPick, onHover }) {
    Object.assign(this, { cells, cardOf, onPick, onHover });
    this.tokens = [];
    this.shown = -1;
    this.tip = make("div", "tip");
    this.tip.hidden = true;
    this.board = make("div", "pins");
  }

  hover(i) {
    if (this.shown !== i) {
      this.leave();
      this.shown = i;
      this.cells.mark("hover", [i]);
      this.tip.replaceChildren(this.cardOf(i));
      this.tip.hidden = false;
      this.onHover(i);
    }
    const { offsetWidth: width, offsetHeight: height } = this.tip;
    const place = tipPlace(this.cells.box(i), { width, height }, { width: innerWidth, height: innerHeight });
    this.tip.style.left = `${place.left}px`;
    this.tip.style.top = `${place.top}px`;
  }

  leave() {
    if (this.shown < 0) return;
    this.cells.mark("hover", []);
    this.shown = -1;
    this.tip.hidden = true;
    this.onHover(-1);
  }

  has(i) {
    return this.tokens.includes(this.cells.units[i].from);
  }

  // What a click does: pins the unit's card, or takes it away.
  toggle(i) {
    const token = this.cells.units[i].from;
    this.leave();
    if (this.has(i)) return this.remove(token);
    this.add(token);
    this.onPick(token);
  }

  add(token) {
    this.tokens.push(token);
    this.draw();
  }

  remove(token) {
    this.tokens = this.tokens.filter((pinned) => pinned !== token);
    this.draw();
    this.onPick(this.tokens.at(-1) ?? null);
  }

  // First the hovering card goes, then the last pin; says whether there was either.
  dismiss() {
    if (this.shown >= 0) this.leave();
    else if (this.tokens.length) this.remove(this.tokens.at(-1));
    else return false;
    return true;
  }

  draw() {
    const units = this.tokens.map((token) => this.cells.unitOf[token]);
    this.cells.select(units);
    this.board.replaceChildren(...units.map((i, at) => this.pinned(i, this.tokens[at])));
  }

  pinned(i, token) {
    const card = this.cardOf(i);
    const close = make("button", "close", "×");
    close.type = "button";
    close.setAttribute("aria-label", `Close the card of ${spoken(this.cells.units[i].text).trim()}`);
    close.onclick = () => {
      this.remove(token);
      this.cells.list.focus({ preventScroll: true });
    };
    card.firstChild.append(close);
    return card;
  }
}
