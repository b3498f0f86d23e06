// Numbers and times as people read them, and as charts place them.

const WHOLE = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const DIGITS = 4; // that matter
const MOST_DIGITS = 12;
const [TINY, HUGE] = [1e-6, 1e15]; // beyond them zeros would be all that is seen
const LABEL = /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d(?:\.\d+)?))?)?(Z|[+-]\d\d:\d\d)?$/;

/** Return a value with four digits that matter; thousands whole. What needs more `decimals` has up to as many. */
export function number(value, decimals = -Infinity) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  return written(value, DIGITS, decimals);
}

/** Return a value as a sentence says it, with three digits that matter. */
export function roughly(value) {
  return written(value, DIGITS - 1, -Infinity);
}

/** Return how many decimals values need that differ by so much. */
export function decimalsFor(span) {
  return span > 0 ? DIGITS - 1 - Math.floor(Math.log10(span)) : -Infinity;
}

function written(value, digits, decimals) {
  const size = Math.abs(value);
  const exponent = size > 0 ? Math.floor(Math.log10(size)) : 0;
  const kept = Math.min(Math.max(digits, exponent + 1 + decimals), MOST_DIGITS);
  const isPlain = size === 0 || (size >= TINY && size < HUGE);
  if (!isPlain) return Number(value.toPrecision(kept)).toExponential().replace("e+", "e");
  return withDecimals(Math.max(0, kept - 1 - exponent)).format(value);
}

const formats = [];

function withDecimals(most) {
  return (formats[most] ??= new Intl.NumberFormat("en", { maximumFractionDigits: most }));
}

/** Return such as "1,204 series" or "1 step"; `noun` is the plural. */
export function count(amount, noun) {
  return `${WHOLE.format(amount)} ${amount === 1 && noun !== "series" ? noun.replace(/s$/, "") : noun}`;
}

/** Return such as "23.4 %", from a share of one. */
export function percent(share) {
  return share === null || share === undefined ? "–" : `${number(100 * share)} %`;
}

/**
 * Return where timestamps lie on an axis: seconds of a clock on the wall, or the whole numbers that they are.
 *
 * All count with the offset from UTC that one of them has, so that the axis never goes back: the last one's, since the
 * newest times are looked at. On the other side of a change of the clocks it is an hour off.
 *
 * @param {(string|number)[]} labels  as the service writes them
 * @param {(string|number)} [origin]  the label whose offset counts; default: the last
 */
export function places(labels, origin = labels.at(-1)) {
  if (typeof labels[0] === "number") return labels.slice();
  const shift = offset(origin);
  return labels.map((label) => instant(label) + shift);
}

function instant(label) {
  const [, year, month, day, hour = 0, minute = 0, second = 0] = LABEL.exec(label) ?? [];
  return Date.UTC(year, month - 1, day, hour, minute) / 1000 + Number(second) - offset(label);
}

function offset(label) {
  const zone = LABEL.exec(label)?.[7] ?? "Z";
  if (zone === "Z") return 0;
  const [hours, minutes] = zone.slice(1).split(":").map(Number);
  return (zone[0] === "-" ? -60 : 60) * (60 * hours + minutes);
}

/** Whether series lie on a calendar; else they count whole steps. */
export function isCalendar(labels) {
  return typeof labels[0] !== "number";
}
