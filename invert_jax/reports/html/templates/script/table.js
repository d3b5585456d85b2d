// The table of units. Only the rows in view are in the document.

const SPARE_ROWS = 8;
const PRINTED_ROWS = 2000;

class UnitTable {
  constructor(layer, open) {
    this.layer = layer;
    this.open = open;
    this.viewport = document.getElementById("viewport");
    this.table = document.getElementById("table");
    this.head = this.table.tHead;
    this.body = this.table.tBodies[0];
    this.columns = columnsOf(layer);
    this.key = "score";
    this.descending = !layer.isNegative;
    this.order = [];
    this.rows = new Map();
    this.current = -1;
    this.headCells();
    this.measure();
  }

  // A narrow table has two lines for a formula; the same width is in table.css.
  measure() {
    const wide = samples.hasImages && this.layer.behavior ? 46 : 36;
    this.rowHeight = this.viewport.clientWidth <= 560 ? 58 : wide;
    this.table.style.setProperty("--row-height", `${this.rowHeight}px`);
  }

  headCells() {
    const row = make("tr", {});
    for (const column of this.columns) {
      const button = make("button", { type: "button", title: column.hint, onclick: () => this.sortBy(column.key) }, column.label);
      row.append(make("th", { scope: "col", class: column.key, "data-key": column.key }, column.value ? button : column.label));
    }
    this.head.replaceChildren(row);
  }

  sortBy(key) {
    const column = this.columns.find((each) => each.key === key);
    this.descending = this.key === key ? !this.descending : Boolean(column.descending);
    this.key = key;
    this.show(this.order);
  }

  // Units in the order of the chosen column; those without a value are last.
  show(units) {
    const column = this.columns.find((each) => each.key === this.key);
    const keys = new Array(this.layer.size);
    for (const unit of units) keys[unit] = column.value(unit);
    const sign = this.descending ? -1 : 1;
    const missing = (key) => key === "" || key === null || Number.isNaN(key);
    this.order = Array.from(units).sort((a, b) => {
      const [left, right] = [keys[a], keys[b]];
      if (missing(left) || missing(right)) return missing(left) - missing(right) || a - b;
      return (left < right ? -sign : left > right ? sign : 0) || a - b;
    });
    for (const cell of this.head.rows[0].cells) {
      const sorted = cell.dataset.key === this.key;
      cell.setAttribute("aria-sort", sorted ? (this.descending ? "descending" : "ascending") : "none");
    }
    this.table.setAttribute("aria-rowcount", String(this.order.length + 1));
    this.rows = new Map();
    this.render();
  }

  render() {
    this.measure();
    const first = Math.max(0, Math.floor(this.viewport.scrollTop / this.rowHeight) - SPARE_ROWS);
    const count = Math.ceil(Math.max(this.viewport.clientHeight, window.innerHeight) / this.rowHeight) + 2 * SPARE_ROWS;
    this.renderRows(first, Math.min(this.order.length, first + count));
  }

  // Rows that stay in view are not made again.
  renderRows(first, last) {
    const rows = new Map();
    for (let place = first; place < last; place++) {
      const unit = this.order[place];
      const row = this.rows.get(unit) ?? this.row(place);
      row.setAttribute("aria-selected", String(unit === this.current));
      rows.set(unit, row);
    }
    this.rows = rows;
    this.body.replaceChildren(spacer(first * this.rowHeight), ...rows.values(), spacer((this.order.length - last) * this.rowHeight));
    if (!this.order.length) {
      this.body.append(make("tr", { class: "empty" }, make("td", { colspan: this.columns.length }, "No unit is like that.")));
    }
    const id = this.order.includes(this.current) ? `row-${this.current}` : null;
    if (id && document.getElementById(id)) this.table.setAttribute("aria-activedescendant", id);
    else this.table.removeAttribute("aria-activedescendant");
  }

  row(place) {
    const unit = this.order[place];
    const status = this.layer.statusOf(unit);
    const row = make("tr", {
      id: `row-${unit}`, class: `status-${status}`, "aria-rowindex": String(place + 2),
      onclick: (event) => {
        if (!event.target.closest("a") || !(event.ctrlKey || event.metaKey || event.shiftKey)) {
          event.preventDefault();
          this.open(unit);
        }
      },
    });
    for (const column of this.columns) row.append(make("td", { class: column.key }, column.cell(unit)));
    return row;
  }

