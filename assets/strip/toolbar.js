// The one line above the strip: what to colour by, the scale drawn with its numbers, words. The scale's numbers are
// its controls: writing another one clamps the scale there, "Fit" takes it back to the smallest and largest value.

import { isRising, RANK_LIMITS, stopsOf, VALUES } from "./scales.js";
import { append, make } from "./text.js";

// A number as people write it: with a minus sign proper, with a decimal comma; NaN for what is none.
export const numberIn = (text) => Number.parseFloat(text.replace("−", "-").replace(",", "."));

// The limits of a scale with one of them moved, the other of a difference with it; null if they make no scale.
export function withLimit(limits, end, entered, isDiverging) {
  const moved = limits.map((old, i) => (i === end ? entered : isDiverging ? -entered : old));
  return isRising(moved) ? moved : null;
}

// The same of the thresholds of ranks.
export function withThreshold(thresholds, at, entered) {
  const moved = thresholds.with(at, Math.round(entered));
  return isRising(moved) && moved[0] >= 1 ? moved : null;
}

export class Toolbar {
  // `onChange(view)` is called with the new view when a person changes something.
  constructor(onChange) {
    this.onChange = onChange;
    this.element = make("div", "bar");
    this.element.setAttribute("role", "group");
    this.element.setAttribute("aria-label", "View of the tokens");
    this.select = make("select");
    this.select.onchange = () => onChange({ ...this.view, colour: this.select.value, limits: null });
    this.legend = make("div", "legend");
    this.words = make("input");
    this.words.type = "checkbox";
    this.words.onchange = () => onChange({ ...this.view, words: this.words.checked });
    append(
      this.element,
      append(make("label", "colour"), make("span", "", "Colour"), this.select),
      this.legend,
      append(make("label", "words"), this.words, make("span", "", "Whole words")),
    );
  }

  offer(names) {
    this.select.replaceChildren(
      ...names.map((name) => {
        const option = make("option", "", VALUES[name].label);
        option.value = name;
        return option;
      }),
    );
  }

  // `limits`: the numbers the scale has now; `values`: what it is of.
  draw(view, limits, theme, values) {
    this.view = view;
    this.select.value = view.colour;
    this.words.checked = view.words;
    const value = VALUES[view.colour];
    const children = value.ramp === "rank" ? this.buckets(limits, theme) : this.scale(value, limits, theme);
    if (values.every((x) => x == null)) children.length = 0; // no scale of nothing
    if (values.includes(null))
      children.push(append(make("span", "missing"), make("i", "swatch hatched"), make("span", "", "not predicted")));
    this.legend.replaceChildren(...children);
  }

  scale(value, limits, theme) {
    const gradient = make("span", "gradient");
    gradient.style.backgroundImage = `linear-gradient(to right, ${stopsOf(theme, value.ramp).join(", ")})`;
    const decimals = Math.max(2, 2 - Math.floor(Math.log10(limits[1] - limits[0] || 1)));
    const [low, high] = ["Lowest", "Highest"].map((which, end) => {
      const label = `${which} ${value.label}${value.unit && `, ${value.unit}`}`;
      const shown = +limits[end].toFixed(Math.min(decimals, 20));
      return this.number(shown, label, (entered) => ({
        limits: withLimit(limits, end, entered, value.ramp === "diverging"),
      }));
    });
    const word = (text, className = "end") => text && make("span", className, text);
    const fit = this.view.limits && this.reset("Fit", "Back to the smallest and largest value", { limits: null });
    return [word(value.low), low, gradient, high, word(value.high), word(value.unit, "unit"), fit].filter(Boolean);
  }

  buckets(limits, theme) {
    const children = stopsOf(theme, "rank").map((colour, at) => {
      const swatch = make("i", "swatch");
      swatch.style.backgroundColor = colour;
      const bucket = append(make("span", "bucket"), swatch);
      if (at === limits.length) return append(bucket, make("span", "", "beyond"));
      const input = this.number(limits[at], `Rank threshold ${at + 1}`, (entered) => ({
        ranks: withThreshold(limits, at, entered),
      }));
      return append(bucket, make("span", "", at ? "to" : "top"), input);
    });
    const isMoved = limits.some((limit, at) => limit !== RANK_LIMITS[at]);
    return isMoved ? [...children, this.reset("Reset", "Back to 10, 100, 1,000", { ranks: RANK_LIMITS })] : children;
  }

  reset(text, title, part) {
    const button = make("button", "fit", text);
    Object.assign(button, { type: "button", title });
    button.onclick = () => {
      this.onChange({ ...this.view, ...part });
      this.select.focus();
    };
    return button;
  }

  // A number that can be written over. `partOf(entered)` is what it makes of the view; what cannot be used is put back.
  number(value, label, partOf) {
    const input = make("input", "number");
    const shown = String(value || 0).replace("-", "−");
    Object.assign(input, { value: shown, inputMode: "decimal", autocomplete: "off", size: Math.max(2, shown.length) });
    input.setAttribute("aria-label", label);
    input.onchange = () => {
      const part = partOf(numberIn(input.value));
      const isUsable = Object.values(part).every((it) => it !== null);
      if (input.value === shown || !isUsable) input.value = shown;
      else this.onChange({ ...this.view, ...part });
    };
    input.onkeydown = (event) => event.stopPropagation();
    return input;
  }
}
