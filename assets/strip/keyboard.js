// Where keys lead: arrows follow the eye, over lines as they are drawn and in the direction they are read. A unit's place
// is a box {left, right, top}; units whose tops differ by less than a line stand on one.

const SAME_LINE_PX = 4;

// The unit that `key` leads to from the unit `active` (-1 for none yet) of `count`; null for a key that leads nowhere.
export function goal(key, active, count, boxAt) {
  const last = count - 1;
  const beside = (step) => Math.max(0, Math.min(last, active + step));
  const right = active >= 0 && isRightToLeft(active, count, boxAt) ? -1 : 1;
  const ways = {
    ArrowRight: () => beside(right),
    ArrowLeft: () => beside(-right),
    ArrowDown: () => onLine(1, active, count, boxAt),
    ArrowUp: () => onLine(-1, active, count, boxAt),
    Home: () => 0,
    End: () => last,
  };
  if (!Object.hasOwn(ways, key)) return null;
  return active < 0 && key.startsWith("Arrow") ? 0 : ways[key]();
}

function isRightToLeft(i, count, boxAt) {
  const other = i + 1 < count ? i + 1 : i - 1;
  if (other < 0) return false;
  const [here, there] = [boxAt(i), boxAt(other)];
  return Math.abs(here.top - there.top) < SAME_LINE_PX && here.left > there.left === other > i;
}

// The unit one drawn line up or down whose middle is nearest; where there is no such line, the unit itself.
function onLine(step, active, count, boxAt) {
  const from = boxAt(active);
  const middle = (from.left + from.right) / 2;
  let best = active;
  let distance = Number.POSITIVE_INFINITY;
  let line = null;
  for (let i = active + step; i >= 0 && i < count; i += step) {
    const box = boxAt(i);
    if (Math.abs(box.top - from.top) < SAME_LINE_PX) continue;
    if (line !== null && Math.abs(box.top - line) > SAME_LINE_PX) break;
    line = box.top;
    const away = Math.abs((box.left + box.right) / 2 - middle);
    if (away < distance) [best, distance] = [i, away];
  }
  return best;
}
