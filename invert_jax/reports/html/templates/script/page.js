// The state of the page: which layer, which units, which unit is open.

const page = { ...readJson("page-data"), title: document.title };
const samples = new Samples(page);
const layers = new Map();
const element = (id) => document.getElementById(id);
const state = { layer: null, table: null, unit: -1, concept: -1 };
// A score of 0.9 may be a last digit below what is typed as 0.9.
const ROUNDING = 1e-12;
const isWide = () => window.matchMedia("(min-width: 1100px)").matches;

function layerAt(at) {
  if (!layers.has(at)) layers.set(at, new Layer(readJson(`layer-data-${at}`), at));
  return layers.get(at);
}

function showLayer(at) {
  const layer = layerAt(at);
  if (state.layer === layer) return;
  Object.assign(state, { layer, unit: -1, concept: -1 });
  hideCard();
  state.table = new UnitTable(layer, (unit) => openUnit(unit, { focus: !isWide() }));
  for (const button of document.querySelectorAll("#layers button")) {
    button.setAttribute("aria-pressed", String(Number(button.dataset.layer) === at));
  }
  for (const run of document.querySelectorAll("[data-run]")) run.hidden = Number(run.dataset.run) !== at;
  const options = (select, all, values) => select.replaceChildren(
    make("option", { value: "" }, all), ...values.map(([value, label]) => make("option", { value }, label)));
  options(element("status"), "all", layer.data.statuses.map((each) => [each, statusWords(each)]));
  options(element("length"), "all", Array.from({ length: layer.length }, (_, at) => [String(at + 1), String(at + 1)]));
  element("least-label").firstChild.textContent = `${layer.scoreName} ${layer.isNegative ? "up to" : "from"} `;
  renderSummary(element("summary"), layer, {
    concept: chooseConcept,
    status: (status) => { element("status").value = status; filter(); toUnits(); },
    length: (count) => { element("length").value = String(count); filter(); toUnits(); },
    least: (value) => { element("least").value = value.toFixed(3); filter(); toUnits(); },
  });
  clearFilters();
}

function clearFilters() {
  for (const id of ["search", "status", "length", "least"]) element(id).value = "";
  state.concept = -1;
  filter();
}

function toUnits() {
  element("units").scrollIntoView({ block: "start" });
}

function chooseConcept(concept) {
  state.concept = concept;
  filter();
  toUnits();
}

// Every word of the search must be in the unit; words in quotes stay together.
function searchWords(value) {
  return Array.from(value.toLowerCase().matchAll(/"([^"]*)"?|(\S+)/g), (found) => found[1] ?? found[2]).filter((word) => word);
}

function filter() {
  const { layer, concept } = state;
  const words = searchWords(element("search").value);
  const status = element("status").value;
  const length = Number(element("length").value);
  const least = element("least").value === "" ? null : Number(element("least").value);
  const exceeds = (value) => (layer.isNegative ? value <= least + ROUNDING : value >= least - ROUNDING);
  const found = [];
  for (let unit = 0; unit < layer.size; unit++) {
    if (status && layer.statusOf(unit) !== status) continue;
    if (least !== null && !exceeds(layer.scoreOf(unit, 0))) continue;
    if (concept >= 0 || length) {
      const formula = layer.formula(unit);
      if (length && formula.length !== length) continue;
      if (concept >= 0 && !formula.some(([each]) => each === concept)) continue;
    }
    if (words.length) {
      const text = layer.haystack(unit);
      if (!words.every((word) => text.includes(word))) continue;
    }
    found.push(unit);
  }
  element("viewport").scrollTop = 0;
  state.table.show(found);
  element("shown").textContent = found.length === layer.size
    ? plural(layer.size, "unit") : `${whole(found.length)} of ${plural(layer.size, "unit")}`;
  const chosen = element("chosen");
  chosen.hidden = concept < 0;
  chosen.replaceChildren();
  if (concept >= 0) {
    chosen.append("Units that name ", make("bdi", { class: "name" }, layer.concepts[concept].name), " ",
      make("button", { type: "button", onclick: () => { state.concept = -1; filter(); } }, "Show all"));
  }
}

function openUnit(unit, { focus = false, replace = false } = {}) {
  state.unit = unit;
  const hash = state.layer.hash(unit);
  if (location.hash !== hash) history[replace ? "replaceState" : "pushState"](null, "", hash);
  const card = element("card");
  card.hidden = false;
  document.body.classList.add("has-card");
  renderCard(card, state.layer, unit, {
    concept: (concept) => { if (!isWide()) closeCard(); chooseConcept(concept); },
    step: (distance) => openUnit(state.table.neighbor(distance), { focus: true, replace: true }),
    close: () => { closeCard(); element("table").focus(); },
  });
  card.scrollTop = 0;
  state.table.select(unit);
  coverRest();
  document.title = `${state.layer.title(unit)} · ${page.title}`;
  if (focus) card.focus();
}

