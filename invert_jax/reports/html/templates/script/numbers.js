// Numbers as people read them.

const wholeNumber = new Intl.NumberFormat("en-US");
const whole = (value) => wholeNumber.format(value);
const score = (value) => (Number.isNaN(value) ? "" : value.toFixed(4));
const share2 = (value) => (Number.isNaN(value) ? "" : value.toFixed(2));
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
