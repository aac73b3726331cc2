// What a cell can be coloured by, and how its value becomes a colour or a number to read. Knows nothing of the page.

import PALETTE from "../palette.json" with { type: "json" };

export const sum = (column, from, to) => {
  let total = 0;
  for (let i = from; i < to; i++) {
    if (column[i] == null) return null; // one unpredicted token leaves the whole without a value
    total += column[i];
  }
  return total;
};
export const largest = (column, from, to) => {
  let most = null;
  for (let i = from; i < to; i++) {
    if (column[i] == null) return null;
    if (most === null || column[i] > most) most = column[i];
  }
  return most;
};
export const apply = (f, value) => (value == null ? null : f(value));
export const minus = (a, b) => (a == null || b == null ? null : a - b);
// The data is in nats. A person reads surprisal and entropy in bits, here as in the charts and tables beside the strip,
// and log-probabilities and divergences, which are natural logarithms, in nats.
export const bits = (nats) => apply((x) => x / Math.LN2, nats);

// `at(payload, from, to)` is the value over tokens from..to-1: several tokens are one character, or one word. A word's
// log-probability is the sum (the chain rule), and so is the uncertainty met while reading it; its rank and its
// Jensen-Shannon divergence are those of its worst token, since neither adds up.
export const VALUES = {
  logprob: {
    label: "Log-probability",
    unit: "nats",
    ramp: "sequential",
    low: "unlikely",
    high: "likely",
    needs: "log_prob",
    at: (p, s, e) => sum(p.columns.log_prob, s, e),
  },
  prob: {
    label: "Probability",
    unit: "",
    ramp: "sequential",
    low: "unlikely",
    high: "likely",
    needs: "log_prob",
    at: (p, s, e) => apply(Math.exp, sum(p.columns.log_prob, s, e)),
  },
  rank: { label: "Rank", unit: "", ramp: "rank", needs: "rank", at: (p, s, e) => largest(p.columns.rank, s, e) },
  surprisal: {
    label: "Surprisal",
    unit: "bits",
    ramp: "surprise",
    low: "expected",
    high: "surprising",
    needs: "log_prob",
    at: (p, s, e) => bits(minus(0, sum(p.columns.log_prob, s, e))),
  },
  entropy: {
    label: "Entropy",
    unit: "bits",
    ramp: "surprise",
    low: "certain",
    high: "uncertain",
    needs: "entropy",
    at: (p, s, e) => bits(sum(p.columns.entropy, s, e)),
  },
  ratio: {
    label: "p / p of top token",
    unit: "",
    ramp: "sequential",
    low: "far from top",
    high: "top",
    needs: "top1",
    at: (p, s, e) =>
      apply((x) => Math.min(1, Math.exp(x)), minus(sum(p.columns.log_prob, s, e), sum(p.columns.top1, s, e))),
  },
  difference: {
    label: "Difference, log p: B − A",
    unit: "nats",
    ramp: "diverging",
    low: "A better",
    high: "B better",
    needs: "log_prob_b",
    at: (p, s, e) => minus(sum(p.columns.log_prob_b, s, e), sum(p.columns.log_prob_a, s, e)),
  },
  kl: {
    label: "KL(A ‖ B)",
    unit: "nats",
    ramp: "surprise",
    low: "alike",
    high: "apart",
    needs: "kl_ab",
    at: (p, s, e) => sum(p.columns.kl_ab, s, e),
  },
  js: {
    label: "Jensen–Shannon",
    unit: "nats",
    ramp: "surprise",
    low: "alike",
    high: "apart",
    needs: "js",
    at: (p, s, e) => largest(p.columns.js, s, e),
  },
  logprob_a: {
    label: "Log-probability, A",
    unit: "nats",
    ramp: "sequential",
    low: "unlikely",
    high: "likely",
    needs: "log_prob_a",
    at: (p, s, e) => sum(p.columns.log_prob_a, s, e),
  },
  logprob_b: {
    label: "Log-probability, B",
    unit: "nats",
    ramp: "sequential",
    low: "unlikely",
    high: "likely",
    needs: "log_prob_b",
    at: (p, s, e) => sum(p.columns.log_prob_b, s, e),
  },
};
export const RANK_LIMITS = [10, 100, 1000];

