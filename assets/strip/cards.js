// The card of a cell: its numbers, what the model would have said, how two models differ. All text is textContent.

import { apply, bits, format, largest, minus, sum, VALUES } from "./scales.js";
import { append, make, tokenText } from "./text.js";

// One cell's card. `unit` is {from, to, text}; `isWord` in word view.
export function buildCard(payload, unit, isWord) {
  const card = make("article", "card");
  const several = unit.to - unit.from > 1;
  const place = several ? `tokens ${unit.from + 1}–${unit.to}` : `token ${unit.from + 1}`;
  append(card, append(make("header"), tokenText(unit.text, "title"), make("span", "place", place)));
  if (payload.kind === "comparison") compareModels(card, payload, unit, several);
  else describe(card, payload, unit, several, isWord);
  return card;
}

function describe(card, payload, unit, several, isWord) {
  const value = (name) => (VALUES[name].needs in payload.columns ? VALUES[name].at(payload, unit.from, unit.to) : null);
  if (value("logprob") == null) {
    card.append(make("p", "note", "No prediction: nothing stands before it. It is left out of every scale and mean."));
    return;
  }
  const facts = make("dl");
  const fact = (label, number, unitName) =>
    facts.append(
      append(
        make("div"),
        make("dt", "", label),
        append(make("dd", "", number), unitName && make("small", "", ` ${unitName}`)),
      ),
    );
  fact("Probability", format.percent(value("prob")));
  fact(several ? "Worst rank" : "Rank", rankText(payload.columns.rank, payload.ties, unit.from, unit.to));
  fact("Surprisal", format.signed(value("surprisal")), "bits");
  fact("Log-prob", format.signed(value("logprob")), "nats");
  fact(several ? "Entropy met" : "Entropy", format.signed(value("entropy")), "bits");
  if (payload.columns.top1) fact("p / p top", format.percent(value("ratio")));
  card.append(facts);
  if (!several) return alternatives(card, payload, unit.from);
  const whole = isWord ? "the word" : "the character";
  card.append(make("p", "caption", `Its tokens (log-probs add up to ${whole}'s)`));
  const rows = [];
  for (let i = unit.from; i < unit.to; i++) {
    const p = Math.exp(payload.columns.log_prob[i]);
    rows.push(bar(payload.strings[payload.token[i]], [p], format.percent(p)));
  }
  card.append(append(make("ul", "bars"), ...rows));
}

// The rank of the worst token of from..to-1. Tokens with equal logits share the ranks from the first on: '3 to 5 (tied)'.
export function rankText(ranks, ties, from, to) {
  const rank = largest(ranks, from, to);
  let others = 0;
  for (let i = from; i < to; i++) if (ranks[i] === rank) others = Math.max(others, ties[i] ?? 0);
  return rank == null || !others ? format.rank(rank) : `${format.rank(rank)} to ${format.rank(rank + others)} (tied)`;
}

// Which of the listed texts, most probable first, is the actual token's; -1 if it is none. Texts of two tokens can look
// alike, so the rank decides, and the text only among tokens of one rank, `ties` of which are others.
export function actualPlace(listed, actual, rank, ties = 0) {
  if (!ties) return rank <= listed.length ? rank - 1 : -1;
  const place = listed.indexOf(actual, rank - 1);
  return place < rank + ties ? place : -1;
}

// The model's most probable tokens here, the actual one marked, and below a gap where it is not among them.
function alternatives(card, payload, i) {
  const { k, token, log_prob } = payload.top;
  if (!k) return;
  const { rank } = payload.columns;
  const own = Math.exp(payload.columns.log_prob[i]);
  const listed = token.slice(i * k, (i + 1) * k).map((at) => payload.strings[at]);
  const actual = payload.strings[payload.token[i]];
  const place = actualPlace(listed, actual, rank[i], payload.ties[i]);
  const list = make("ul", "bars");
  listed.forEach((text, at) => {
    const p = Math.exp(log_prob[i * k + at]);
    list.append(bar(text, [p], format.percent(p), at === place));
  });
  if (place < 0) {
    if (rank[i] > k + 1) list.append(make("li", "gap", `rank ${format.rank(k + 1)} to ${format.rank(rank[i] - 1)}`));
    list.append(bar(actual, [own], format.percent(own), true));
  }
  append(card, make("p", "caption", "The model expected"), list);
}

