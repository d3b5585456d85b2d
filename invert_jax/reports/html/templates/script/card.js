// The card of a unit: all that is known of it.

function renderCard(card, layer, unit, actions) {
  const found = layer.supportOf(unit, 0) > 0;
  const parts = [cardHead(layer, unit, actions), ...verdict(layer, unit, found, actions)];
  if (layer.behavior) {
    parts.push(samplesPart(layer, unit, "top"), topConceptsPart(layer, unit), chartsPart(layer, unit, found));
    if (found && layer.behavior.hasSupport) parts.push(samplesPart(layer, unit, "positives"), samplesPart(layer, unit, "misses"));
    parts.push(samplesPart(layer, unit, "bottom"));
  }
  if (found) parts.push(worthPart(layer, unit), lengthsPart(layer, unit), beamPart(layer, unit), wholeBeamPart(layer, unit), namesPart(layer, unit));
  card.replaceChildren(...parts.filter((part) => part));
}

function cardHead(layer, unit, actions) {
  const button = (label, hint, action) => make("button", { type: "button", "aria-label": hint, title: hint, onclick: action }, label);
  return make("header", { class: "card-head" },
    make("h3", { id: "card-title" }, make("bdi", {}, layer.title(unit))),
    make("span", { class: "actions" },
      button("↑", "Previous unit in the table", () => actions.step(-1)),
      button("↓", "Next unit in the table", () => actions.step(1)),
      button("✕", "Close", actions.close)));
}

function verdict(layer, unit, found, actions) {
  const status = layer.statusOf(unit);
  if (!found) {
    const why = status === "constant"
      ? "This unit has the same activation on every sample, so it detects nothing."
      : "No formula holds on as few or as many samples as were allowed.";
    return [make("p", { class: "lead" }, why)];
  }
  const formula = make("p", { class: "lead" }, formulaNode(layer, layer.formula(unit), actions.concept));
  const value = layer.scoreOf(unit, 0);
  const support = layer.supportOf(unit, 0);
  const sentences = [
    `It holds on ${whole(support)} of ${plural(layer.numSamples, "sample")} (${percent(support / layer.numSamples)}). `,
    `Of all pairs of one of them and one of the rest, the unit is ${value >= 0.5 ? "higher" : "lower"} on the first `,
    `in ${percent(Math.max(value, 1 - value))}, ties counted half (${layer.scoreName} ${score(value)}).`,
  ];
  const heldOut = layer.evidence("heldOut");
  const interval = layer.evidence("interval");
  if (heldOut && !Number.isNaN(heldOut[unit])) {
    const range = interval && !Number.isNaN(interval[2 * unit])
      ? `, 95% interval ${score(interval[2 * unit])} to ${score(interval[2 * unit + 1])}` : "";
    sentences.push(` On ${plural(layer.data.evidence.numHeldOut, "sample")} that the search has not seen: ${score(heldOut[unit])}${range}.`);
  } else if (heldOut) {
    const none = layer.evidence("support")[unit] === 0;
    sentences.push(` Held-out samples cannot judge it: the formula holds on ${none ? "none" : "all"} of them.`);
  }
  sentences.push(panelSentence(layer, unit));
  const q = layer.evidence("q");
  if (q && !Number.isNaN(q[unit])) sentences.push(` q-value after the search: ${q[unit].toPrecision(2)}.`);
  const parts = [formula];
  if (status === "chance") {
    parts.push(make("p", { class: "warning" },
      "Do not use this label: a search over so many formulas finds one as good on units that mean nothing."));
  } else if (status !== "labeled") {
    parts.push(make("p", { class: "warning" }, `Do not use this label: ${statusWords(status)}.`));
  }
  parts.push(make("p", {}, sentences.join("")));
  parts.push(...noteParts(layer, unit), longestPart(layer, unit));
  const negated = layer.formula(unit).filter(([, isNegated]) => isNegated).length;
  if (support < 20) {
    parts.push(make("p", { class: "warning" }, `It holds on ${plural(support, "sample")} only, where scores are high by chance.`));
  } else if (negated === layer.formula(unit).length) {
    parts.push(make("p", { class: "muted" }, "It says only what the unit does not respond to."));
  }
  return parts.filter((each) => each);
}

