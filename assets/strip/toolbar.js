// The one line above the strip: what to colour by, the scale drawn with its numbers, words. The scale's numbers are
// its controls: writing another one clamps the scale there, "Fit" takes it back to the smallest and largest value.

import { RANK_LIMITS, stopsOf, VALUES } from "./scales.js";
import { append, make } from "./text.js";

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
    const stops = stopsOf(theme, value.ramp);
    gradient.style.backgroundImage = `linear-gradient(to right, ${stops.join(", ")})`;
    const decimals = Math.max(2, 2 - Math.floor(Math.log10(limits[1] - limits[0] || 1)));
    const inputs = limits.map((limit, end) =>
      this.number(
        +limit.toFixed(Math.min(decimals, 20)),
        `${end ? "Highest" : "Lowest"} ${value.label}${value.unit && `, ${value.unit}`}`,
        (entered) => {
          const next = limits.map((old, i) => (i === end ? entered : value.ramp === "diverging" ? -entered : old));
          return next[0] < next[1] && this.change({ limits: next });
        },
      ),
    );
    const children = [
      make("span", "end", value.low),
      inputs[0],
      gradient,
      inputs[1],
      make("span", "end", value.high),
      value.unit && make("span", "unit", value.unit),
    ];
    if (this.view.limits) {
      const fit = make("button", "fit", "Fit");
      fit.type = "button";
      fit.title = "Back to the smallest and largest value";
      fit.onclick = () => {
        this.change({ limits: null });
        this.select.focus();
      };
      children.push(fit);
    }
    return children.filter(Boolean);
  }

  buckets(limits, theme) {
    const children = stopsOf(theme, "rank").map((colour, at) => {
      const swatch = make("i", "swatch");
      swatch.style.backgroundColor = colour;
      if (at === limits.length) return append(make("span", "bucket"), swatch, make("span", "", "beyond"));
      const input = this.number(limits[at], `Rank threshold ${at + 1}`, (entered) => {
        const next = limits.map((old, i) => (i === at ? Math.round(entered) : old));
        return next.every((limit, i) => limit >= 1 && (!i || limit > next[i - 1])) && this.change({ ranks: next });
      });
      return append(make("span", "bucket"), swatch, make("span", "", at ? "to" : "top"), input);
    });
    if (this.view.ranks.some((limit, at) => limit !== RANK_LIMITS[at])) {
      const fit = make("button", "fit", "Reset");
      fit.type = "button";
      fit.onclick = () => {
        this.change({ ranks: RANK_LIMITS });
        this.select.focus();
      };
      children.push(fit);
    }
    return children;
  }

  change(part) {
    this.onChange({ ...this.view, ...part });
    return true;
  }

  // A number that can be written over; what cannot be used is put back.
  number(value, label, use) {
    const input = make("input", "number");
    const shown = String(value || 0).replace("-", "−");
    input.value = shown;
    input.inputMode = "decimal";
    input.autocomplete = "off";
    input.size = Math.max(2, shown.length);
    input.setAttribute("aria-label", label);
    input.onchange = () => {
      const entered = parseFloat(input.value.replace("−", "-").replace(",", "."));
      if (input.value === shown || !Number.isFinite(entered) || !use(entered)) input.value = shown;
    };
    input.onkeydown = (event) => event.stopPropagation();
    return input;
  }
}
