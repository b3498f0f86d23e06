// From a series, its forecast and its backtest to what the chart shows.

import { intervalsOf, medianOf } from "./cell.js";
import { isCalendar, places } from "./format.js";

const FEWEST_STEPS = 60; // of history that fits, however short the horizon
const STEP_ROOM = 8; // pixels of a step, at first
const [FEWEST_HORIZONS, MOST_HORIZONS] = [2, 5]; // of history, at first

/**
 * Return what to draw.
 *
 * @param {{unique_id: string, ds: (string|number)[], y: (number|null)[]}} series
 * @param {?object} forecast  of this series, as /v1/forecast answers it
 * @param {?object} backtest  of this series and one cutoff, as /v1/backtest answers it
 * @param {number} room  pixels the chart is wide
 * @returns {import("./chart.js").Spec}
 */
export function drawingOf(series, forecast, backtest, room) {
  const ahead = forecast?.ds ?? [];
  const labels = [...series.ds, ...ahead];
  const x = places(labels, series.ds.at(-1));
  const calendar = isCalendar(labels);
  const last = series.ds.length - 1;
  const lines = [{ label: "Observed", colour: "--observed", y: [...series.y, ...nothing(ahead.length)] }];
  if (backtest) lines.push(backtestLine(series, backtest, x));
  if (forecast) lines.push({ label: "Forecast", colour: "--forecast", width: 2.5, y: [...nothing(last + 1), ...medianOf(forecast)], from: pointAt(x, series.y, last) });
  return {
    name: series.unique_id,
    x,
    labels,
    calendar,
    whole: !calendar,
    lines,
    bands: forecast ? bandsOf(forecast, last + 1, pointAt(x, series.y, last)) : [],
    marks: forecast ? [{ x: x[last], label: "now" }] : [],
    view: viewOf(x, last, ahead.length, room),
  };
}

/** Why an axis cannot be logarithmic, or null. */
export function whyNotLog({ lines }) {
  const low = lines.flatMap((line) => line.y).filter((y) => y !== null && y <= 0).length;
  return low ? `No logarithmic axis: ${low === 1 ? "a value is" : `${low} values are`} zero or below` : null;
}

function nothing(many) {
  return new Array(many).fill(null);
}

/** The last value is where forecasts begin; where it is missing, they begin by themselves. */
function pointAt(x, y, place) {
  return (y[place] ?? null) === null ? null : [x[place], y[place]];
}

function backtestLine({ ds, y }, backtest, x) {
  const at = new Map(ds.map((label, place) => [label, place]));
  const known = [...y.map(() => null), ...nothing(x.length - y.length)];
  const said = medianOf(backtest);
  backtest.ds.forEach((label, step) => (known[at.get(label)] = said[step]));
  return { label: "Backtest", colour: "--backtest", dash: [5, 4], y: known, from: pointAt(x, y, at.get(backtest.cutoff)) };
}

/** The wider ones first, so that the narrower lie on them. */
function bandsOf(forecast, before, from) {
  const ordered = intervalsOf(forecast).sort((one, other) => other.level - one.level);
  return ordered.map(({ level, low, high }, place) => ({
    label: `${level} % interval`,
    colour: place === ordered.length - 1 && place > 0 ? "--band-narrow" : "--band-wide",
    low: [...nothing(before), ...low],
    high: [...nothing(before), ...high],
    from,
  }));
}

/** The newest stretch: what a forecast is compared with by eye. */
function viewOf(x, last, ahead, room) {
  const fitting = Math.round(room / STEP_ROOM) - ahead;
  const seen = Math.max(FEWEST_HORIZONS * ahead, Math.min(fitting, Math.max(MOST_HORIZONS * ahead, FEWEST_STEPS)));
  const begin = last - seen < seen / 2 ? 0 : last - seen; // a little more is all
  const half = x.length > 1 ? (x.at(-1) - x[0]) / (x.length - 1) / 2 : 0.5;
  return [x[begin] - half, x.at(-1) + half];
}