// Where the card covers the page, what is behind it cannot be reached by Tab either.
function coverRest() {
  const covered = state.unit >= 0 && !isWide();
  for (let part = element("card"); part !== document.body; part = part.parentElement) {
    for (const each of part.parentElement.children) if (each !== part) each.inert = covered;
  }
}

// What is folded is printed too.
const unfolded = [];

function unfold() {
  for (const each of document.querySelectorAll("details:not([open])")) {
    each.open = true;
    unfolded.push(each);
  }
}

function foldAgain() {
  for (const each of unfolded.splice(0)) each.open = false;
}

function hideCard() {
  element("card").hidden = true;
  document.body.classList.remove("has-card");
  state.unit = -1;
  coverRest();
  document.title = page.title;
}

function closeCard() {
  hideCard();
  forgetLink();
}

function forgetLink() {
  if (location.hash.includes("unit-")) history.pushState(null, "", location.pathname + location.search);
}

// #unit-296, or #layer/unit-296 where there are several layers.
function followLink() {
  const found = /^#(?:(.*)\/)?unit-(\d+)$/.exec(location.hash);
  if (!found) return;
  const neuron = Number(found[2]);
  for (let at = 0; at < page.numLayers; at++) {
    const layer = layerAt(at);
    if (found[1] !== undefined && decoded(found[1]) !== layer.name) continue;
    if (!layer.placeOf.has(neuron)) continue;
    showLayer(at);
    const unit = layer.placeOf.get(neuron);
    if (!state.table.order.includes(unit)) clearFilters();
    openUnit(unit, { focus: true, replace: true });
    toUnits();
    return;
  }
  element("shown").textContent = `There is no unit ${neuron} in this page.`;
}

function decoded(name) {
  try { return decodeURIComponent(name); } catch { return name; }
}

const MOVES = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -Infinity, End: Infinity };

function onTableKey(event) {
  if (event.target !== element("table")) return;
  if (event.key in MOVES) {
    event.preventDefault();
    const unit = state.table.neighbor(MOVES[event.key]);
    if (unit < 0) return;
    if (isWide()) openUnit(unit, { replace: true });
    else state.table.select(unit);
  } else if (event.key === "Enter" && state.table.current >= 0) {
    event.preventDefault();
    openUnit(state.table.current, { focus: true });
  }
}

function onKey(event) {
  const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
  if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    element("search").focus();
  } else if (event.key === "Escape" && state.unit >= 0) {
    closeCard();
    element("table").focus();
  }
}

function download() {
  const url = URL.createObjectURL(new Blob(["\ufeff", state.table.csv()], { type: "text/csv" }));
  const link = make("a", { href: url, download: "units.csv" });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

const THEMES = ["auto", "light", "dark"];

function nextTheme() {
  const root = document.documentElement;
  const theme = THEMES[(THEMES.indexOf(root.dataset.theme || "auto") + 1) % THEMES.length];
  root.dataset.theme = theme;
  element("theme").textContent = `Theme: ${theme}`;
}

function start() {
  element("filters").addEventListener("submit", (event) => event.preventDefault());
  for (const id of ["search", "status", "length", "least"]) {
    element(id).addEventListener("input", filter);
    element(id).addEventListener("change", filter);
  }
  element("clear").addEventListener("click", clearFilters);
  element("download").addEventListener("click", download);
  element("theme").addEventListener("click", nextTheme);
  element("table").addEventListener("keydown", onTableKey);
  document.addEventListener("keydown", onKey);
  let waiting = false;
  const redraw = () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; state.table.render(); });
  };
  element("viewport").addEventListener("scroll", redraw, { passive: true });
  window.addEventListener("resize", redraw);
  window.addEventListener("hashchange", followLink);
  window.addEventListener("popstate", () => { if (!location.hash.includes("unit-")) hideCard(); });
  window.addEventListener("beforeprint", () => state.table.renderRows(0, Math.min(state.table.order.length, PRINTED_ROWS)));
  window.addEventListener("afterprint", () => state.table.render());
  window.addEventListener("beforeprint", unfold);
  window.addEventListener("afterprint", foldAgain);
  window.addEventListener("resize", coverRest);
  for (const button of document.querySelectorAll("#layers button")) {
    button.addEventListener("click", () => {
      showLayer(Number(button.dataset.layer));
      forgetLink();
    });
  }
  showLayer(0);
  followLink();
  document.documentElement.dataset.ready = "true";
}

start();
