// Numbers and times as people read them, and as charts place them.

const PLAIN = new Intl.NumberFormat("en", { maximumSignificantDigits: 4 });
const ROUGH = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
const WHOLE = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const LABEL = /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d(?:\.\d+)?))?)?(Z|[+-]\d\d:\d\d)?$/;

/** Return a value with four digits that matter; thousands whole. */
export function number(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  return (Math.abs(value) >= 1_000 ? WHOLE : PLAIN).format(value);
}

/** Return a value as a sentence says it, with three digits that matter. */
export function roughly(value) {
  return (Math.abs(value) >= 1_000 ? WHOLE : ROUGH).format(value);
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
 * Offsets from UTC count from the first one's, so that the axis reads as the data do and never goes back.
 *
 * @param {(string|number)[]} labels  as the service writes them
 * @param {(string|number)} [origin]  the label whose offset counts; default: the first
 */
export function places(labels, origin = labels[0]) {
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
