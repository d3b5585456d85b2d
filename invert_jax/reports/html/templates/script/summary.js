// The layer at a glance.

const NUM_BARS_SHOWN = 12;

function renderSummary(element, layer, actions) {
  const figures = make("div", { class: "overview" },
    make("div", { class: "panel" }, statusPart(layer, actions), scoresPart(layer, actions)),
    conceptsPart(layer, actions), lengthPart(layer, actions));
  element.replaceChildren(figures);
  const undetected = undetectedPart(layer);
  if (undetected) element.append(undetected);
}

function statusPart(layer, actions) {
  const bar = make("div", { class: "statuses" });
  const list = make("ul", { class: "status-list" });
  for (const [status, count] of Object.entries(layer.data.summary.statuses)) {
    const piece = make("span", { class: status, title: `${statusWords(status)}: ${whole(count)}` });
    piece.style.flexGrow = String(count);
    bar.append(piece);
    list.append(make("li", {}, make("button", { type: "button", class: `key ${status}`, onclick: () => actions.status(status) },
      `${whole(count)} ${statusWords(status)}`)));
  }
  return make("div", {}, make("h3", {}, `${plural(layer.size, "unit")}`), bar, list, keyFigures(layer));
}

// Medians over the labeled units.
function keyFigures(layer) {
  const labeled = Array.from({ length: layer.size }, (_, unit) => unit).filter((unit) => layer.statusOf(unit) === "labeled");
  if (!labeled.length) return null;
  const heldOut = layer.evidence("heldOut");
  const figure = (name, value) => make("div", {}, make("dt", {}, name), make("dd", {}, value));
  return make("dl", { class: "key-figures", "aria-label": "Medians of the labeled units" },
    figure("median AUROC", score(median(labeled.map((unit) => layer.scoreOf(unit, 0))))),
    heldOut ? figure("held out", score(median(labeled.map((unit) => heldOut[unit])))) : null,
    figure("holds on", percent(median(labeled.map((unit) => layer.supportOf(unit, 0))) / layer.numSamples)));
}

function median(values) {
  const sorted = values.filter((each) => !Number.isNaN(each)).sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

function scoresPart(layer, actions) {
  return make("figure", {}, scoreHistogram(layer, actions.least));
}

// Concepts by the number of units that name them, as Network Dissection draws it.
function conceptsPart(layer, actions) {
  const { bars, numConcepts, numUndetected } = layer.data.summary;
  if (!bars.length) return null;
  const most = Math.max(...bars.map(([, plain, negated]) => plain + negated), 1);
  const rows = bars.map(([concept, plain, negated], at) => {
    const [solid, open] = [make("span", { class: "solid" }), make("span", { class: "open" })];
    solid.style.width = `${(100 * plain) / most}%`;
    open.style.width = `${(100 * negated) / most}%`;
    const label = negated ? `${whole(plain)} + ${whole(negated)}` : whole(plain);
    const name = layer.concepts[concept].name;
    return make("li", { class: at >= NUM_BARS_SHOWN ? "more" : "" }, make("button", {
      type: "button", onclick: () => actions.concept(concept),
      title: `${name}: named by ${plural(plain, "unit")}, negated by ${whole(negated)}`,
    }, make("bdi", { class: "name" }, name), make("span", { class: "bars", "aria-hidden": "true" }, solid, open),
    make("span", { class: "count" }, label)));
  });
  const list = make("ul", { class: "concept-bars" }, rows);
  const more = bars.length > NUM_BARS_SHOWN ? make("button", {
    type: "button", class: "quiet", "aria-expanded": "false",
    onclick: (event) => {
      const open = list.classList.toggle("all");
      event.target.setAttribute("aria-expanded", String(open));
      event.target.textContent = open ? "Fewer" : `The first ${bars.length}`;
    },
  }, `The first ${bars.length}`) : null;
  return make("div", { class: "panel" }, make("h3", {}, `${whole(numConcepts)} of ${plural(numConcepts + numUndetected, "concept")} named`),
    make("p", { class: "legend" }, make("span", { class: "key solid" }, "units that name it"), make("span", { class: "key open" }, "negated")),
    list, more);
}

function lengthPart(layer, actions) {
  const drawing = lengthChart(layer);
  if (!drawing) return null;
  return make("div", { class: "panel" }, make("h3", {}, "Length and gain"),
    make("p", { class: "legend" }, make("span", { class: "key line" }, "median unit"), make("span", { class: "key band" }, "middle half")),
    make("figure", {}, drawing), lengthBars(layer, actions));
}

// How many labels have 1, 2, ... literals.
function lengthBars(layer, actions) {
  const counts = layer.data.summary.byLength;
  const most = Math.max(...counts);
  if (!most) return null;
  return make("ul", { class: "concept-bars lengths", "aria-label": "Units by the length of their label" }, counts.map((count, at) => {
    const bar = make("span", { class: "solid" });
    bar.style.width = `${(100 * count) / most}%`;
    return make("li", {}, make("button", { type: "button", title: `Units whose label has ${plural(at + 1, "literal")}`, onclick: () => actions.length(at + 1) },
      make("span", { class: "name" }, plural(at + 1, "literal")), make("span", { class: "bars", "aria-hidden": "true" }, bar),
      make("span", { class: "count" }, whole(count))));
  }));
}

function undetectedPart(layer) {
  const { undetected, numUndetected } = layer.data.summary;
  if (!numUndetected) return null;
  const names = undetected.flatMap((name, at) => [at ? ", " : "", make("bdi", {}, name)]);
  const rest = numUndetected - undetected.length;
  return make("details", { class: "undetected" },
    make("summary", {}, `${plural(numUndetected, "concept")} that no unit here names`),
    make("p", {}, names, rest > 0 ? ` and ${whole(rest)} more` : ""));
}
