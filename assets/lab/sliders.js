// A group of sliders that speak while they are dragged. data: {sliders: [{name, label, low, high, step, value, home}],
// seen, epoch}: `seen` is the stamp of the values the page shows, `epoch` rises when the server sets the values.
function slidersOf(root, setStateValue) {
  const sender = makeSender(values => setStateValue('values', values));
  let signature = '', epoch = null, rows = new Map();

  const values = () => ({ epoch, values: Object.fromEntries([...rows].map(([name, row]) => [name, row.value])) });
  const show = row => {
    row.range.value = row.value;
    row.range.style.setProperty('--share', ((row.value - row.spec.low) / (row.spec.high - row.spec.low)) * 100 + '%');
    if (document.activeElement !== row.number && row.number.getRootNode().activeElement !== row.number) {
      row.number.value = String(+row.value.toFixed(row.digits));
    }
  };
  const change = (row, text) => {
    const wanted = parseFloat(text);
    if (!Number.isFinite(wanted)) return;
    row.value = Math.min(row.spec.high, Math.max(row.spec.low, wanted));
    show(row);
    sender.push(values());
  };
  const remember = row => {
    row.number.value = String(+row.value.toFixed(row.digits));
    rememberInAddress({ [row.spec.name]: row.value === row.spec.home ? null : String(+row.value.toFixed(row.digits)) });
  };
  const build = spec => {
    const row = { spec, value: spec.value, digits: Math.max(0, Math.ceil(-Math.log10(spec.step) - 1e-9)) };
    const box = document.createElement('div'), label = document.createElement('label');
    row.number = document.createElement('input');
    row.range = document.createElement('input');
    box.className = 'row';
    label.textContent = spec.label;
    label.htmlFor = row.range.id = 'range-' + spec.name;
    for (const input of [row.range, row.number]) Object.assign(input, { min: spec.low, max: spec.high, step: spec.step });
    row.range.type = 'range';
    row.number.type = 'number';
    row.number.step = 'any';
    row.number.setAttribute('aria-label', spec.label + ', exact');
    row.range.oninput = () => change(row, row.range.value);
    row.number.oninput = () => change(row, row.number.value);
    row.range.onchange = row.number.onchange = () => remember(row);
    box.append(label, row.number, row.range);
    root.append(box);
    return row;
  };
  return data => {
    const wanted = JSON.stringify(data.sliders.map(({ value, ...fixed }) => fixed));
    if (wanted !== signature || data.epoch !== epoch) {
      if (wanted !== signature) {
        root.replaceChildren();
        rows = new Map(data.sliders.map(spec => [spec.name, build(spec)]));
      }
      for (const spec of data.sliders) { rows.get(spec.name).value = spec.value; show(rows.get(spec.name)); }
      [signature, epoch] = [wanted, data.epoch];
    }
    sender.answered(data.seen);
  };
}

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector('.sliders');
  root.update ??= slidersOf(root, setStateValue);
  root.update(data);
}
