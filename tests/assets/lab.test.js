import assert from "node:assert/strict";
import { test } from "node:test";

import { afterKey, withEntry, withOneFewer, withOneMore } from "../../assets/lab/distribution.js";
import { makeSender, shortNumber } from "../../assets/lab/sender.js";

const close = (actual, expected) => {
  assert.equal(actual.length, expected.length);
  for (const [i, value] of actual.entries()) {
    assert.ok(Math.abs(value - expected[i]) < 1e-12, `${actual} is not ${expected}`);
  }
};

test("moving one share scales the others, and the sum stays 1", () => {
  close(withEntry([0.5, 0.3, 0.2], 0, 0.75), [0.75, 0.15, 0.1]);
  close(withEntry([1, 0, 0], 0, 0.4), [0.4, 0.3, 0.3]); // the others were nothing: alike
  close(withEntry([0.5, 0.5], 1, 7), [0, 1]);
  close(withEntry([0.5, 0.3, 0.2], 2, 0.003), [0.625, 0.375, 0]); // this close to the floor is 0
});

test("an outcome more has no share, and one fewer leaves its share to the others", () => {
  close(withOneMore([0.4, 0.6]), [0.4, 0.6, 0]);
  close(withOneFewer([0.2, 0.3, 0.5]), [0.4, 0.6]);
  close(withOneFewer([0, 0, 1]), [0.5, 0.5]);
});

test("keys move a share by steps or to its ends", () => {
  const keys = ["ArrowUp", "ArrowLeft", "PageUp", "PageDown", "Home", "End"];
  close(
    keys.map((key) => afterKey(key, 0.5)),
    [0.51, 0.49, 0.6, 0.4, 0, 1],
  );
  assert.equal(afterKey("a", 0.5), undefined);
});

test("one message is on its way, and of those that wait only the newest follows", () => {
  const sent = [];
  const sender = makeSender((values) => sent.push(values));
  for (const x of [1, 2, 3]) sender.push({ x });
  assert.deepEqual(
    sent.map(({ x }) => x),
    [1],
  );
  sender.answered(sent[0].stamp - 1); // an older page's answer
  assert.equal(sent.length, 1);
  sender.answered(sent[0].stamp);
  assert.deepEqual(
    sent.map(({ x }) => x),
    [1, 3],
  );
  assert.ok(sent[1].stamp > sent[0].stamp);
  sender.answered(sent[1].stamp);
  assert.equal(sent.length, 2);
});

test("an answer that never comes holds nothing up for longer than its time", (context) => {
  context.mock.timers.enable({ apis: ["setTimeout", "Date"] });
  const sent = [];
  const sender = makeSender((values) => sent.push(values));
  sender.push({ x: 1 });
  sender.push({ x: 2 });
  context.mock.timers.tick(1499);
  assert.equal(sent.length, 1);
  context.mock.timers.tick(1);
  assert.deepEqual(
    sent.map(({ x }) => x),
    [1, 2],
  );
});

test("numbers stand without zeros at their end", () => {
  assert.equal(shortNumber(0.5, 3), "0.5");
  assert.equal(shortNumber(1 / 3, 3), "0.333");
  assert.equal(shortNumber(2, 0), "2");
});