export const isRising = (list) => list.every((x, i) => Number.isFinite(x) && (!i || x > list[i - 1]));

// Smallest and largest value, unpredicted ones left out; symmetric about 0 for a difference.
export function extent(values, diverging) {
  let low = Infinity,
    high = -Infinity;
  for (const value of values) {
    if (value == null) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (low > high) return [0, 1];
  if (!diverging) return [low, high];
  const reach = Math.max(-low, high);
  return [-reach, reach];
}

const channels = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
function luminance(rgb) {
  const [r, g, b] = rgb.map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
// Black or white, whichever reads better: on any colour the better one has a contrast of at least 4.58.
const inkOn = (rgb) => (luminance(rgb) > 0.1791 ? PALETTE.ink[0] : PALETTE.ink[1]);
const paint = (rgb) => ({ background: `rgb(${rgb.join(" ")})`, ink: inkOn(rgb) });

// The colours a scale is drawn with: stops of a ramp, or one for each rank bucket.
export const stopsOf = (theme, ramp) => PALETTE[theme][ramp];

const LEVELS = 64;
const ramps = new Map();
// LEVELS paints from the low stop to the high one.
function levelsOf(theme, ramp) {
  const key = `${theme} ${ramp}`;
  if (!ramps.has(key)) {
    const stops = stopsOf(theme, ramp).map(channels);
    const between = (at) => {
      const k = Math.min(Math.floor(at), stops.length - 2);
      return stops[k].map((c, i) => Math.round(c + (stops[k + 1][i] - c) * (at - k)));
    };
    ramps.set(
      key,
      Array.from({ length: LEVELS }, (_, i) => paint(between((i / (LEVELS - 1)) * (stops.length - 1)))),
    );
  }
  return ramps.get(key);
}

// A function from a value to its paint. `limits` are the two ends of a ramp, or the thresholds of the rank buckets.
export function painter(theme, ramp, limits) {
  if (ramp === "rank") {
    const paints = stopsOf(theme, "rank").map((hex) => paint(channels(hex)));
    return (rank) => paints[limits.filter((limit) => rank > limit).length];
  }
  const levels = levelsOf(theme, ramp);
  const [low, high] = limits;
  const scale = high > low ? (LEVELS - 1) / (high - low) : 0;
  // All values alike: the middle, since neither end would be true.
  return (value) => levels[scale ? Math.max(0, Math.min(LEVELS - 1, Math.round((value - low) * scale))) : LEVELS >> 1];
}

const SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹";
const superscript = (n) => (n < 0 ? "⁻" : "") + [...String(Math.abs(n))].map((d) => SUPERSCRIPTS[d]).join("");
function powerOfTen(x) {
  const [mantissa, exponent] = x.toExponential(1).split("e");
  return `${mantissa} × 10${superscript(+exponent)}`;
}
export const format = {
  signed: (x) =>
    x == null
      ? "–"
      : x
          .toFixed(2)
          .replace("-", "−")
          .replace(/^−(0\.00)$/, "$1"),
  difference: (x) => (x == null ? "–" : (x > 0 ? "+" : "") + format.signed(x)),
  small: (x) => (x == null ? "–" : x !== 0 && Math.abs(x) < 0.001 ? powerOfTen(x) : x.toFixed(3)),
  rank: (x) => (x == null ? "–" : x.toLocaleString("en-US")),
  percent: (x) => {
    if (x == null) return "–";
    if (x >= 0.0995) return `${(100 * x).toFixed(1)} %`;
    return x >= 0.0001 ? `${(100 * x).toPrecision(2)} %` : powerOfTen(x);
  },
};

// The theme an element stands in: Streamlit's where there is one, else the system's.
export function themeOf(element) {
  const background = getComputedStyle(element).getPropertyValue("--st-background-color").trim();
  if (/^#[0-9a-f]{6}/i.test(background)) return luminance(channels(background)) < 0.18 ? "dark" : "light";
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}
