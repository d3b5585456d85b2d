"use strict";

// A layer as the page was given it. Names of concepts and units are data: they reach the
// document as text nodes alone, never as markup.

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

class Layer {
  constructor(data, at) {
    this.data = data;
    this.at = at;
    this.name = data.name;
    this.neurons = unpack(data.neurons);
    this.size = this.neurons.length;
    this.numSamples = data.numSamples;
    this.scoreName = data.scoreName;
    this.isNegative = data.sign === "negative";
    // One step more than were searched, of the formulas shown, where those are simpler.
    [, this.steps, this.beam, this.length] = data.literals.shape;
    this.searched = data.maxLength;
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
  notesOf(unit) { return this.data.evidence.notes ? this.data.evidence.notes[unit] : []; }

  // The best formula of all lengths, where the label is a simpler one; else null.
  longest(unit) {
    const step = this.searched - 1;
    const isLabel = this.steps === this.searched || this.words(unit, 0, step) === this.words(unit);
    return isLabel ? null : step;
  }
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
        this.neurons[unit], this.nameOf(unit), this.words(unit), ...synonyms, ...this.notesOf(unit),
      ].join(" ").toLowerCase();
    }
    return this.texts[unit];
  }
}

// What a note says of a label, in a word and in a sentence.
const NOTES = {
  at_bound: ["at the bound", "It holds on hardly more samples than a formula must: with a lower bound the label might be another."],
  idle_literal: ["idle literal", "On held-out samples these literals are worth less than .005:"],
  rarer_concept: ["rarer concept", "On held-out samples this concept, too rare to be searched, fits significantly better:"],
  misses_top: ["misses the top", "It holds on at most one in twenty of the samples to which the unit responds most: it is hardly what the unit is about."],
};

const STATUS_WORDS = {
  labeled: "labeled",
  chance: "chance",
  constant: "always the same",
  no_candidate: "no formula fits",
};
const statusWords = (status) => STATUS_WORDS[status] || status.replaceAll("_", " ");