// A line of a list: a token, a bar or two (two models), a number.
function bar(text, shares, number, isActual) {
  const line = make("li", isActual ? "actual" : "");
  const track = make("span", "track");
  shares.forEach((share, side) => {
    const fill = make("span", shares.length > 1 ? `fill side-${"ab"[side]}` : "fill");
    fill.style.width = `${Math.max(0.5, 100 * share)}%`;
    track.append(fill);
  });
  append(line, tokenText(text), track, make("span", "number", number));
  if (isActual) line.append(make("span", "unseen", " (the actual token)"));
  return line;
}

function compareModels(card, payload, unit, several) {
  const c = payload.columns;
  const table = make("table");
  table.append(row("th", "", ["", "A", "B"]));
  const rowOf = (label, name, show) => c[`${name}_a`] && table.append(row("td", label, ["a", "b"].map(show)));
  const pair = (label, name, show, combine) =>
    rowOf(label, name, (side) => show(combine(c[`${name}_${side}`], unit.from, unit.to)));
  pair("Probability", "log_prob", (x) => format.percent(apply(Math.exp, x)), sum);
  pair("Log-prob (nats)", "log_prob", format.signed, sum);
  pair("Surprisal (bits)", "log_prob", (x) => format.signed(bits(minus(0, x))), sum);
  rowOf(several ? "Worst rank" : "Rank", "rank", (side) =>
    rankText(c[`rank_${side}`], payload[`ties_${side}`], unit.from, unit.to),
  );
  pair(several ? "Entropy met (bits)" : "Entropy (bits)", "entropy", (x) => format.signed(bits(x)), sum);
  pair("Tokens", "pieces", String, sum);
  card.append(table);
  const difference = VALUES.difference.at(payload, unit.from, unit.to);
  const notes = [difference == null ? "Not predicted by both" : `B − A ${format.difference(difference)} nats`];
  if (c.kl_ab && difference != null) {
    notes.push(
      `KL(A‖B) ${format.small(sum(c.kl_ab, unit.from, unit.to))}`,
      `KL(B‖A) ${format.small(sum(c.kl_ba, unit.from, unit.to))}`,
      `${several ? "largest " : ""}JS ${format.small(largest(c.js, unit.from, unit.to))}`,
    );
  }
  card.append(make("p", "note", notes.join(" · ")));
  if (payload.changed && !several && difference != null) changes(card, payload, unit.from);
}

function row(tag, label, cells) {
  const line = make("tr");
  if (tag === "td") {
    const head = make("th", "", label);
    head.scope = "row";
    line.append(head);
  }
  cells.forEach((text, i) => {
    const cell = make(text === "" ? "td" : tag, tag === "th" && text ? `side-${"?ab"[i]}` : "", text);
    if (tag === "th" && text) cell.scope = "col";
    line.append(cell);
  });
  return line;
}

// The tokens whose probability differs most between the models, each with a bar a model.
function changes(card, payload, i) {
  const { k, token, log_prob_a, log_prob_b } = payload.changed;
  const actual = payload.token[i];
  const list = make("ul", "bars pairs");
  for (let j = i * k; j < (i + 1) * k; j++) {
    if (log_prob_a[j] == null || log_prob_a[j] === log_prob_b[j]) continue;
    const shares = [Math.exp(log_prob_a[j]), Math.exp(log_prob_b[j])];
    list.append(bar(payload.strings[token[j]], shares, shares.map(format.percent).join(" → "), token[j] === actual));
  }
  if (list.childElementCount) append(card, make("p", "caption", "Changed most, A → B"), list);
}
