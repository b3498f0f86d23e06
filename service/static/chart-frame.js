// Axes and scales of a chart.

import { logTicks, numberTicks, timeLabels, timeTicks, valueLabels } from "./axes.js";
import { colour } from "./colours.js";
import { decimalsFor } from "./format.js";

const FONT = '12px system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif';
const LABEL_WIDTH = { clock: 62, day: 48, month: 52, year: 56 };
const SECOND_LINE = 26; // pixels of it beyond its tick that the chart's edge has no room for
const VALUE_HEIGHT = 44; // pixels between two ticks of the value axis
const MARGIN = 0.08; // of the values' span, above and below them

/** Return uPlot's scales. */
export function scalesOf({ log }) {
  return {
    x: { time: false, auto: true },
    y: { auto: true, distr: log ? 3 : 1, log: 10, range: (plot, low, high) => (log ? logRange(low, high) : range(low, high)) },
  };
}

function range(low, high) {
  if (low === null || !Number.isFinite(low)) return [0, 1];
  if (low === high) return [low - (Math.abs(low) || 1) / 2, high + (Math.abs(high) || 1) / 2];
  const margin = MARGIN * (high - low);
  const bottom = low >= 0 && low - margin < 0.15 * high ? 0 : low - margin; // near zero an axis begins at zero
  return [bottom, high <= 0 && high + margin > 0.15 * low ? 0 : high + margin];
}

function logRange(low, high) {
  if (!(low > 0)) return [0.1, 1];
  const margin = low === high ? 2 : (high / low) ** MARGIN;
  return [low / margin, high * margin];
}

/** Return uPlot's axes; `size` fixes the width of the value axis. */
export function axesOf(spec, size) {
  const shared = { stroke: () => colour("--soft"), font: FONT, grid: { stroke: () => colour("--grid"), width: 1 }, ticks: { show: false } };
  const [splits, values] = spec.calendar ? calendar() : numbers(spec);
  return [
    { ...shared, splits, values, size: spec.calendar ? 48 : 30, gap: 8, grid: { show: false }, ticks: { ...ticks(), size: 5 } },
    { ...shared, splits: valueTicks(spec), values: (plot, at) => valueLabels(at), filter: (plot, at) => at, gap: 8, size: size ?? widthOf },
  ];
}

function ticks() {
  return { show: true, stroke: () => colour("--edge"), width: 1 };
}

function calendar() {
  let unit = "day";
  const splits = (plot, axis, low, high) => {
    const room = plot.over.clientWidth || plot.width;
    const guess = timeTicks(low, high, room / LABEL_WIDTH.day);
    const found = timeTicks(low, high, room / LABEL_WIDTH[guess.unit]);
    unit = found.unit;
    return found.at;
  };
  return [splits, (plot, at) => uncut(plot, at, timeLabels(at, unit))];
}

/** The second line of the last label is left out where it would leave the chart. */
function uncut(plot, at, labels) {
  const { width } = plot.bbox;
  if (!width || !at.length) return labels;
  const room = width / devicePixelRatio - plot.valToPos(at.at(-1), "x");
  return room > SECOND_LINE ? labels : [...labels.slice(0, -1), labels.at(-1).split("\n")[0]];
}

function numbers({ whole }) {
  const splits = (plot, axis, low, high) => numberTicks(low, high, (plot.over.clientWidth || plot.width) / 64, { whole });
  return [splits, (plot, at) => at.map(String)]; // steps may be years
}

function valueTicks({ log }) {
  return (plot, axis, low, high) => (log ? logTicks : numberTicks)(low, high, (plot.over.clientHeight || plot.height) / VALUE_HEIGHT);
}

function widthOf(plot, labels) {
  const longest = (labels ?? []).reduce((most, label) => Math.max(most, label.length), 3);
  return 18 + 7 * longest;
}

/** Return the least and the largest value of some lines. */
export function rangeOf(lines) {
  let [low, high] = [Infinity, -Infinity];
  for (const { y } of lines) {
    for (const value of y) {
      if (value === null) continue;
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
  }
  return [low, high];
}

/** Return with how many decimals the values of some lines are told apart. */
export function decimalsOf(lines) {
  const [low, high] = rangeOf(lines);
  return decimalsFor(high - low);
}
