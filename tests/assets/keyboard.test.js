import assert from "node:assert/strict";
import { test } from "node:test";

import { goal } from "../../assets/strip/keyboard.js";

// Three lines of units 10 wide, 20 apart; the second is read from the right.
const LINES = [
  [0, 1, 2, 3],
  [7, 6, 5, 4],
  [8, 9],
];
const boxes = [];
LINES.forEach((line, row) => {
  line.forEach((i, at) => {
    boxes[i] = { left: 10 * at, right: 10 * at + 10, top: 20 * row };
  });
});
const from = (key, active, count = boxes.length) => goal(key, active, count, (i) => boxes[i]);

test("arrows go on and back, and stop at the ends", () => {
  assert.equal(from("ArrowRight", 0), 1);
  assert.equal(from("ArrowLeft", 2), 1);
  assert.equal(from("ArrowLeft", 0), 0);
  assert.equal(from("ArrowRight", 9), 9);
});

test("arrows follow the eye where text runs from right to left", () => {
  assert.equal(from("ArrowLeft", 5), 6);
  assert.equal(from("ArrowRight", 5), 4);
});

test("up and down keep to the place in the line, whatever its direction", () => {
  assert.equal(from("ArrowDown", 0), 7);
  assert.equal(from("ArrowDown", 2), 5);
  assert.equal(from("ArrowUp", 4), 3);
  assert.equal(from("ArrowDown", 4), 9); // the last line is short
  assert.equal(from("ArrowUp", 8), 7);
});

test("where there is no line above or below, the unit stays", () => {
  assert.equal(from("ArrowUp", 2), 2);
  assert.equal(from("ArrowDown", 9), 9);
});

test("the first arrow leads to the first unit, Home and End to the ends", () => {
  for (const key of ["ArrowRight", "ArrowLeft", "ArrowUp", "ArrowDown"]) assert.equal(from(key, -1), 0);
  assert.equal(from("Home", 5), 0);
  assert.equal(from("End", -1), 9);
});

test("other keys lead nowhere, also those that objects know", () => {
  for (const key of ["a", "Enter", " ", "Tab", "constructor", "__proto__"]) assert.equal(from(key, 3), null);
});

test("a single unit can be reached and left alone", () => {
  for (const key of ["ArrowRight", "ArrowLeft", "ArrowDown", "End"]) assert.equal(from(key, 0, 1), 0);
});
