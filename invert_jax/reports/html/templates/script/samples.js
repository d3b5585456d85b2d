// Samples of a unit: images where the page has them, else ids, and where the unit fires.

const HEAT_SIDE = 112;

class Samples {
  constructor(page) {
    this.atOnce = page.imagesAtOnce;
    this.placeOf = new Map(Array.from(unpack(page.images), (sample, place) => [sample, place]));
    this.chunks = new Map();
    this.hasImages = this.placeOf.size > 0;
    document.documentElement.classList.toggle("pixelated", page.pixelated);
    this.ids = null;
    if (page.ids) {
      this.ids = new Map(Array.from(unpack(page.ids.samples), (sample, at) => [sample, page.ids.ids[at]]));
    }
  }

  idOf(sample) { return String(this.ids && this.ids.has(sample) ? this.ids.get(sample) : sample); }

  url(sample) {
    const place = this.placeOf.get(sample);
    if (place === undefined) return null;
    const chunk = Math.floor(place / this.atOnce);
    if (!this.chunks.has(chunk)) this.chunks.set(chunk, readJson(`images-${chunk}`));
    return this.chunks.get(chunk)[place % this.atOnce];
  }

  image(sample, size) {
    const url = this.url(sample);
    if (!url) return null;
    return make("img", { src: url, alt: `sample ${this.idOf(sample)}`, width: size, height: size, decoding: "async" });
  }
}

// The samples of one unit: [{sample, value, inside}], highest or lowest first.
function samplesOf(layer, unit, which) {
  const behavior = layer.behavior;
  if (!behavior) return [];
  const count = behavior[which].shape[1];
  const values = unpack(behavior[`${which}Values`]);
  const inside = unpack(behavior[`${which}Inside`] ?? null);
  const found = [];
  for (let place = 0; place < count; place++) {
    const at = unit * count + place;
    const sample = unpack(behavior[which])[at];
    if (sample >= 0) found.push({ sample, value: values[at], inside: !inside || inside[at] === 1, place });
  }
  return found;
}

// The rest is shaded and the half of the unit's largest value outlined.
function heat(layer, unit, place) {
  const maps = layer.data.maps;
  if (!maps) return null;
  layer.mapPlace ??= new Map(Array.from(unpack(maps.units), (each, at) => [each, at]));
  const at = layer.mapPlace.get(unit);
  if (at === undefined) return null;
  const [, tops, rows, columns] = maps.values.shape;
  const size = rows * columns;
  const start = (at * tops + place) * size;
  const values = unpack(maps.values).subarray(start, start + size);
  const canvas = make("canvas", { width: HEAT_SIDE, height: HEAT_SIDE, class: "heat", "aria-hidden": "true" });
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(HEAT_SIDE, HEAT_SIDE);
  const level = new Float32Array(HEAT_SIDE * HEAT_SIDE);
  for (let y = 0; y < HEAT_SIDE; y++) {
    for (let x = 0; x < HEAT_SIDE; x++) level[y * HEAT_SIDE + x] = between(values, rows, columns, x, y);
  }
  const high = (x, y) => x >= 0 && y >= 0 && x < HEAT_SIDE && y < HEAT_SIDE && level[y * HEAT_SIDE + x] >= 0.5;
  for (let y = 0; y < HEAT_SIDE; y++) {
    for (let x = 0; x < HEAT_SIDE; x++) {
      const at = y * HEAT_SIDE + x;
      const edge = high(x, y) && !(high(x - 2, y) && high(x + 2, y) && high(x, y - 2) && high(x, y + 2));
      pixels.data.set(edge ? [255, 200, 0, 255] : [0, 0, 0, 115 * (1 - Math.min(1, 2 * level[at]))], 4 * at);
    }
  }
  context.putImageData(pixels, 0, 0);
  return canvas;
}

// Linear between the centers of the cells of a map, in [0, 1].
function between(values, rows, columns, x, y) {
  const v = Math.min(rows - 1, Math.max(0, ((y + 0.5) / HEAT_SIDE) * rows - 0.5));
  const u = Math.min(columns - 1, Math.max(0, ((x + 0.5) / HEAT_SIDE) * columns - 0.5));
  const [top, left] = [Math.floor(v), Math.floor(u)];
  const [bottom, right] = [Math.min(rows - 1, top + 1), Math.min(columns - 1, left + 1)];
  const row = (at) => values[at * columns + left] * (1 - u + left) + values[at * columns + right] * (u - left);
  return (row(top) * (1 - v + top) + row(bottom) * (v - top)) / 255;
}

// An image that is not square does not fill its tile; the canvas takes the same part.
function layOver(canvas, image) {
  const largest = Math.max(image.naturalWidth, image.naturalHeight);
  const [width, height] = [image.naturalWidth / largest, image.naturalHeight / largest].map((share) => 100 * share);
  Object.assign(canvas.style, { objectFit: "fill", inset: "auto", width: `${width}%`, height: `${height}%`,
    left: `${(100 - width) / 2}%`, top: `${(100 - height) / 2}%` });
}

function sampleTile(layer, unit, each, which) {
  const image = samples.image(each.sample, HEAT_SIDE);
  const id = samples.idOf(each.sample);
  const overlay = image && which === "top" ? heat(layer, unit, each.place) : null;
  if (overlay) image.addEventListener("load", () => layOver(overlay, image));
  const known = layer.behavior.hasSupport;
  const holds = each.inside ? "the formula holds" : "the formula does not hold";
  const mark = known ? make("span", { class: each.inside ? "mark in" : "mark out", title: holds }, each.inside ? "✓" : "–") : null;
  const picture = image
    ? make("div", { class: "picture" }, image, overlay)
    : make("div", { class: "picture blank" }, make("bdi", {}, id));
  return make("li", { class: known ? (each.inside ? "in" : "out") : "", title: `sample ${id}` },
    picture,
    make("div", { class: "caption" }, mark, make("span", {}, number(each.value)),
      known ? make("span", { class: "unseen" }, `, ${holds}`) : null));
}
