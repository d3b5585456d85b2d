// Charts: curves and histograms as SVG, each with a text that says what it shows, and
// bars as lists of buttons.

const NUM_BARS_SHOWN = 12;

function chart(width, height, label, ...children) {
  return svg("svg", {
    viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label, class: "chart",
  }, svg("title", {}, label), ...children);
}

const text = (x, y, value, attributes) => svg("text", { x, y, ...attributes }, value);
const line = (x1, y1, x2, y2, name) => svg("line", { x1, y1, x2, y2, class: name });

// A line across, with its value at the left.
function gridLine(drawing, left, right, y, value) {
  drawing.append(line(left, y, right, y, "grid"), text(left - 5, y + 3.5, value, { class: "tick end" }));
}

// Steps over equal bins, closed down to the axis.
function steps(values, x, y, floor) {
  const corners = [`M ${x(0)} ${floor}`];
  values.forEach((value, bin) => corners.push(`L ${x(bin)} ${y(value)} L ${x(bin + 1)} ${y(value)}`));
  corners.push(`L ${x(values.length)} ${floor} Z`);
  return corners.join(" ");
}

// The root of a share: a few samples in the tail stay visible beside a large peak.
function distributionChart(layer, unit) {
  const behavior = layer.behavior;
  const bins = behavior.inside.shape[1];
  const part = (packed) => Array.from(unpack(packed).subarray(unit * bins, (unit + 1) * bins), (each) => each / 65535);
  const inside = part(behavior.inside);
  const outside = part(behavior.outside);
  const low = unpack(behavior.low)[unit];
  const high = unpack(behavior.high)[unit];
  const [left, right, top, bottom] = [44, 368, 12, 172];
  const most = Math.max(...inside, ...outside, 1e-9);
  const x = (bin) => left + ((right - left) * bin) / bins;
  const y = (share) => bottom - (bottom - top) * Math.sqrt(share / most);
  const ticks = [1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.002, 0.0005].filter((tick) => tick <= most);
  const kept = [];
  for (const tick of ticks) if (!kept.length || y(tick) - y(kept[kept.length - 1]) > 22) kept.push(tick);
  const where = behavior.hasSupport ? ", where the formula holds and where it does not" : "";
  const drawing = chart(380, 204, `Distribution of the activation of unit ${layer.neurons[unit]}, from ${number(low)} to ${number(high)}${where}`);
  for (const tick of kept) gridLine(drawing, left, right, y(tick), roundPercent(tick));
  drawing.append(svg("path", { d: steps(outside, x, y, bottom), class: "outside" }));
  if (behavior.hasSupport) drawing.append(svg("path", { d: steps(inside, x, y, bottom), class: "inside" }));
  drawing.append(line(left, bottom, right, bottom, "axis"));
  drawing.append(text(left, bottom + 14, number(low), { class: "tick" }));
  drawing.append(text(right, bottom + 14, number(high), { class: "tick end" }));
  if (low < 0 && high > 0) {
    const zero = left + ((right - left) * -low) / (high - low);
    if (zero > left + 40 && zero < right - 40) drawing.append(text(zero, bottom + 14, "0", { class: "tick middle" }));
  }
  drawing.append(text((left + right) / 2, bottom + 28, "activation", { class: "tick middle" }));
  return drawing;
}

function rocChart(layer, unit) {
  const { rates, tpr } = layer.behavior;
  const points = rates.length;
  const values = Array.from(unpack(tpr).subarray(unit * points, (unit + 1) * points), (each) => each / 255);
  const [left, right, top, bottom] = [36, 196, 12, 172];
  const x = (rate) => left + (right - left) * rate;
  const y = (rate) => bottom - (bottom - top) * rate;
  const path = rates.map((rate, at) => `L ${x(rate).toFixed(1)} ${y(values[at]).toFixed(1)}`).join(" ");
  const drawing = chart(212, 204, `ROC curve of unit ${layer.neurons[unit]}, ${layer.scoreName} ${score(layer.scoreOf(unit, 0))}`);
  for (const tick of [0, 0.5, 1]) {
    gridLine(drawing, left, right, y(tick), String(tick));
    drawing.append(line(x(tick), top, x(tick), bottom, "grid"), text(x(tick), bottom + 14, String(tick), { class: "tick middle" }));
  }
  drawing.append(svg("path", { d: `M ${x(0)} ${y(0)} ${path} L ${x(1)} ${y(0)} Z`, class: "under" }));
  drawing.append(line(x(0), y(0), x(1), y(1), "diagonal"));
  drawing.append(svg("path", { d: `M ${x(0)} ${y(0)} ${path}`, class: "curve" }));
  drawing.append(text((left + right) / 2, bottom + 28, "share of the rest", { class: "tick middle" }));
  drawing.append(svg("text", {
    transform: `translate(${left - 24} ${(top + bottom) / 2}) rotate(-90)`, class: "tick middle",
  }, "share of the support"));
  return drawing;
}

