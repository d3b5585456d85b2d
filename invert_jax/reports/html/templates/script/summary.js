// The layer at a glance.

function renderSummary(element, layer, actions) {
  const figures = make("div", { class: "overview" },
    make("div", { class: "panel" }, statusPart(layer, actions), make("figure", {}, scoreHistogram(layer, actions.least))),
    conceptsPart(layer, actions), kindsPart(layer), lengthPart(layer, actions));
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
  const hits = layer.evidence("precisionAtTop");
  const figure = (name, value) => make("div", {}, make("dt", {}, name), make("dd", {}, value));
  return make("dl", { class: "key-figures", "aria-label": "Medians of the labeled units" },
    figure(`median ${layer.scoreName}`, score(median(labeled.map((unit) => layer.scoreOf(unit, 0))))),
    heldOut ? figure("held out", score(median(labeled.map((unit) => heldOut[unit])))) : null,
    hits ? figure(`of the top ${layer.data.evidence.numHighest}`, share2(median(labeled.map((unit) => hits[unit])))) : null,
    figure("holds on", percent(median(labeled.map((unit) => layer.supportOf(unit, 0))) / layer.numSamples)));
}

function median(values) {
  const sorted = values.filter((each) => !Number.isNaN(each)).sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

function conceptsPart(layer, actions) {
  const { bars, numConcepts, numUndetected } = layer.data.summary;
  if (!bars.length) return null;
  const list = conceptBars(layer, actions.concept);
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

// Labels by the kinds of the concepts that they name, such as shape and texture.
function kindsPart(layer) {
  const { byKinds } = layer.data.summary;
  if (!byKinds.length) return null;
  const total = byKinds.reduce((sum, [, count]) => sum + count, 0);
  const rows = byKinds.slice(0, NUM_BARS_SHOWN).map(([kinds, count]) => make("tr", {},
    make("td", { class: "fill" }, make("bdi", {}, kinds)), make("td", { class: "num" }, whole(count)),
    make("td", { class: "num" }, percent(count / total))));
  const rest = byKinds.length - rows.length;
  return make("div", { class: "panel" }, make("h3", {}, "Kinds of concepts"),
    make("table", { class: "small" }, tableHead(["Named together"], ["Labels", "Share"]), make("tbody", {}, rows)),
    rest > 0 ? make("p", { class: "muted" }, `and ${plural(rest, "more combination")}`) : null);
}

function lengthPart(layer, actions) {
  const drawing = lengthChart(layer);
  if (!drawing) return null;
  return make("div", { class: "panel" }, make("h3", {}, layer.evidence("heldOut") ? "Length and gain, held out" : "Length and gain"),
    make("p", { class: "legend" }, make("span", { class: "key line" }, "median unit"), make("span", { class: "key band" }, "middle half")),
    make("figure", {}, drawing), lengthBars(layer, actions.length));
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
