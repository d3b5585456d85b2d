"use strict";

// What the page was given. Names of concepts and units are data: they reach the document
// as text nodes alone, never as markup.

const ARRAYS = { u1: Uint8Array, u2: Uint16Array, i4: Int32Array, f4: Float32Array, f8: Float64Array };

function unpack(packed) {
  if (!packed) return null;
  if (!packed.values) {
    const text = atob(packed.data);
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
    packed.values = new ARRAYS[packed.type](bytes.buffer);
    packed.data = null;
  }
  return packed.values;
}

function readJson(id) {
  const element = document.getElementById(id);
  const value = JSON.parse(element.textContent);
  element.textContent = "";
  return value;
}

function make(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

const wholeNumber = new Intl.NumberFormat("en-US");
const whole = (value) => wholeNumber.format(value);
const score = (value) => (Number.isNaN(value) ? "" : value.toFixed(4));
const signed = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(4)}`;
const plural = (count, noun) => `${whole(count)} ${noun}${count === 1 ? "" : "s"}`;

function percent(part) {
  const value = 100 * part;
  if (value === 0 || value >= 99.95) return `${value.toFixed(0)}%`;
  return `${value >= 10 ? value.toFixed(1) : value.toPrecision(2)}%`;
}

// A round share, as on an axis: 20%, 0.05%.
const roundPercent = (part) => `${Number((100 * part).toPrecision(3))}%`;

// A step of 1, 2 or 5 times a power of ten that cuts a range into at most so many.
function roundStep(range, most) {
  const power = 10 ** Math.floor(Math.log10(range / most));
  return [1, 2, 5, 10].map((each) => each * power).find((step) => range / step <= most * 1.0001);
}

function number(value) {
  if (value === 0 || !Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  const text = size >= 1e5 || size < 1e-3 ? value.toExponential(1) : value.toPrecision(3);
  return text.replace(/(\.\d*?)0+(?=e|$)/, "$1").replace(/\.(?=e|$)/, "").replace("-", "−");
}

class Layer {
  constructor(data, at) {
    this.data = data;
    this.at = at;
    this.name = data.name;
    this.neurons = unpack(data.neurons);
    this.size = this.neurons.length;
    this.numSamples = data.numSamples;
    [, this.steps, this.beam, this.length] = data.literals.shape;
    this.concepts = data.concepts;
    this.behavior = data.behavior;
    this.placeOf = new Map(Array.from(this.neurons, (neuron, place) => [neuron, place]));
  }

  slot(unit, rank = 0, step = this.steps - 1) {
    return (unit * this.steps + step) * this.beam + rank;
  }

  // The literals of a formula, [concept, negated, operator before it].
  formula(unit, rank, step) {
    const slot = this.slot(unit, rank, step);
    const literals = unpack(this.data.literals);
    const bits = unpack(this.data.operators)[slot];
    let count = 0;
    while (count < this.length && literals[slot * this.length + count] > 0) count++;
    return Array.from({ length: count }, (_, place) => {
      const literal = literals[slot * this.length + place] - 1;
      const isOr = place > 0 && (bits >> (count - 1 - place)) & 1;
      return [literal >> 1, literal & 1, place === 0 ? "" : isOr ? "OR" : "AND"];
    });
  }

  scoreOf(unit, rank, step) { return unpack(this.data.scores)[this.slot(unit, rank, step)]; }
  supportOf(unit, rank, step) { return unpack(this.data.supports)[this.slot(unit, rank, step)]; }
  statusOf(unit) { return this.data.statuses[unpack(this.data.status)[unit]]; }
  evidence(name) { return unpack(this.data.evidence[name]); }
  nameOf(unit) { return this.data.names ? this.data.names[unit] : String(this.neurons[unit]); }

  title(unit) {
    const neuron = String(this.neurons[unit]);
    return this.nameOf(unit) === neuron ? `Unit ${neuron}` : `Unit ${neuron}: ${this.nameOf(unit)}`;
  }

  words(unit, rank, step) {
    const parts = tokens(this, this.formula(unit, rank, step));
    return parts.map((each, at) => (each.kind !== "close" && at && parts[at - 1].kind !== "open" ? " " : "") + each.text).join("");
  }

  hash(unit) {
    const layer = page.numLayers > 1 ? `${encodeURIComponent(this.name)}/` : "";
    return `#${layer}unit-${this.neurons[unit]}`;
  }

  // What a search looks through: the number and name of the unit, the formula, and the
  // synonyms of its concepts.
  haystack(unit) {
    this.texts ??= new Array(this.size);
    if (this.texts[unit] === undefined) {
      const formula = this.formula(unit);
      const synonyms = formula.flatMap(([concept]) => this.concepts[concept].synonyms || []);
      this.texts[unit] = [
        this.neurons[unit], this.nameOf(unit), this.words(unit), ...synonyms,
      ].join(" ").toLowerCase();
    }
    return this.texts[unit];
  }
}

// The signs, names and brackets of ((l1 o l2) o l3) ..., with brackets where AND would
// otherwise bind before the OR on its left.
function tokens(layer, formula) {
  let result = [];
  let last = "";
  for (const [concept, negated, operator] of formula) {
    if (operator === "AND" && last === "OR") {
      result = [{ kind: "open", text: "(" }, ...result, { kind: "close", text: ")" }];
    }
    if (operator) result.push({ kind: "sign", text: operator });
    if (negated) result.push({ kind: "sign", text: "NOT" });
    result.push({ kind: "name", text: layer.concepts[concept].name, concept, negated });
    last = operator || last;
  }
  return result;
}

// A sign stays on the line of its name, so that a line breaks before AND and OR.
function formulaNode(layer, formula, onconcept) {
  const node = make("span", { class: "formula" });
  let group = make("span", { class: "literal" });
  for (const token of tokens(layer, formula)) {
    if (token.kind === "sign") {
      if (token.text !== "NOT" && group.hasChildNodes()) {
        node.append(group, " ");
        group = make("span", { class: "literal" });
      }
      group.append(make("span", { class: "sign" }, token.text), " ");
    } else if (token.kind === "name") {
      const text = make("bdi", { class: token.negated ? "name negated" : "name" }, token.text);
      group.append(!onconcept ? text : make("button", {
        type: "button", class: "concept", title: "Units that name this concept",
        onclick: () => onconcept(token.concept),
      }, text));
    } else {
      group.append(make("span", { class: "bracket" }, token.text));
    }
  }
  node.append(group);
  return node;
}

const STATUS_WORDS = {
  labeled: "labeled",
  chance: "chance",
  constant: "always the same",
  no_candidate: "no formula fits",
};
const statusWords = (status) => STATUS_WORDS[status] || status.replaceAll("_", " ");
