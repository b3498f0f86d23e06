// Where an axis has its ticks, and what they say. Times are seconds of a clock on the wall, as format.places gives
// them, and are read as UTC: the zone of the browser has no part in it.

import { number } from "./format.js";
import { MONTHS } from "./wording.js";

const [MINUTE, HOUR, DAY] = [60, 3_600, 86_400];
const FIRST_MONDAY = 4 * DAY; // 1970-01-05
const CLOCK = [1, 5, 15, 30, MINUTE, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR];
const DAYS = [DAY, 2 * DAY, 7 * DAY, 14 * DAY];
const YEAR_STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000];
const COMPACT = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 4 });

/**
 * Return the ticks of a calendar axis.
 *
 * @param {number} low
 * @param {number} high
 * @param {number} most  how many there is room for
 * @returns {{at: number[], unit: "clock"|"day"|"month"|"year"}}
 */
export function timeTicks(low, high, most) {
  const fits = (step) => (high - low) / step <= most;
  const clock = CLOCK.find(fits);
  if (clock) return { at: multiples(low, high, clock, 0), unit: "clock" };
  const days = DAYS.find(fits);
  if (days) return { at: multiples(low, high, days, days < 7 * DAY ? 0 : FIRST_MONDAY), unit: "day" };
  const months = [1, 3, 6].find((step) => fits(step * 30.4 * DAY));
  if (months) return { at: monthTicks(low, high, months), unit: "month" };
  const years = YEAR_STEPS.find((step) => fits(step * 365.25 * DAY)) ?? YEAR_STEPS.at(-1);
  return { at: monthTicks(low, high, 12 * years), unit: "year" };
}

/** Counted, so that it ends where numbers are too large for one more step to change them. */
function multiples(low, high, step, origin) {
  const first = Math.ceil((low - origin) / step);
  const many = Math.floor((high - origin) / step) - first + 1;
  return Array.from({ length: Math.max(0, many) }, (_, k) => origin + (first + k) * step);
}

function monthTicks(low, high, step) {
  const first = new Date(low * 1000);
  const begin = 12 * first.getUTCFullYear() + first.getUTCMonth();
  const at = [];
  for (let month = Math.floor(begin / step) * step; ; month += step) {
    const time = new Date(0).setUTCFullYear(Math.floor(month / 12), month % 12, 1) / 1000;
    if (time > high) return at;
    if (time >= low) at.push(time);
  }
}

/** Return what ticks say: the finest part in the first line, what it belongs to in the second, where that changes. */
export function timeLabels(at, unit) {
  const parts = at.map((time) => timeParts(new Date(time * 1000), unit));
  return parts.map(([fine, whole], k) => {
    const isNew = k === 0 ? whole === (parts[1]?.[1] ?? whole) : whole !== parts[k - 1][1]; // two side by side would meet
    return isNew && whole ? `${fine}\n${whole}` : fine;
  });
}

function timeParts(date, unit) {
  const [year, month, day] = [String(date.getUTCFullYear()), MONTHS[date.getUTCMonth()].slice(0, 3), date.getUTCDate()];
  if (unit === "year") return [year, ""];
  if (unit === "month") return [month, year];
  if (unit === "day") return [String(day), `${month} ${year}`];
  const clock = date.toISOString().slice(11, date.getUTCSeconds() ? 19 : 16);
  return [clock, `${day} ${month} ${year}`];
}

/** Return ticks at round numbers; of whole steps, at whole ones. */
export function numberTicks(low, high, most, { whole = false } = {}) {
  const rough = (high - low) / Math.max(1, most);
  if (!(rough > 0) || !Number.isFinite(rough)) return [low];
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((digit) => digit * power).find((each) => each >= rough);
  const taken = whole ? Math.max(1, Math.round(step)) : step;
  return [...new Set(multiples(low, high, taken, 0).map((value) => Number(value.toPrecision(12))))];
}

/** Return ticks of a logarithmic axis: 1, 2 and 5 times powers of ten, or round numbers where it spans too little. */
export function logTicks(low, high, most) {
  const at = [];
  for (let power = Math.floor(Math.log10(low)); 10 ** power <= high; power++) {
    for (const digit of [1, 2, 5]) at.push(Number((digit * 10 ** power).toPrecision(3)));
  }
  const seen = at.filter((value) => value >= low && value <= high);
  if (seen.length < 3) return numberTicks(low, high, most);
  if (seen.length <= 2 * most) return seen;
  const decades = Math.ceil(seen.length / 3 / (2 * most));
  return seen.filter((value) => Number.isInteger(Math.log10(value) / decades));
}

/** Return what ticks at values say: short, if that says it exactly; else as many digits as they have. */
export function valueLabels(at) {
  if (!at.every((value) => value === Number(value.toPrecision(4)))) return at.map((value) => number(value, Infinity));
  return at.map((value) => (isLarge(value) ? COMPACT.format(value) : number(value)));
}

function isLarge(value) {
  return Math.abs(value) >= 100_000 && Math.abs(value) < 1e15;
}