// How the highest samples agree with the label.
function panelSentence(layer, unit) {
  const [precision, hits] = ["averagePrecision", "precisionAtTop"].map((name) => layer.evidence(name));
  if (!hits || Number.isNaN(hits[unit])) return "";
  const { numHighest, isHeldOut } = layer.data.evidence;
  const found = Number((hits[unit] * numHighest).toFixed(1));
  const average = Number.isNaN(precision[unit]) ? "" : `; average precision ${precision[unit].toFixed(2)}`;
  return ` It holds on ${found} of its ${numHighest} ${layer.isNegative ? "lowest" : "highest"}${isHeldOut ? " held-out" : ""} samples${average}.`;
}

function noteParts(layer, unit) {
  const names = new Map();
  for (const note of layer.notesOf(unit)) {
    const at = note.indexOf(": ");
    const code = at < 0 ? note : note.slice(0, at);
    if (!names.has(code)) names.set(code, []);
    if (at >= 0) names.get(code).push(note.slice(at + 2));
  }
  return Array.from(names, ([code, named]) => make("p", { class: "note" },
    make("span", { class: "badge note" }, NOTES[code][0]), ` ${NOTES[code][1]} `,
    named.flatMap((name, at) => [at ? ", " : "", make("bdi", { class: "name" }, name)])));
}

// The best formula of all lengths, beside a simpler label.
function longestPart(layer, unit) {
  const step = layer.longest(unit);
  if (step === null) return null;
  const byLength = layer.evidence("byLength");
  const heldOut = byLength ? byLength[unit * layer.searched + step] : NaN;
  return make("p", { class: "muted" }, `With up to ${plural(layer.searched, "literal")}: `,
    formulaNode(layer, layer.formula(unit, 0, step)),
    ` (${layer.scoreName} ${score(layer.scoreOf(unit, 0, step))}${Number.isNaN(heldOut) ? "" : `, held out ${score(heldOut)}`})`);
}

// What is true of the highest samples, and how much more often than of all.
function topConceptsPart(layer, unit) {
  const { concepts, conceptHits, numHighest } = layer.behavior;
  const width = concepts.shape[1];
  const highest = unpack(numHighest)[unit];
  const rows = [];
  for (let at = unit * width; at < (unit + 1) * width; at++) {
    const concept = unpack(concepts)[at];
    if (concept < 0) continue;
    const hits = unpack(conceptHits)[at];
    const { name, count } = layer.concepts[concept];
    const lift = hits / highest / (count / layer.numSamples);
    rows.push(make("tr", {}, make("td", { class: "fill" }, make("bdi", { class: "name" }, name)),
      make("td", { class: "num" }, `${Number(hits.toFixed(1))} of ${whole(highest)}`),
      make("td", { class: "num" }, percent(count / layer.numSamples)),
      make("td", { class: "num" }, `× ${lift >= 10 ? lift.toFixed(0) : lift.toFixed(1)}`)));
  }
  if (!rows.length) return null;
  const searched = layer.evidence("heldOut") ? " of the samples searched" : "";
  return part(`True of the ${layer.isNegative ? "lowest" : "highest"}${searched}`, make("table", { class: "small" },
    tableHead(["Concept"], ["Of these", "Of all", "Lift"]), make("tbody", {}, rows)));
}

function part(title, ...children) {
  return make("section", { class: "part" }, make("h4", {}, title), ...children);
}

// Headings of columns of words, and of numbers.
function tableHead(words, numbers, ...rest) {
  const head = (name) => (each) => make("th", { scope: "col", class: name }, each);
  return make("thead", {}, make("tr", {}, words.map(head(null)), numbers.map(head("num")), ...rest));
}

function heatSwitch() {
  const root = document.documentElement.classList;
  const box = make("input", { type: "checkbox", onchange: (event) => root.toggle("no-heat", !event.target.checked) });
  box.checked = !root.contains("no-heat");
  return make("label", { title: "The rest is shaded; the outline is half of the largest value" }, box, "where it fires");
}

