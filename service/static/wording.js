// Frequencies, moments, lengths of time and sizes, in words.

import { count } from "./format.js";

const UNITS = {
  YS: ["years", "Yearly"],
  QS: ["quarters", "Quarterly"],
  MS: ["months", "Monthly"],
  W: ["weeks", "Weekly"],
  D: ["days", "Daily"],
  B: ["business days", "Business days"],
  h: ["hours", "Hourly"],
  min: ["minutes", "Minutely"],
  s: ["seconds", "Secondly"],
};
const SAME = { YE: "YS", Y: "YS", A: "YS", QE: "QS", Q: "QS", ME: "MS", M: "MS", BMS: "MS", BME: "MS", T: "min", H: "h" };
export const MONTHS = [
  "January", "February", "March", "April", "May", "June",
  "July", "August", "September", "October", "November", "December",
];
const LABEL = /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d))?)?/;
const AGO = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

/** Return how many of which unit lie between two values; the unit is its plural and its pace, null for whole steps. */
export function unitOf(alias) {
  const [, times, name] = /^(\d*)([A-Za-z]*)/.exec(String(alias ?? ""));
  return { times: Number(times || 1), unit: UNITS[SAME[name] ?? name] ?? null };
}

/** Return how often a series of this frequency has a value: "Daily", "Every 15 minutes", "Whole steps". */
export function pace(alias) {
  const { times, unit } = unitOf(alias);
  if (unit === null) return "Whole steps";
  return times === 1 ? unit[1] : `Every ${count(times, unit[0])}`;
}

/** Return what steps of this frequency are called: "days"; "steps" where they have no name of their own. */
export function unitName(alias) {
  const { times, unit } = unitOf(alias);
  return unit === null || times !== 1 ? "steps" : unit[0];
}

/** Return a number of steps of this frequency: "14 days", "8 steps of 15 minutes". */
export function span(steps, alias) {
  const { times, unit } = unitOf(alias);
  if (unit === null) return count(steps, "steps");
  return times === 1 ? count(steps, unit[0]) : `${count(steps, "steps")} of ${count(times, unit[0])}`;
}

/**
 * Return a timestamp as people say it: "12 March 2013", "12 March 2013, 14:30"; "step 27" for a whole number.
 *
 * @param {(string|number)} label  as the service writes it
 * @param {boolean} [brief]  for the side of a chart: "12 Mar 2013"
 */
export function moment(label, brief = false) {
  const [found, year, month, day, hour, minute, second] = LABEL.exec(String(label)) ?? [];
  if (!found) return brief ? String(label) : `step ${label}`;
  const name = MONTHS[month - 1];
  const date = `${Number(day)} ${brief ? name.slice(0, 3) : name} ${year}`;
  const clock = hour === undefined ? "" : `${hour}:${minute}${second && second !== "00" ? `:${second}` : ""}`;
  return clock && (clock !== "00:00" || !brief) ? `${date}, ${clock}` : date;
}

/** Return such as "1 to 14 Jan 2014": what two times have in common is said once. */
export function between(first, last) {
  const [from, to] = [moment(first, true), moment(last, true)].map((text) => text.split(" "));
  if (first === last) return to.join(" ");
  if (from.length !== 3 || to.length !== 3) return `${from.join(" ")} to ${to.join(" ")}`;
  const kept = from[2] !== to[2] ? 3 : from[1] !== to[1] ? 2 : 1;
  return `${from.slice(0, kept).join(" ")} to ${to.join(" ")}`;
}

/** Return how long ago an instant was: "3 minutes ago". */
export function ago(instant) {
  const seconds = (new Date(instant) - Date.now()) / 1000;
  for (const [unit, size] of [["day", 86_400], ["hour", 3_600], ["minute", 60]]) {
    if (-seconds >= size) return AGO.format(Math.ceil(seconds / size), unit);
  }
  return -seconds < 10 ? "just now" : AGO.format(Math.round(seconds), "second");
}

/** Return an instant in the reader's own time: "21 Nov 2026, 22:48". */
export function instant(text) {
  return new Date(text).toLocaleString("en-GB", { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" });
}

/** Return a length of time: "4.2 s", "3 min 20 s", "1 h 5 min". */
export function lasting(seconds) {
  if (seconds < 10) return `${Math.max(0.1, seconds).toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3_600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3_600)} h ${Math.floor((whole % 3_600) / 60)} min`;
}

/** Return how large something is: "1.2 MB". */
export function size(bytes) {
  if (bytes < 1_000) return `${bytes} B`;
  const [amount, unit] = bytes < 1_000_000 ? [bytes / 1_000, "kB"] : [bytes / 1_000_000, "MB"];
  return `${amount < 10 ? amount.toFixed(1) : Math.round(amount)} ${unit}`;
}
