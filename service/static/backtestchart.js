// One series, and what two models would have said of it at each cutoff.

import { timeLabels, timeTicks } from "./axes.js";
import { colour } from "./colours.js";
import { fill, make, makeTable } from "./dom.js";
import { isCalendar, number, places } from "./format.js";
import { Plot, numberAxis } from "./plot.js";
import { moment } from "./wording.js";

const BEFORE = 4; // as many values before the first cutoff as horizons

/** A chart of the end of a series with the backtests of two models, and a table behind it. */
export class BacktestChart {
  /**
   * @param {HTMLElement} place  is filled
   * @param {object} series  unique_id, ds, y
   * @param {{model: object, ofSeries: object}} first
   * @param {{model: object, ofSeries: object}} second
   */
  constructor(place, series, first, second) {
    this.names = [first, second].map(({ model }) => model.name);
    this.said = [first, second].map(({ ofSeries }) => byTime(ofSeries.forecasts));
    this.cutoffs = new Set(first.ofSeries.forecasts.map(({ cutoff }) => String(cutoff)));
    const begin = Math.max(0, firstCutoff(series, this.cutoffs) - BEFORE * first.ofSeries.h);
    this.ds = series.ds.slice(begin);
    this.y = series.y.slice(begin);
    this.at = places(this.ds);
    const drawn = make("div.plot", { role: "img", "aria-label": `${series.unique_id}: what came, and what ${this.names.join(" and ")} would have said` });
    fill(place, make("h3", {}, series.unique_id), this.key(), drawn, this.table());
    this.plot = new Plot(drawn, () => this.options(), 300);
    this.plot.show([this.at, this.y, ...this.said.map((said) => this.ds.map((label) => said.get(String(label)) ?? null))]);
  }

  key() {
    const item = (kind, text) => make("li", {}, make(`span.swatch.${kind}`, { "aria-hidden": "true" }), text);
    return make("ul.plain.key", {}, item("simple", "what came"), item("model", this.names[0]), item("other", `${this.names[1]} (dashed)`));
  }

  options() {
    return {
      scales: { x: { time: false } },
      cursor: { drag: { x: false, y: false }, y: false },
      legend: { show: true },
      axes: [this.timeAxis(), numberAxis("", { axis: { size: 58 } })],
      series: [
        { label: "Time", value: (_, at) => (at === null ? "" : moment(this.ds[this.at.indexOf(at)] ?? "")) },
        { label: "what came", stroke: colour("--observed"), width: 1.5, points: { show: false }, value: shown },
        { label: this.names[0], stroke: colour("--forecast"), width: 2, points: { size: 5 }, value: shown },
        { label: this.names[1], stroke: colour("--backtest"), width: 2, dash: [6, 4], points: { size: 5 }, value: shown },
      ],
      hooks: { drawClear: [(chart) => this.drawCutoffs(chart)] },
    };
  }

  timeAxis() {
    const axis = numberAxis("", { whole: true });
    if (!isCalendar(this.ds)) return axis;
    const ticks = (chart, low, high) => timeTicks(low, high, Math.max(2, Math.floor(chart.width / 110)));
    return {
      ...axis,
      size: 46,
      splits: (chart, _, low, high) => ticks(chart, low, high).at,
      values: (chart, at) => timeLabels(at, ticks(chart, chart.scales.x.min, chart.scales.x.max).unit),
    };
  }

  drawCutoffs(chart) {
    const { ctx, bbox } = chart;
    ctx.save();
    ctx.strokeStyle = colour("--edge");
    ctx.setLineDash([3 * devicePixelRatio, 4 * devicePixelRatio]);
    this.ds.forEach((label, k) => {
      if (!this.cutoffs.has(String(label))) return;
      const x = Math.round(chart.valToPos(this.at[k], "x", true)) + 0.5;
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
    });
    ctx.restore();
  }

  table() {
    const rows = this.ds.flatMap((label, k) => {
      const said = this.said.map((each) => each.get(String(label)));
      return said.every((value) => value === undefined) ? [] : [[moment(label, true), number(this.y[k]), ...said.map(number)]];
    });
    const head = ["Time", "What came", ...this.names];
    const region = make("div.wide.tall", { role: "region", "aria-label": "Backtests", tabindex: 0 }, makeTable("What came, and what was said before", head, rows));
    return make("details", {}, make("summary", {}, "The chart as a table"), region);
  }

  end() {
    this.plot.end();
  }
}

function shown(_, value) {
  return value === null ? "–" : number(value);
}

function firstCutoff(series, cutoffs) {
  return Math.max(0, series.ds.findIndex((label) => cutoffs.has(String(label))));
}

/** Return what a model said by time; where cutoffs overlap, the newest says it. */
function byTime(forecasts) {
  const said = new Map();
  for (const { ds, LSTM } of forecasts) ds.forEach((label, k) => said.set(String(label), LSTM[k]));
  return said;
}