  select(unit) {
    this.current = unit;
    const place = this.order.indexOf(unit);
    if (place >= 0) {
      const top = place * this.rowHeight;
      const head = this.head.offsetHeight;
      const room = this.viewport.clientHeight - head - this.rowHeight;
      const above = this.viewport.scrollTop - top;
      const below = top - this.viewport.scrollTop - room;
      // A step moves the rows by one; what is far away comes to the middle.
      if (Math.max(above, below) > 2 * this.rowHeight) this.viewport.scrollTop = top - Math.max(0, room) / 2;
      else if (above > 0) this.viewport.scrollTop = top;
      else if (below > 0) this.viewport.scrollTop = top - Math.max(0, room);
    }
    this.render();
  }

  // The unit some rows away from the current one.
  neighbor(distance) {
    const place = this.order.indexOf(this.current);
    if (!this.order.length) return -1;
    const start = place < 0 ? (distance > 0 ? -1 : this.order.length) : place;
    const wanted = place < 0 && Number.isFinite(distance) ? start + Math.sign(distance) : start + distance;
    return this.order[Math.min(this.order.length - 1, Math.max(0, wanted))];
  }

  csv() {
    const columns = csvColumns(this.layer);
    const quote = (value) => `"${String(value).replaceAll('"', '""')}"`;
    const lines = [columns.map(([name]) => quote(name)).join(",")];
    for (const unit of this.order) lines.push(columns.map(([, value]) => quote(value(unit))).join(","));
    return lines.join("\r\n") + "\r\n";
  }
}

function spacer(height) {
  const row = make("tr", { class: "spacer", "aria-hidden": "true" });
  row.style.height = `${height}px`;
  return row;
}

// Text that a spreadsheet would run as a formula of its own is led by an apostrophe.
const harmless = (value) => (/^[=+\-@\t\r]/.test(value) ? `'${value}` : value);

// As in the table that `Explanations.to_arrow` gives, by the same names.
function csvColumns(layer) {
  const exact = (value) => (Number.isNaN(value) ? "" : String(Number(value.toPrecision(7))));
  const found = (value) => (unit) => (layer.supportOf(unit, 0) > 0 ? value(unit) : "");
  const columns = [
    ["neuron", (unit) => layer.neurons[unit]],
    ["name", (unit) => harmless(layer.nameOf(unit))],
    ["status", (unit) => layer.statusOf(unit)],
    ["in_words", (unit) => harmless(layer.words(unit))],
    ["score", found((unit) => exact(layer.scoreOf(unit, 0)))],
    ["fraction", found((unit) => exact(layer.supportOf(unit, 0) / layer.numSamples))],
    ["num_positives", found((unit) => layer.supportOf(unit, 0))],
  ];
  const [q, heldOut, interval] = ["q", "heldOut", "interval"].map((name) => layer.evidence(name));
  if (q) columns.push(["q_value", (unit) => exact(q[unit])]);
  const [precision, hits] = ["averagePrecision", "precisionAtTop"].map((name) => layer.evidence(name));
  if (hits) {
    const { isHeldOut, precisionAt } = layer.data.evidence;
    const prefix = isHeldOut ? "held_out_" : "";
    columns.push([`${prefix}average_precision`, (unit) => exact(precision[unit])]);
    columns.push([`${prefix}precision_at_${precisionAt}`, (unit) => exact(hits[unit])]);
  }
  if (layer.data.evidence.notes) columns.push(["label_notes", (unit) => harmless(layer.notesOf(unit).join("; "))]);
  if (heldOut) columns.push(["held_out_score", (unit) => exact(heldOut[unit])]);
  if (interval) {
    columns.push(["held_out_low", (unit) => exact(interval[2 * unit])]);
    columns.push(["held_out_high", (unit) => exact(interval[2 * unit + 1])]);
  }
  return columns;
}

