import assert from "node:assert/strict";
import { test } from "node:test";

import PALETTE from "../../assets/palette.json" with { type: "json" };
import { extent, format, painter, RANK_LIMITS, stopsOf, VALUES } from "../../assets/strip/scales.js";

const payload = {
  columns: {
    log_prob: [null, Math.log(0.5), Math.log(0.25), 0],
    rank: [null, 1, 30, 2],
    entropy: [null, Math.LN2, 2 * Math.LN2, 0],
    top1: [null, Math.log(0.5), Math.log(0.5), 0],
    log_prob_a: [null, -1, -2, -3],
    log_prob_b: [null, -2, -1, -3],
    js: [null, 0.1, 0.5, 0.2],
    kl_ab: [null, 0.5, 0.25, 0],
  },
};
const close = (actual, expected) => assert.ok(Math.abs(actual - expected) < 1e-12, `${actual} is not ${expected}`);

test("a word's log-probability is the sum of its tokens', and what follows from it", () => {
  close(VALUES.logprob.at(payload, 1, 3), Math.log(0.125));
  close(VALUES.prob.at(payload, 1, 3), 0.125);
  close(VALUES.surprisal.at(payload, 1, 3), 3);
  close(VALUES.entropy.at(payload, 1, 3), 3);
  close(VALUES.difference.at(payload, 1, 3), 0);
  close(VALUES.difference.at(payload, 1, 2), -1);
  close(VALUES.kl.at(payload, 1, 3), 0.75);
  close(VALUES.ratio.at(payload, 2, 3), 0.5);
});

test("what does not add up is that of the worst token", () => {
  assert.equal(VALUES.rank.at(payload, 1, 4), 30);
  assert.equal(VALUES.js.at(payload, 1, 4), 0.5);
});

test("one unpredicted token leaves the whole without a value", () => {
  for (const { at, needs } of Object.values(VALUES))
    if (needs in payload.columns) assert.equal(at(payload, 0, 3), null);
});

test("p over the top token's p is never above 1, whatever was rounded", () => {
  const rounded = { columns: { log_prob: [-0.1], top1: [-0.1001] } };
  assert.equal(VALUES.ratio.at(rounded, 0, 1), 1);
});

test("limits are the smallest and largest value, symmetric for a difference", () => {
  assert.deepEqual(extent([null, -3, 2], false), [-3, 2]);
  assert.deepEqual(extent([null, -3, 2], true), [-3, 3]);
  assert.deepEqual(extent([null, null], false), [0, 1]);
});

const rgb = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
const css = (hex) => `rgb(${rgb(hex).join(" ")})`;

for (const theme of ["light", "dark"]) {
  test(`the ends of a ramp are its limits and beyond, in the ${theme} theme`, () => {
    const paint = painter(theme, "sequential", [-10, -1]);
    const stops = stopsOf(theme, "sequential");
    for (const value of [-10, -50]) assert.equal(paint(value).background, css(stops[0]));
    for (const value of [-1, 0]) assert.equal(paint(value).background, css(stops.at(-1)));
  });

  test(`ranks fall into buckets, a threshold into the one it ends, in the ${theme} theme`, () => {
    const paint = painter(theme, "rank", RANK_LIMITS);
    const bucket = (rank) => stopsOf(theme, "rank").findIndex((hex) => css(hex) === paint(rank).background);
    assert.deepEqual([1, 10, 11, 100, 101, 1000, 1001, 50000].map(bucket), [0, 0, 1, 1, 2, 2, 3, 3]);
  });

  test(`ink on every colour of every ramp has a contrast of 4.5 in the ${theme} theme`, () => {
    const linear = (c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4);
    const luminance = (channels) =>
      channels.map(linear).reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
    for (const ramp of ["sequential", "surprise", "diverging"]) {
      const paint = painter(theme, ramp, [0, 63]);
      for (let value = 0; value < 64; value++) {
        const { background, ink } = paint(value);
        const [low, high] = [background.match(/\d+/g).map(Number), rgb(ink)].map(luminance).sort((a, b) => a - b);
        assert.ok((high + 0.05) / (low + 0.05) >= 4.5, `${ink} on ${background}`);
      }
    }
  });
}

test("where all values are alike none is at an end of the scale", () => {
  const middle = PALETTE.light.sequential.length >> 1;
  const shown = painter("light", "sequential", [-2, -2])(-2).background.match(/\d+/g).map(Number);
  for (const [i, c] of rgb(PALETTE.light.sequential[middle]).entries()) assert.ok(Math.abs(c - shown[i]) < 12);
});

test("numbers are written for people", () => {
  assert.equal(format.signed(-1.234), "−1.23");
  assert.equal(format.signed(-0.001), "0.00");
  assert.equal(format.signed(null), "–");
  assert.equal(format.difference(0.5), "+0.50");
  assert.equal(format.difference(-0.5), "−0.50");
  assert.equal(format.rank(12345), "12,345");
  assert.equal(format.percent(1), "100.0 %");
  assert.equal(format.percent(0.12345), "12.3 %");
  assert.equal(format.percent(0.0994), "9.9 %");
  assert.equal(format.percent(0.0123), "1.2 %");
  assert.equal(format.percent(0.0000321), "3.2 × 10⁻⁵");
  assert.equal(format.small(0), "0.000");
  assert.equal(format.small(0.00012), "1.2 × 10⁻⁴");
});
