// One series, and what two models would have said of it at each cutoff.

import { medianOf } from "./cell.js";
import { chartTable } from "./chart-table.js";
import { chartTools } from "./chart-tools.js";
import { Chart } from "./chart.js";
import { fill, make } from "./dom.js";
import { isCalendar, places } from "./format.js";
import { moment } from "./wording.js";

const BEFORE = 4; // as many values before the first cutoff as horizons are seen at first

/**
 * Draw a series with the backtests of two models, with a table behind it.
 *
 * @param {HTMLElement} place  is filled
 * @param {{unique_id: string, ds: (string|number)[], y: ?number[]}} series
 * @param {{model: object, ofSeries: object}} first
 * @param {{model: object, ofSeries: object}} second
 */
export function drawBacktests(place, series, first, second) {
  const { forecasts, h } = first.ofSeries;
  const x = places(series.ds);
  const at = new Map(series.ds.map((label, k) => [String(label), k]));
  const cutoffs = forecasts.map(({ cutoff }) => at.get(String(cutoff))).filter((k) => k !== undefined);
  const begin = Math.max(0, Math.min(...cutoffs) - BEFORE * h);
  const line = ({ model, ofSeries }, label, colour, dash) => ({ label: label ?? model.name, y: said(ofSeries.forecasts, series.ds), colour, dash });
  const again = second.model.name === first.model.name ? `${second.model.name} again` : null;
  fill(place, make("h3", {}, `What they would have said of ${series.unique_id}`));
  const chart = new Chart(place, { label: `Backtests of ${series.unique_id}` });
  chart.show({
    name: series.unique_id,
    x,
    labels: series.ds.map((label) => moment(label)),
    calendar: isCalendar(series.ds),
    whole: !isCalendar(series.ds),
    lines: [
      { label: "What came", y: series.y, colour: "--observed", width: 1.5 },
      line(first, null, "--forecast"),
      line(second, again, "--backtest", [6, 4]),
    ],
    marks: cutoffs.map((k, place) => ({ x: x[k], label: place ? "" : "cutoff" })),
    view: [x[begin], x.at(-1)],
  });
  place.append(chartTools(chart, { log: false }), chartTable(chart, "The chart as a table"));
}

/** Return what a model said of each time; where cutoffs overlap, the newest says it. */
function said(forecasts, labels) {
  const found = new Map();
  for (const forecast of forecasts) {
    const values = medianOf(forecast);
    forecast.ds.forEach((label, k) => found.set(String(label), values[k]));
  }
  return labels.map((label) => found.get(String(label)) ?? null);
}
