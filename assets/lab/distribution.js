// A distribution as a list of shares that sum to 1, whatever is done to one of them.

const SNAP = 0.004; // this close to the floor a share is 0: that is where KL becomes infinite

// One share set to what is wanted, the others scaled to fill the rest.
export function withEntry(values, index, wanted) {
  const value = wanted < SNAP ? 0 : Math.min(1, wanted);
  const others = values.reduce((sum, v, i) => (i === index ? sum : sum + v), 0);
  const scaled = (v) => (others > 0 ? (v * (1 - value)) / others : (1 - value) / (values.length - 1));
  return values.map((v, i) => (i === index ? value : scaled(v)));
}

export const withOneMore = (values) => [...values, 0];

// Without the last outcome, whose share goes to the others.
export function withOneFewer(values) {
  const kept = values.slice(0, -1);
  const sum = kept.reduce((a, b) => a + b, 0);
  return kept.map((v) => (sum > 0 ? v / sum : 1 / kept.length));
}

// Where a key leads from a share; undefined for a key that leads nowhere.
export const afterKey = (key, value) =>
  ({
    ArrowUp: value + 0.01,
    ArrowRight: value + 0.01,
    ArrowDown: value - 0.01,
    ArrowLeft: value - 0.01,
    PageUp: value + 0.1,
    PageDown: value - 0.1,
    Home: 0,
    End: 1,
  })[key];