function samplesPart(layer, unit, which) {
  const found = samplesOf(layer, unit, which);
  if (!found.length) return null;
  const tiles = make("ol", { class: samples.hasImages ? "tiles" : "tiles words" }, found.map((each) => sampleTile(layer, unit, each, which)));
  const searched = layer.evidence("heldOut") ? "of the samples searched; " : "";
  if (which === "positives") return part(`Where the formula holds (${searched}at even steps from the highest to the lowest)`, tiles);
  if (which === "misses") {
    const low = layer.isNegative ? "high" : "low";
    return part(`Where it holds and the unit is ${low} (${searched}not ${layer.isNegative ? "below" : "above"} the median of the others)`, tiles);
  }
  const isLowest = (which === "top") === layer.isNegative;
  const lowest = unpack(layer.behavior.numLowest)[unit];
  const inside = found.filter((each) => each.inside).length;
  const room = layer.behavior[which].shape[1];
  const isAll = which === "top" && found.length < Math.min(room, layer.numSamples - 1);
  const notes = [
    which === "top" && layer.evidence("heldOut") ? "of the samples searched" : "",
    isAll ? `all that are ${isLowest ? "below the highest" : "above the lowest"} value` : "",
    which === "top" && layer.behavior.hasSupport ? `the formula holds on ${inside} of ${found.length}` : "",
    isLowest && lowest > found.length ? `some of ${whole(lowest)} at the lowest value` : "",
  ].filter((note) => note);
  const title = `${isLowest ? "Lowest" : "Highest"} on${notes.length ? ` (${notes.join("; ")})` : ""}`;
  return make("section", { class: "part" },
    make("div", { class: "part-head" }, make("h4", {}, title), tiles.querySelector(".heat") ? heatSwitch() : null), tiles);
}

function chartsPart(layer, unit, found) {
  const known = layer.behavior.hasSupport && found;
  const legend = known ? make("p", { class: "legend" },
    make("span", { class: "key inside" }, "where the formula holds"),
    make("span", { class: "key outside" }, "where it does not")) : null;
  const figures = make("div", { class: "figures" },
    make("figure", {}, distributionChart(layer, unit), make("figcaption", {}, "Share of the samples, on a square-root scale")),
    known ? make("figure", {}, rocChart(layer, unit), make("figcaption", {}, `ROC curve; area ${score(layer.scoreOf(unit, 0))}`)) : null);
  return part("Activation", legend, figures);
}

function worthPart(layer, unit) {
  const formula = layer.formula(unit);
  if (formula.length < 2) return null;
  const heldOut = layer.evidence("without");
  const packedWorth = heldOut ? layer.data.evidence.without : layer.behavior && layer.behavior.hasSupport ? layer.behavior.without : null;
  if (!packedWorth) return null;
  const values = unpack(packedWorth);
  const width = packedWorth.shape[1];
  const all = heldOut ? layer.evidence("heldOut")[unit] : layer.scoreOf(unit, 0);
  const sign = layer.isNegative ? -1 : 1;
  const losses = formula.map((_, place) => sign * (all - values[unit * width + place]));
  const most = Math.max(...losses.filter((loss) => !Number.isNaN(loss)), 1e-9);
  const rows = formula.map(([concept, negated, operator], place) => {
    const without = values[unit * width + place];
    const bar = make("span", { class: "bar-fill" });
    bar.style.width = `${Math.max(0, (100 * losses[place]) / most) || 0}%`;
    const literal = make("th", { scope: "row" },
      operator ? make("span", { class: "sign" }, `${operator} `) : null,
      negated ? make("span", { class: "sign" }, "NOT ") : null,
      make("bdi", { class: negated ? "name negated" : "name" }, layer.concepts[concept].name));
    return make("tr", {}, literal,
      make("td", { class: "num" }, Number.isNaN(without) ? "undefined" : score(without)),
      make("td", { class: "num" }, Number.isNaN(losses[place]) ? "" : signed(losses[place])),
      make("td", { class: "track", "aria-hidden": "true" }, bar));
  });
  return part(`What each literal is worth${heldOut ? ", held out" : ""}`, make("table", { class: "small" },
    tableHead(["Literal"], [`${layer.scoreName} without it`, "Worth"], make("td", { class: "track-head" })),
    make("tbody", {}, rows)));
}

