// The layer at a glance.

const NUM_BARS_SHOWN = 12;

function renderSummary(element, layer, actions) {
  const figures = make("div", { class: "overview" },
    make("div", { class: "panel" }, statusPart(layer, actions), scoresPart(layer, actions)),
    conceptsPart(layer, actions), lengthPart(layer));
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
  return make("div", {}, make("h3", {}, `${plural(layer.size, "unit")}`), bar, list);
}

function scoresPart(layer, actions) {
  return make("figure", {}, scoreHistogram(layer, actions.least));
}

// Concepts by the number of units that name them, as Network Dissection draws it.
function conceptsPart(layer, actions) {
  const { bars, numConcepts } = layer.data.summary;
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
  return make("div", { class: "panel" }, make("h3", {}, plural(numConcepts, "concept") + " named"),
    make("p", { class: "legend" }, make("span", { class: "key solid" }, "units that name it"), make("span", { class: "key open" }, "negated")),
    list, more);
}

function lengthPart(layer) {
  const drawing = lengthChart(layer);
  if (!drawing) return null;
  const counts = layer.data.summary.byLength;
  const said = counts.map((count, at) => [count, at + 1]).filter(([count]) => count)
    .map(([count, length]) => `${whole(count)} of ${plural(length, "literal")}`).join(", ");
  return make("div", { class: "panel" }, make("h3", {}, "Length and gain"),
    make("p", { class: "legend" }, make("span", { class: "key line" }, "median unit"), make("span", { class: "key band" }, "middle half")),
    make("figure", {}, drawing), said ? make("p", { class: "muted" }, `Labels: ${said}.`) : null);
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
