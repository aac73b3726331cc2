// P and Q as bars that are dragged. data: {p, q, labels, seen, epoch, home: {p, q}, colours: {p, q}}.
// Moving one bar scales the others of its distribution, so that it always sums to 1. Keys: arrows, Page, Home, End.
const SNAP = 0.004;  // this close to the floor a bar is 0: that is where KL becomes infinite
const LEAST_OUTCOMES = 2, MOST_OUTCOMES = 8;

function withEntry(values, index, wanted) {
  const value = wanted < SNAP ? 0 : Math.min(1, wanted);
  const others = values.reduce((sum, v, i) => (i === index ? sum : sum + v), 0);
  const scaled = v => (others > 0 ? (v * (1 - value)) / others : (1 - value) / (values.length - 1));
  return values.map((v, i) => (i === index ? value : scaled(v)));
}

function barsOf(root, setStateValue) {
  const sender = makeSender(values => setStateValue('values', values));
  const plot = root.querySelector('.plot');
  const state = { p: [], q: [] };
  let data = null, epoch = null, cells = [];

  const text = values => values.map(v => String(+v.toFixed(6))).join(',');
  const remember = () => rememberInAddress(Object.fromEntries(['p', 'q'].map(
    side => [side, text(state[side]) === text(data.home[side]) ? null : text(state[side])])));
  const draw = () => {
    for (const cell of cells) {
      const value = state[cell.side][cell.index];
      cell.bar.style.height = value * 100 + '%';
      cell.track.classList.toggle('zero', value === 0);
      cell.track.setAttribute('aria-valuenow', value.toFixed(3));
      cell.track.setAttribute('aria-valuetext', value === 0 ? '0, impossible' : value.toFixed(3));
      if (cell.number.getRootNode().activeElement !== cell.number) cell.number.value = String(+value.toFixed(3));
    }
  };
  const set = (side, values) => { state[side] = values; draw(); sender.push({ epoch, p: state.p, q: state.q }); };
  const move = (cell, wanted) => set(cell.side, withEntry(state[cell.side], cell.index, Math.max(0, wanted)));
  const step = (cell, event) => {
    const value = state[cell.side][cell.index];
    const target = { ArrowUp: value + 0.01, ArrowRight: value + 0.01, ArrowDown: value - 0.01, ArrowLeft: value - 0.01,
      PageUp: value + 0.1, PageDown: value - 0.1, Home: 0, End: 1 }[event.key];
    if (target === undefined) return;
    event.preventDefault();
    move(cell, target);
    remember();
  };
  const cellOf = (side, index, label) => {
    const cell = { side, index };
    cell.track = document.createElement('div');
    cell.bar = document.createElement('div');
    cell.number = document.createElement('input');
    cell.track.className = 'track ' + side;
    cell.bar.className = 'bar';
    cell.track.append(cell.bar);
    for (const [name, value] of Object.entries({ role: 'slider', tabindex: 0, 'aria-orientation': 'vertical',
      'aria-valuemin': 0, 'aria-valuemax': 1, 'aria-label': `${side.toUpperCase()} of ${label}` })) {
      cell.track.setAttribute(name, value);
    }
    const at = event => {
      const box = cell.track.getBoundingClientRect();
      return (box.bottom - event.clientY) / box.height;
    };
    cell.track.onpointerdown = event => { cell.track.setPointerCapture(event.pointerId); move(cell, at(event)); };
    cell.track.onpointermove = event => { if (cell.track.hasPointerCapture(event.pointerId)) move(cell, at(event)); };
    cell.track.onpointerup = remember;
    cell.track.onkeydown = event => step(cell, event);
    Object.assign(cell.number, { type: 'number', min: 0, max: 1, step: 0.01, className: side });
    cell.number.setAttribute('aria-label', `${side.toUpperCase()} of ${label}, exact`);
    cell.number.oninput = () => {
      const wanted = parseFloat(cell.number.value);
      if (wanted >= 0 && wanted <= 1) move(cell, wanted);
    };
    cell.number.onchange = () => { draw(); remember(); cell.number.value = String(+state[side][index].toFixed(3)); };
    return cell;
  };
  const rebuild = () => {
    cells = [];
    plot.replaceChildren(...state.p.map((_, index) => {
      const outcome = document.createElement('div'), pair = document.createElement('div'), name = document.createElement('div');
      outcome.className = 'outcome';
      pair.className = 'pair';
      name.className = 'name';
      name.textContent = String.fromCharCode(65 + index);
      const [p, q] = ['p', 'q'].map(side => cellOf(side, index, name.textContent));
      cells.push(p, q);
      pair.append(p.track, q.track, p.number, q.number);
      outcome.append(pair, name);
      return outcome;
    }));
    root.querySelector('.more').disabled = state.p.length >= MOST_OUTCOMES;
    root.querySelector('.fewer').disabled = state.p.length <= LEAST_OUTCOMES;
    draw();
  };
  const resize = change => {
    for (const side of ['p', 'q']) {
      if (change > 0) { state[side] = [...state[side], 0]; continue; }
      const kept = state[side].slice(0, -1), sum = kept.reduce((a, b) => a + b, 0);
      state[side] = kept.map(v => (sum > 0 ? v / sum : 1 / kept.length));
    }
    rebuild();
    sender.push({ epoch, p: state.p, q: state.q });
    remember();
  };
  root.querySelector('.more').onclick = () => resize(+1);
  root.querySelector('.fewer').onclick = () => resize(-1);
  root.querySelector('.swap').onclick = () => {
    [state.p, state.q] = [state.q, state.p];
    draw();
    sender.push({ epoch, p: state.p, q: state.q });
    remember();
  };
  return fresh => {
    data = fresh;
    for (const side of ['p', 'q']) root.style.setProperty('--' + side, data.colours[side]);
    if (data.epoch !== epoch) {
      [state.p, state.q, epoch] = [data.p, data.q, data.epoch];
      rebuild();
    }
    sender.answered(data.seen);
  };
}

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector('.bars');
  root.update ??= barsOf(root, setStateValue);
  root.update(data);
}
