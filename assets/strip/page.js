// The strip on a page of its own: what the page carries as data, under a heading and its facts.

import { themeOf } from "./scales.js";
import { stripIn } from "./strip.js";
import { append, make } from "./text.js";

const { strip, title, facts } = JSON.parse(document.getElementById("data").textContent);
const page = document.documentElement;
const main = document.getElementById("strip");

function pageHead() {
  const list = make("dl", "facts");
  for (const [label, value] of facts) list.append(append(make("div"), make("dt", "", label), make("dd", "", value)));
  return append(make("header", "page-head"), make("h1", "", title), list);
}

function draw() {
  page.dataset.theme = themeOf(page);
  stripIn(main).update({ data: strip });
}

page.className = "ls";
main.before(pageHead());
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
draw();
