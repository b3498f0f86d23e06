// Frequencies and times in words.

const UNITS = {
  us: "microsecond",
  ms: "millisecond",
  s: "second",
  min: "minute",
  h: "hour",
  D: "day",
  B: "business day",
  W: "week",
  MS: "month",
  ME: "month",
  QS: "quarter",
  QE: "quarter",
  YS: "year",
  YE: "year",
};
const REGULAR = { hour: "hourly", day: "daily", week: "weekly", month: "monthly", quarter: "quarterly", year: "yearly" };
export const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const LABEL = /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d:\d\d)(:\d\d)?)?/;

function unitOf(freq) {
  const [, many = "", alias = ""] = /^(\d*)([A-Za-z]*)/.exec(String(freq ?? "")) ?? [];
  return { many: Number(many) || 1, unit: UNITS[alias] ?? null };
}

/** Return such as "14 days" or "1 step". */
export function steps(amount, freq) {
  const { many, unit } = unitOf(freq);
  const plural = amount === 1 ? "" : "s";
  if (unit === null) return `${amount} step${plural}`;
  return many === 1 ? `${amount} ${unit}${plural}` : `${amount} steps of ${many} ${unit}s`;
}

/** Return such as "days", or "steps" where they have no name of their own. */
export function unitName(freq) {
  const { many, unit } = unitOf(freq);
  return unit === null || many !== 1 ? "steps" : `${unit}s`;
}

/** Return such as "daily" or "every 15 minutes". */
export function rhythm(freq) {
  const { many, unit } = unitOf(freq);
  if (unit === null) return "whole steps";
  return many === 1 ? (REGULAR[unit] ?? `every ${unit}`) : `every ${many} ${unit}s`;
}

/** Return a timestamp as people write it: "1 Jan 2014", "1 Jan 2014 13:00"; whole steps as they are. */
export function when(label) {
  const [, year, month, day, clock, seconds] = LABEL.exec(label) ?? [];
  if (!year) return String(label);
  const tail = clock ? ` ${clock}${seconds && seconds !== ":00" ? seconds : ""}` : "";
  return `${Number(day)} ${MONTHS[month - 1]} ${year}${tail}`;
}

/** Return such as "1 to 14 Jan 2014": what two times have in common is said once. */
export function span(first, last) {
  const [from, to] = [when(first).split(" "), when(last).split(" ")];
  if (from.length !== 3 || to.length !== 3) return `${when(first)} to ${when(last)}`;
  const kept = from[2] !== to[2] ? 3 : from[1] !== to[1] ? 2 : 1;
  return `${from.slice(0, kept).join(" ")} to ${to.join(" ")}`;
}

/** Return such as "1.2 MB". */
export function size(bytes) {
  if (bytes < 1_000) return `${bytes} B`;
  const [amount, unit] = bytes < 1_000_000 ? [bytes / 1_000, "kB"] : [bytes / 1_000_000, "MB"];
  return `${amount < 10 ? amount.toFixed(1) : Math.round(amount)} ${unit}`;
}