function scoreHistogram(layer, chooseLeast) {
  const found = Array.from({ length: layer.size }, (_, unit) => unit).filter((unit) => !Number.isNaN(layer.scoreOf(unit, 0)));
  const values = found.map((unit) => layer.scoreOf(unit, 0));
  const [lowest, highest] = values.reduce(([low, high], each) => [Math.min(low, each), Math.max(high, each)], [1, 0]);
  const [least, greatest] = layer.isNegative ? [lowest, highest] : [Math.min(lowest, 0.98), 1];
  const width = Math.max(0.001, roundStep(Math.max(greatest - least, 0.02), 24));
  const first = Math.floor(least / width + 1e-6);
  const bins = Math.max(1, Math.ceil(greatest / width - 1e-6) - first);
  const [labeled, other] = [new Array(bins).fill(0), new Array(bins).fill(0)];
  found.forEach((unit, at) => {
    const bin = Math.min(bins - 1, Math.max(0, Math.floor(values[at] / width + 1e-9) - first));
    (layer.statusOf(unit) === "labeled" ? labeled : other)[bin]++;
  });
  const most = Math.max(...labeled.map((count, bin) => count + other[bin]), 1);
  const [left, right, top, bottom] = [34, 372, 12, 150];
  const x = (bin) => left + ((right - left) * bin) / bins;
  const y = (count) => bottom - ((bottom - top) * count) / most;
  const drawing = chart(380, 184, `Histogram of the best ${layer.scoreName} of ${plural(layer.size, "unit")}`);
  const rise = Math.max(1, roundStep(most, 4));
  for (let tick = 0; tick <= most; tick += rise) gridLine(drawing, left, right, y(tick), whole(tick));
  for (let bin = 0; bin < bins; bin++) {
    const start = (first + bin) * width;
    const bar = (low, high, name) => svg("rect", {
      x: x(bin) + 0.75, width: x(1) - x(0) - 1.5, y: y(high), height: Math.max(0, y(low) - y(high)), class: name,
    });
    const group = svg("g", {}, bar(0, labeled[bin], "bar"), bar(labeled[bin], labeled[bin] + other[bin], "bar faint"));
    group.append(svg("title", {}, `${plural(labeled[bin] + other[bin], "unit")} from ${start.toFixed(3)} to ${(start + width).toFixed(3)}`));
    if (!layer.isNegative && labeled[bin] + other[bin]) {
      group.setAttribute("class", "link");
      group.addEventListener("click", () => chooseLeast(start));
    }
    drawing.append(group);
  }
  drawing.append(line(left, bottom, right, bottom, "axis"));
  const step = Math.max(width, roundStep(bins * width, 6));
  for (let at = Math.ceil((first * width) / step - 1e-6); at * step <= (first + bins) * width + 1e-6; at++) {
    const place = x((at * step) / width - first);
    drawing.append(text(place, bottom + 14, (at * step).toFixed(step < 0.0099 ? 3 : 2), { class: `tick ${place > right - 8 ? "end" : "middle"}` }));
  }
  drawing.append(text((left + right) / 2, bottom + 28, `${layer.scoreName} of the best formula`, { class: "tick middle" }));
  return drawing;
}

