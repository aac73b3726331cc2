import assert from "node:assert/strict";
import { test } from "node:test";

import { actualPlace, rankText } from "../../assets/strip/cards.js";
import { strongest } from "../../assets/strip/chips.js";
import { Pins, tipPlace } from "../../assets/strip/pins.js";

test("the rank says which alternative is the actual token, also where another looks like it", () => {
  assert.equal(actualPlace(["a", "a", "b"], "a", 2), 1);
  assert.equal(actualPlace(["x", "y"], "a", 1), 0);
  assert.equal(actualPlace(["a", "b"], "a", 3), -1);
});

test("among tokens of one rank the text decides", () => {
  assert.equal(actualPlace(["a", "b", "c", "b"], "b", 2, 1), 1);
  assert.equal(actualPlace(["a", "x", "b", "y"], "b", 2, 1), 2);
  assert.equal(actualPlace(["a", "x", "y", "b"], "b", 2, 1), -1); // one below is another token
  assert.equal(actualPlace(["b", "x", "y"], "b", 2, 5), -1); // the tied ones are not all listed
});

test("the rank of several tokens is the worst, with its ties", () => {
  assert.equal(rankText([1, 1500, 3], {}, 0, 3), "1,500");
  assert.equal(rankText([3, 1], { 0: 2 }, 0, 1), "3 to 5 (tied)");
  assert.equal(rankText([3, 3, 1], { 1: 4 }, 0, 3), "3 to 7 (tied)");
  assert.equal(rankText([3, 9], { 0: 2 }, 0, 2), "9");
  assert.equal(rankText([null, 2], {}, 0, 2), "–");
});

const units = ["a", "b", " ", "c"].map((text, i) => ({ text, from: i, to: i + 1 }));

test("the most surprising units come first, without white space and what was not predicted", () => {
  const payload = { kind: "scores", columns: { log_prob: [null, -Math.LN2, -9, -3 * Math.LN2] } };
  const found = strongest(payload, units);
  assert.deepEqual(
    found.map(([i]) => i),
    [3, 1],
  );
  for (const [at, bits] of [3, 1].entries()) assert.ok(Math.abs(found[at][1] - bits) < 1e-12);
});

test("differences are listed by size, whatever their sign, and none of nothing", () => {
  const columns = { log_prob_a: [-1, -1, -1, -2], log_prob_b: [-1, -2, -9, 1] };
  assert.deepEqual(strongest({ kind: "comparison", columns }, units), [
    [3, 3],
    [1, -1],
  ]);
});

const WINDOW = { width: 390, height: 800 };
const TIP = { width: 300, height: 200 };

test("the card hovers under its unit, above it near the window's end, and always inside", () => {
  assert.deepEqual(tipPlace({ left: 20, top: 100, bottom: 120 }, TIP, WINDOW), { left: 20, top: 128 });
  assert.deepEqual(tipPlace({ left: 20, top: 700, bottom: 720 }, TIP, WINDOW), { left: 20, top: 492 });
  assert.deepEqual(tipPlace({ left: 380, top: 100, bottom: 120 }, TIP, WINDOW), { left: 82, top: 128 });
  assert.deepEqual(tipPlace({ left: -5, top: 100, bottom: 120 }, TIP, { width: 200, height: 150 }), {
    left: 8,
    top: 8,
  });
});

class Element {
  setAttribute() {}
  replaceChildren(...children) {
    this.children = children;
  }
  append() {}
  focus() {}
}

function pinsOf(picked) {
  globalThis.document = { createElement: () => new Element() };
  const cells = {
    units: units.map((unit) => ({ ...unit, from: 10 * unit.from })),
    unitOf: { 0: 0, 10: 1, 20: 2, 30: 3 },
  };
  Object.assign(cells, { mark() {}, select: (pinned) => Object.assign(cells, { pinned }) });
  const cardOf = () => ({ firstChild: new Element() });
  return new Pins(cells, { cardOf, onPick: (token) => picked.push(token), onHover() {} });
}

test("pins come and go, and the last one left is told each time a person changes them", () => {
  const picked = [];
  const pins = pinsOf(picked);
  pins.toggle(1);
  pins.toggle(3);
  assert.deepEqual(pins.cells.pinned, [1, 3]);
  pins.toggle(3);
  assert.ok(pins.dismiss());
  assert.ok(!pins.dismiss());
  assert.deepEqual(picked, [10, 30, 10, null]);
});

test("a card that Python pins is told to no one", () => {
  const picked = [];
  const pins = pinsOf(picked);
  pins.add(20);
  assert.deepEqual([pins.tokens, picked], [[20], []]);
  assert.ok(pins.has(2));
});
