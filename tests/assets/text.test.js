import assert from "node:assert/strict";
import { test } from "node:test";

import { leadsWithSpace, spoken, visible, withSigns } from "../../assets/strip/text.js";

const chars = (...codes) => String.fromCodePoint(...codes);

test("controls, and what reorders its surroundings, are drawn as signs", () => {
  assert.equal(visible(`a${chars(0x07)}b`), "a␇b");
  assert.equal(visible(`a${chars(0x7f)}${chars(0x9f)}`), "a⟨007F⟩⟨009F⟩");
  for (const code of [0xad, 0x200b, 0x200e, 0x200f, 0x202a, 0x202e, 0x2060, 0x2066, 0x2069, 0xfeff]) {
    assert.equal(visible(`a${chars(code)}`), `a⟨${code.toString(16).toUpperCase().padStart(4, "0")}⟩`);
  }
});

test("white space, joiners in a word and accents on a letter stay", () => {
  for (const text of [
    " a\t\n\r",
    `${chars(0x1f469)}${chars(0x200d)}${chars(0x1f680)}`,
    `e${chars(0x301)}`,
    "❤️",
    "ab",
  ]) {
    assert.equal(visible(text), text);
  }
});

test("a mark alone stands on a circle, a joiner alone is named", () => {
  assert.equal(visible(chars(0x301)), `◌${chars(0x301)}`);
  assert.equal(visible(chars(0x200d)), "⟨200D⟩");
});

test("each kind of white space has a sign, and bytes keep their space", () => {
  assert.equal(withSigns(" a\tb\n"), "␣a⇥b↵");
  assert.equal(withSigns("a\r\n"), "a␍↵");
  assert.equal(withSigns("⟨F0 9F⟩ x"), "⟨F0 9F⟩␣x");
});

test("white space alone is said as words", () => {
  assert.equal(spoken(" \n"), "space, line break");
  assert.equal(spoken("\t"), "tab");
  assert.equal(spoken(" word"), " word");
  assert.equal(spoken(chars(0xa0)), "⟨00A0⟩");
});

test("only one space before something leads a cell", () => {
  assert.ok(leadsWithSpace(" a"));
  for (const text of ["a", " ", "  a", " \n", "\ta"]) assert.ok(!leadsWithSpace(text));
});