function beamRows(layer, unit, step, ranks) {
  const alternative = layer.evidence("alternative");
  return ranks.map((rank) => make("tr", {},
    make("td", { class: "fill" }, formulaNode(layer, layer.formula(unit, rank, step)),
      alternative && rank > 0 && step === layer.steps - 1 && alternative[unit * layer.beam + rank]
        ? make("span", { class: "badge alternative", title: "Not significantly worse on held-out samples" }, "as good") : null),
    make("td", { class: "num" }, score(layer.scoreOf(unit, rank, step))),
    make("td", { class: "num" }, whole(layer.supportOf(unit, rank, step)))));
}

function formulasTable(layer, ...bodies) {
  return make("table", { class: "small" }, tableHead(["Formula"], [layer.scoreName, "Samples"]), ...bodies);
}

const filled = (layer, unit, step) => Array.from({ length: layer.beam }, (_, rank) => rank)
  .filter((rank) => layer.supportOf(unit, rank, step) > 0);

function beamPart(layer, unit) {
  const step = layer.steps - 1;
  const ranks = filled(layer, unit, step).slice(1);
  if (!ranks.length) return null;
  return part("Next best formulas", formulasTable(layer, make("tbody", {}, beamRows(layer, unit, step, ranks))));
}

// What each further literal buys: the best formula of at most 1, 2, ... literals.
function lengthsPart(layer, unit) {
  if (layer.searched < 2) return null;
  const sign = layer.isNegative ? -1 : 1;
  const rows = [];
  const byLength = layer.evidence("byLength");
  const shown = layer.words(unit);
  for (let step = 0; step < layer.searched; step++) {
    if (layer.supportOf(unit, 0, step) === 0) continue;
    const value = layer.scoreOf(unit, 0, step);
    const gain = step ? sign * (value - layer.scoreOf(unit, 0, step - 1)) : NaN;
    const isSame = step > 0 && layer.words(unit, 0, step) === layer.words(unit, 0, step - 1);
    rows.push(make("tr", {}, make("th", { scope: "row" }, String(step + 1)),
      make("td", { class: "fill" }, isSame ? make("span", { class: "none" }, "none is better") : formulaNode(layer, layer.formula(unit, 0, step)),
        !isSame && layer.longest(unit) !== null && layer.words(unit, 0, step) === shown ? make("span", { class: "badge alternative" }, "label") : null),
      make("td", { class: "num" }, isSame ? "" : score(value)),
      make("td", { class: "num" }, isSame || Number.isNaN(gain) ? "" : signed(gain)),
      byLength ? make("td", { class: "num" }, isSame ? "" : score(byLength[unit * layer.searched + step])) : null));
  }
  return part("The best of each length", make("table", { class: "small" },
    tableHead(["Literals", "Formula"], [layer.scoreName, "Gain", ...(byLength ? ["Held out"] : [])]),
    make("tbody", {}, rows)));
}

function wholeBeamPart(layer, unit) {
  if (layer.searched < 2) return null;
  const bodies = [];
  for (let step = 0; step < layer.searched; step++) {
    const ranks = filled(layer, unit, step);
    if (!ranks.length) continue;
    bodies.push(make("tbody", {},
      make("tr", {}, make("th", { scope: "rowgroup", colspan: "3" }, `At most ${plural(step + 1, "literal")}`)),
      beamRows(layer, unit, step, ranks)));
  }
  return make("details", { class: "part" }, make("summary", {}, "All formulas that the search kept, by length"), formulasTable(layer, ...bodies));
}

function namesPart(layer, unit) {
  const list = make("dl", {});
  for (const concept of new Set(layer.formula(unit).map(([each]) => each))) {
    const { name, description, synonyms, count } = layer.concepts[concept];
    if (!description && !synonyms && count === undefined) continue;
    list.append(make("dt", {}, make("bdi", {}, name)));
    if (description) list.append(make("dd", {}, make("bdi", {}, description)));
    if (count !== undefined) list.append(make("dd", { class: "muted" }, `true of ${plural(count, "sample")}`));
    if (synonyms) {
      list.append(make("dd", { class: "muted" }, "holds on the same samples as: ",
        synonyms.flatMap((each, at) => [at ? ", " : "", make("bdi", {}, each)])));
    }
  }
  return list.children.length ? part("Concepts", list) : null;
}