function columnsOf(layer) {
  const shares = (unit) => layer.supportOf(unit, 0) / layer.numSamples;
  const hasFormula = (unit) => layer.supportOf(unit, 0) > 0;
  const columns = [
    {
      key: "unit", label: "Unit", hint: "Number of the unit in its layer",
      value: (unit) => layer.neurons[unit],
      cell: (unit) => make("a", { href: layer.hash(unit), tabindex: "-1" }, String(layer.neurons[unit])),
    },
  ];
  if (layer.data.names) {
    columns.push({
      key: "label", label: "Name", value: (unit) => layer.nameOf(unit),
      cell: (unit) => make("bdi", { title: layer.nameOf(unit) }, layer.nameOf(unit)),
    });
  }
  if (layer.behavior && samples.hasImages) {
    columns.push({
      key: "pictures", label: layer.isNegative ? "Lowest on" : "Highest on",
      cell: (unit) => samplesOf(layer, unit, "top").slice(0, 5).map((each) => samples.image(each.sample, 36)),
    });
  }
  columns.push({
    key: "words", label: "Formula", hint: "What the unit responds to",
    value: (unit) => layer.words(unit),
    cell: (unit) => {
      if (!hasFormula(unit)) return make("span", { class: "none" }, statusWords(layer.statusOf(unit)));
      const node = formulaNode(layer, layer.formula(unit));
      node.title = layer.words(unit);
      return node;
    },
  }, {
    key: "score", label: layer.scoreName, hint: "How well the unit tells where the formula holds; 0.5 is no relation",
    descending: !layer.isNegative, value: (unit) => layer.scoreOf(unit, 0),
    cell: (unit) => meter(layer.scoreOf(unit, 0)),
  });
  const heldOut = layer.evidence("heldOut");
  const interval = layer.evidence("interval");
  if (heldOut) {
    columns.push({
      key: "heldout", label: "Held out", hint: "The same on samples that the search has not seen, with its 95% interval",
      descending: !layer.isNegative, value: (unit) => heldOut[unit],
      cell: (unit) => [score(heldOut[unit]), interval && !Number.isNaN(interval[2 * unit])
        ? make("small", {}, ` ${interval[2 * unit].toFixed(2)}–${interval[2 * unit + 1].toFixed(2)}`) : ""],
    });
  }
  if (heldOut && layer.searched > 1) {
    const byLength = layer.evidence("byLength");
    columns.push({
      key: "bylength", label: "By length", hint: "Held out, of the best formula of at most 1, 2, ... literals",
      cell: (unit) => Array.from(byLength.subarray(unit * layer.searched, (unit + 1) * layer.searched), share2).join(" "),
    });
  }
  const [precision, hits] = ["averagePrecision", "precisionAtTop"].map((name) => layer.evidence(name));
  if (hits) {
    const end = layer.isNegative ? "lowest" : "highest";
    columns.push({
      key: "top", label: `${layer.isNegative ? "Low" : "Top"} ${layer.data.evidence.numHighest}`, descending: true,
      hint: `Share of the ${end}${layer.data.evidence.isHeldOut ? " held-out" : ""} samples where the formula holds`,
      value: (unit) => hits[unit], cell: (unit) => share2(hits[unit]),
    }, {
      key: "ap", label: "AP", hint: "Average precision of the formula down the samples", descending: true,
      value: (unit) => precision[unit], cell: (unit) => share2(precision[unit]),
    });
  }
  const q = layer.evidence("q");
  if (q) {
    columns.push({
      key: "q", label: "q", hint: "Share of false labels among those at least as good",
      value: (unit) => q[unit],
      cell: (unit) => (Number.isNaN(q[unit]) ? "" : q[unit].toPrecision(2)),
    });
  }
  columns.push({
    key: "share", label: "Holds on", hint: "Share of the samples where the formula holds", descending: true,
    value: (unit) => (hasFormula(unit) ? shares(unit) : NaN),
    cell: (unit) => (hasFormula(unit) ? percent(shares(unit)) : ""),
  }, {
    key: "status", label: "Status", hint: "Whether the label is to be used",
    value: (unit) => layer.statusOf(unit),
    cell: (unit) => [make("span", { class: `badge ${layer.statusOf(unit)}` }, statusWords(layer.statusOf(unit))), notesMark(layer, unit)],
  });
  return columns;
}

// That there are notes on a label; the card has them in full.
function notesMark(layer, unit) {
  const codes = new Set(layer.notesOf(unit).map((note) => note.split(": ", 1)[0]));
  const words = Array.from(codes, (code) => NOTES[code][0]).join(", ");
  return codes.size ? make("span", { class: "badge note", title: words, "aria-label": words }, `! ${codes.size}`) : null;
}

// A score with a bar from one half.
function meter(value) {
  if (Number.isNaN(value)) return "";
  const bar = make("span", { class: "fill" });
  bar.style.width = `${200 * Math.abs(value - 0.5)}%`;
  return [make("span", { class: "value" }, score(value)), make("span", { class: "meter", "aria-hidden": "true" }, bar)];
}
