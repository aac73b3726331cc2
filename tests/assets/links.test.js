import assert from "node:assert/strict";
import { test } from "node:test";

import { linkFrom } from "../../assets/copy_link/copy_link.js";
import { listen, marksOf, takeMarks, tellHover } from "../../assets/strip/links.js";

function strip(key, link, signal = new AbortController().signal) {
  const heard = [];
  const it = { options: { key, link }, heard };
  listen(it, signal, { onMarks: (marks) => heard.push(marks.highlight), onHover: (offset) => heard.push(offset) });
  return it;
}

test("marks reach the strip they name and are kept for it until they are taken back", () => {
  const [one, other] = [strip("one"), strip("other")];
  const forget = takeMarks({ key: "one", highlight: [3], selected: null });
  assert.deepEqual([one.heard, other.heard], [[[3]], []]);
  assert.deepEqual(marksOf("one").highlight, [3]);
  forget();
  assert.equal(marksOf("one"), undefined);
});

test("what is looked at reaches strips of the same link, not the one it came from", () => {
  const [a, b, apart, alone] = [strip("a", "pair"), strip("b", "pair"), strip("c", "another"), strip("d", null)];
  tellHover(a, "pair", 7);
  tellHover(alone, null, 9);
  assert.deepEqual(
    [a, b, apart, alone].map((it) => it.heard),
    [[], [7], [], []],
  );
});

test("a strip that has left hears nothing more", () => {
  const leaving = new AbortController();
  const gone = strip("gone", "pair", leaving.signal);
  leaving.abort();
  tellHover(null, "pair", 1);
  takeMarks({ key: "gone", highlight: [1] })();
  assert.deepEqual(gone.heard, []);
});

test("a copied link sets what it is told, carries over what is there to keep, and nothing else", () => {
  const data = { params: { model: "gpt2", text: "a&b" }, keep: ["colour", "words"] };
  const link = linkFrom("https://host.example/heatmap?model=old&colour=rank&secret=1#part", data);
  assert.equal(link, "https://host.example/heatmap?colour=rank&model=gpt2&text=a%26b");
});
