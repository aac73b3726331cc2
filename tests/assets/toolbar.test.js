import assert from "node:assert/strict";
import { test } from "node:test";

import { numberIn, withLimit, withThreshold } from "../../assets/strip/toolbar.js";

test("numbers are understood as people write them", () => {
  assert.equal(numberIn("−4.5"), -4.5);
  assert.equal(numberIn("-4,5"), -4.5);
  assert.ok(Number.isNaN(numberIn("nonsense")));
});

test("a limit is moved alone, that of a difference with its opposite", () => {
  assert.deepEqual(withLimit([-10, -1], 0, -4, false), [-4, -1]);
  assert.deepEqual(withLimit([-3, 3], 0, -2, true), [-2, 2]);
  assert.deepEqual(withLimit([-3, 3], 1, 5, true), [-5, 5]);
});

test("limits that make no scale are refused", () => {
  for (const entered of [-1, 0, Number.NaN, Number.POSITIVE_INFINITY]) {
    assert.equal(withLimit([-10, -1], 0, entered, false), null);
  }
  assert.equal(withLimit([-3, 3], 0, 2, true), null);
});

test("thresholds of ranks are whole, rise, and begin at 1", () => {
  assert.deepEqual(withThreshold([10, 100, 1000], 1, 50.4), [10, 50, 1000]);
  for (const [at, entered] of [
    [0, 0],
    [2, 5],
    [1, 1000],
    [1, Number.NaN],
  ]) {
    assert.equal(withThreshold([10, 100, 1000], at, entered), null);
  }
});
