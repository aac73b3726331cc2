import assert from "node:assert/strict";
import { test } from "node:test";

import { putView, readView, viewIn } from "../../assets/strip/address.js";

const INITIAL = { colour: "logprob", limits: null, ranks: [10, 100, 1000], words: false };
const COLOURS = ["logprob", "rank", "entropy"];
const read = (text, prefix = "") => viewIn(new URLSearchParams(text), prefix, INITIAL, COLOURS);
function write(view, text = "", prefix = "") {
  const query = new URLSearchParams(text);
  putView(query, prefix, { ...INITIAL, ...view }, INITIAL);
  return query.toString();
}

test("a view is read as it was written", () => {
  const view = { colour: "entropy", limits: [-1.5, 2], ranks: [1, 2, 3000], words: true };
  assert.deepEqual(read(write(view)), view);
});

test("only what is not the default is written, and what has become it again leaves", () => {
  assert.equal(write({}), "");
  assert.equal(write({ colour: "rank" }), "colour=rank");
  assert.equal(write({}, "colour=rank&words=1"), "");
});

test("other parameters stay, and strips keep apart by prefix", () => {
  assert.equal(write({ words: true }, "model=gpt2&words=0", "b_"), "model=gpt2&words=0&b_words=1");
  assert.equal(read("a_colour=rank", "a_").colour, "rank");
  assert.equal(read("a_colour=rank", "b_").colour, "logprob");
});

test("what cannot be used is ignored, part by part", () => {
  for (const bad of [
    "colour=__proto__",
    "colour=",
    "limits=3_1",
    "limits=1",
    "limits=a_b",
    "limits=1_1",
    "limits=1_Infinity",
  ]) {
    assert.deepEqual(read(bad), INITIAL);
  }
  for (const bad of ["ranks=0_1_2", "ranks=3_2_1", "ranks=1_2", "words=maybe"]) assert.deepEqual(read(bad), INITIAL);
  assert.deepEqual(read("colour=rank&limits=3_1"), { ...INITIAL, colour: "rank" });
});

test("a prefix of null keeps the view out of the address", () => {
  assert.equal(readView(null, INITIAL, COLOURS), INITIAL);
});