// Score by number of literals: median, and the middle half of the units.
function lengthChart(layer) {
  const { quartiles, means } = layer.data.summary;
  // At some lengths no label may have a held-out score.
  const lengths = quartiles.map((_, at) => at).filter((at) => quartiles[at][1] !== null);
  if (!lengths.length) return null;
  const known = lengths.flatMap((at) => quartiles[at]);
  const step = Math.max(0.005, roundStep(Math.max(Math.max(...known) - Math.min(...known), 0.01), 4));
  const low = step * Math.floor(Math.min(...known) / step + 1e-6);
  const high = Math.max(step * Math.ceil(Math.max(...known) / step - 1e-6), low + step);
  const count = quartiles.length;
  const [left, right, top, bottom] = [42, 250, 12, 150];
  const x = (at) => (count === 1 ? (left + right) / 2 : left + 14 + ((right - left - 28) * at) / (count - 1));
  const y = (value) => bottom - ((bottom - top) * (value - low)) / (high - low);
  const median = (at) => quartiles[at][1];
  const what = layer.evidence("heldOut") ? `held-out ${layer.scoreName}` : layer.scoreName;
  const label = `Median ${what} by most literals: ${lengths.map((at) => `${at + 1}: ${score(median(at))}`).join(", ")}`;
  const drawing = chart(258, 184, label);
  for (let tick = low; tick <= high + 1e-6; tick += step) {
    gridLine(drawing, left, right, y(tick), tick.toFixed(step < 0.0099 ? 3 : 2));
  }
  const upper = lengths.map((at) => `${x(at)} ${y(quartiles[at][2])}`);
  const lower = lengths.map((at) => `${x(at)} ${y(quartiles[at][0])}`).reverse();
  drawing.append(svg("path", { d: `M ${[...upper, ...lower].join(" L ")} Z`, class: "band" }));
  drawing.append(svg("path", { d: `M ${lengths.map((at) => `${x(at)} ${y(median(at))}`).join(" L ")}`, class: "curve" }));
  lengths.forEach((at) => {
    const gain = lengths.includes(at - 1) ? `, ${signed(median(at) - median(at - 1))}` : "";
    const dot = svg("circle", { cx: x(at), cy: y(median(at)), r: 3.5, class: "dot" },
      svg("title", {}, `at most ${plural(at + 1, "literal")}: median ${score(median(at))}${gain}; mean ${score(means[at])}`));
    drawing.append(dot, text(x(at), bottom + 14, String(at + 1), { class: "tick middle" }));
  });
  drawing.append(text((left + right) / 2, bottom + 28, "most literals", { class: "tick middle" }));
  return drawing;
}

// One row of a bar chart: a button with a name, its bars as long as their counts, and
// what they count.
function barRow({ name, title, counts, most, label = whole(counts.solid), isMore = false, onclick }) {
  const bars = Object.entries(counts).map(([kind, count]) => {
    const bar = make("span", { class: kind });
    bar.style.width = `${(100 * count) / most}%`;
    return bar;
  });
  return make("li", { class: isMore ? "more" : null }, make("button", { type: "button", title, onclick },
    make("bdi", { class: "name" }, name), make("span", { class: "bars", "aria-hidden": "true" }, bars),
    make("span", { class: "count" }, label)));
}

// Concepts by the number of units that name them, as Network Dissection draws it.
function conceptBars(layer, choose) {
  const { bars } = layer.data.summary;
  const most = Math.max(...bars.map(([, plain, negated]) => plain + negated), 1);
  return make("ul", { class: "bar-chart" }, bars.map(([concept, plain, negated], at) => {
    const name = layer.concepts[concept].name;
    return barRow({
      name, title: `${name}: named by ${plural(plain, "unit")}, negated by ${whole(negated)}`,
      counts: { solid: plain, open: negated }, most,
      label: negated ? `${whole(plain)} + ${whole(negated)}` : whole(plain),
      isMore: at >= NUM_BARS_SHOWN, onclick: () => choose(concept),
    });
  }));
}

// How many labels have 1, 2, ... literals.
function lengthBars(layer, choose) {
  const counts = layer.data.summary.byLength;
  const most = Math.max(...counts);
  if (!most) return null;
  return make("ul", { class: "bar-chart lengths", "aria-label": "Units by the length of their label" }, counts.map((count, at) => {
    const name = plural(at + 1, "literal");
    return barRow({ name, title: `Units whose label has ${name}`, counts: { solid: count }, most, onclick: () => choose(at + 1) });
  }));
}
