// A chart of lines and bands over time, drawn by uPlot, that can be looked at with a mouse, a finger or the keyboard.
//
//   const chart = new Chart(place, { label: "Chart of the forecast" });
//   chart.show({ name: "shop", x, labels, calendar: true, lines: [{ label: "Observed", y, colour: "--observed" }] });
//   place.append(chartTools(chart));                       // chart-tools.js: buttons to zoom, pan and reset
//   place.append(chartTable(chart, "Values of the chart")); // chart-table.js: the table behind it
//
// chart.element tells by events: "chart-view" (detail {low, high}: what is seen has changed), "chart-cursor" (detail
// {place}: index into x, or null), "chart-painted" (what was shown last is on the canvas), "chart-shown" (other data).
// For tests chart.element.drawn holds what is drawn: {name, x, labels, lines: {label: y}, bands: {label: {low, high}},
// view: [low, high], log}.

import { axesOf, decimalsOf, scalesOf } from "./chart-frame.js";
import { ChartLegend } from "./chart-legend.js";
import { listenToMoves } from "./chart-moves.js";
import { paintAbove, paintBelow } from "./chart-paint.js";
import { colour } from "./colours.js";
import { make } from "./dom.js";

/**
 * @typedef {object} Line
 * @property {string} label
 * @property {(number|null)[]} y  one for each x; null is a gap, and is drawn as one
 * @property {string} colour  name of a custom property, such as "--forecast"
 * @property {number} [width]  pixels; default: 2
 * @property {number[]} [dash]
 * @property {[number, number]} [from]  a point (x, y) that the line grows out of; it is drawn and is no datum
 */

/**
 * @typedef {object} Band
 * @property {string} label
 * @property {(number|null)[]} low
 * @property {(number|null)[]} high
 * @property {string} colour
 * @property {[number, number]} [from]  as of a line
 */

/**
 * @typedef {object} Spec
 * @property {string} name  what is shown, such as the series' id
 * @property {number[]} x  ascending: places of format.places, or any numbers
 * @property {(string|number)[]} [labels]  how each x is called; default: x
 * @property {boolean} [calendar]  whether x are seconds of a clock on the wall
 * @property {boolean} [whole]  whether x are whole steps, so that no tick lies between them
 * @property {Line[]} lines
 * @property {Band[]} [bands]
 * @property {{x: number, label: string}[]} [marks]  upright lines
 * @property {[number, number]} [view]  what of x is seen at first; default: all
 * @property {boolean} [log]  logarithmic values
 */

const FEWEST_STEPS = 3; // that can be zoomed in to

export class Chart {
  /**
   * @param {HTMLElement} place  which it is put into
   * @param {object} options
   * @param {string} options.label  what a screen reader calls it
   * @param {number} [options.axisWidth]  pixels of the value axis, where other things stand below each other
   * @param {string} [options.hint]  what the legend says while there is no cursor
   */
  constructor(place, { label, axisWidth = null, hint = "Point at the chart to read values" }) {
    this.axisWidth = axisWidth;
    this.spec = null;
    this.plot = null;
    this.decimals = -Infinity; // with which values are told apart
    this.hidden = new Set(); // labels of lines and bands that are switched off
    this.board = make("div.chart-board", {
      tabindex: "0",
      role: "application",
      "aria-roledescription": "chart",
      "aria-label": label,
      "aria-keyshortcuts": "ArrowLeft ArrowRight Home End + - 0",
    });
    this.legend = new ChartLegend(this, hint);
    this.element = make("div.chart", {}, this.legend.element, this.board);
    Object.defineProperty(this.element, "drawn", { get: () => this.drawn });
    place.append(this.element);
    listenToMoves(this);
    new ResizeObserver(() => this.resize()).observe(this.board);
    window.addEventListener("theme", () => this.plot && (this.legend.show(), this.plot.redraw(false)));
  }

  /** Show other data; with `keepView` the same stretch of x is seen, where it still holds any. */
  show(spec, { keepView = false } = {}) {
    const before = this.plot && keepView ? this.view : null;
    this.spec = { labels: spec.x, calendar: false, whole: false, bands: [], marks: [], log: false, ...spec };
    this.decimals = decimalsOf(this.spec.lines);
    this.plot?.destroy();
    this.plot = new window.uPlot(this.#options(), this.#data(), this.board);
    const [low, high] = before && this.#holdsAny(before) ? before : this.first;
    this.plot.setScale("x", { min: low, max: high });
    this.element.dataset.name = String(spec.name);
    this.legend.show();
    this.#tell("chart-shown");
  }

  /** What of x is seen, from low to high. */
  get view() {
    const { min, max } = this.plot.scales.x;
    return [min, max];
  }

  /** What of x can be seen at all. */
  get whole() {
    const { x } = this.spec;
    return [x[0] - this.step / 2, x.at(-1) + this.step / 2];
  }

  /** What of x is seen at first. */
  get first() {
    return this.spec.view ?? this.whole;
  }

  /** The usual distance between two x. */
  get step() {
    const { x } = this.spec;
    return x.length > 1 ? (x.at(-1) - x[0]) / (x.length - 1) : 1;
  }

  /** See another stretch of x, as far as there is one. */
  setView(low, high) {
    const [first, last] = this.whole;
    const width = Math.min(Math.max(high - low, FEWEST_STEPS * this.step), last - first);
    const begin = Math.min(Math.max(low, first), last - width);
    this.plot.setScale("x", { min: begin, max: begin + width });
  }

  /** See less (a factor below 1) or more, around a place that stays where it is; default: the cursor, or the middle. */
  zoom(factor, around = this.#centre()) {
    const [low, high] = this.view;
    this.setView(around - (around - low) * factor, around + (high - around) * factor);
  }

  /** Go along by a share of what is seen. */
  pan(share) {
    const [low, high] = this.view;
    this.setView(low + share * (high - low), high + share * (high - low));
  }

  /** See what was seen at first. */
  reset() {
    this.setView(...this.first);
  }

  /** See all there is. */
  seeAll() {
    this.setView(...this.whole);
  }

  /** Draw values on a logarithmic axis, or on a linear one. */
  setLog(log) {
    this.show({ ...this.spec, log }, { keepView: true });
  }

  /** Switch a line or a band on or off. */
  toggle(label) {
    if (!this.hidden.delete(label)) this.hidden.add(label);
    this.#places(label).forEach((place) => this.plot.setSeries(place, { show: !this.hidden.has(label) }));
    this.legend.show();
  }

  /** Put the cursor on a place in x, or away with null. */
  cursorTo(place) {
    const left = place === null ? -10 : this.plot.valToPos(this.spec.x[place], "x");
    this.plot.setCursor({ left, top: left < 0 ? -10 : this.plot.over.clientHeight / 2 });
  }

  /** Where the cursor is: a place in x, or null. */
  get cursor() {
    return this.plot && this.plot.cursor.left >= 0 ? (this.plot.cursor.idx ?? null) : null;
  }

  /** Where values are drawn, in pixels from the left of the element. */
  get area() {
    const { left, width } = this.plot.over.getBoundingClientRect();
    return { left: left - this.element.getBoundingClientRect().left, width };
  }

  get drawn() {
    if (!this.spec) return null;
    const { name, x, labels, lines, bands, log } = this.spec;
    const named = (all, what) => Object.fromEntries(all.map((one) => [one.label, what(one)]));
    return {
      name,
      x,
      labels,
      lines: named(lines, (line) => line.y),
      bands: named(bands, ({ low, high }) => ({ low, high })),
      view: this.view,
      log,
    };
  }

  /** Fit the drawing to the room there is. */
  resize() {
    const { clientWidth: width, clientHeight: height } = this.board;
    if (this.plot && width && (width !== this.plot.width || height !== this.plot.height)) this.plot.setSize({ width, height });
  }

  #options() {
    const { clientWidth: width, clientHeight: height } = this.board;
    return {
      width: width || 600,
      height: height || 300,
      padding: [14, 12, 0, 0],
      legend: { show: false },
      scales: scalesOf(this.spec),
      axes: axesOf(this.spec, this.axisWidth),
      series: [{ label: "x" }, ...this.spec.lines.map((line) => this.#line(line)), ...this.spec.bands.flatMap((band) => this.#edges(band))],
      cursor: {
        y: false,
        drag: { x: true, y: false, setScale: false, dist: 6 },
        points: { show: (plot, at) => at <= this.spec.lines.length && make("div") },
        bind: { mousedown: unlessPanned, dblclick: () => () => void this.reset() },
      },
      hooks: {
        drawAxes: [(plot) => paintBelow(plot, this.spec, this.hidden)],
        draw: [(plot) => (paintAbove(plot, this.spec, this.hidden), this.#tell("chart-painted"))],
        setCursor: [() => (this.legend.tellValues(), this.#tell("chart-cursor", { place: this.cursor }))],
        setScale: [(plot, scale) => scale === "x" && this.#seen()],
        setSelect: [(plot) => this.#zoomTo(plot)],
      },
    };
  }

  #line({ label, colour: name, width = 2, dash }) {
    return { label, stroke: () => colour(name), width, dash, points: { show: false }, show: !this.hidden.has(label) };
  }

  /** The ends of a band are series, so that values fit on the axis; paintBelow draws what is between them. */
  #edges({ label }) {
    const edge = { stroke: "transparent", width: 0, paths: () => null, points: { show: false }, show: !this.hidden.has(label) };
    return [{ ...edge, label: `${label} low` }, { ...edge, label: `${label} high` }];
  }

  #data() {
    const { x, lines, bands, log } = this.spec;
    const columns = [...lines.map((line) => line.y), ...bands.flatMap(({ low, high }) => [low, high])];
    return [x, ...(log ? columns.map(aboveZero(lines)) : columns)];
  }

  #places(label) {
    const { lines, bands } = this.spec;
    const line = lines.findIndex((one) => one.label === label);
    const band = bands.findIndex((one) => one.label === label);
    return [...(line < 0 ? [] : [1 + line]), ...(band < 0 ? [] : [0, 1].map((end) => 1 + lines.length + 2 * band + end))];
  }

  #centre() {
    const [low, high] = this.view;
    const at = this.cursor === null ? null : this.spec.x[this.cursor];
    return at !== null && at >= low && at <= high ? at : (low + high) / 2;
  }

  #holdsAny([low, high]) {
    return this.spec.x.some((x) => x >= low && x <= high);
  }

  #seen() {
    const [low, high] = this.view;
    this.#tell("chart-view", { low, high });
  }

  #zoomTo(plot) {
    const { left, width } = plot.select;
    if (!width) return;
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    this.setView(plot.posToVal(left, "x"), plot.posToVal(left + width, "x"));
  }

  #tell(name, detail = {}) {
    this.element.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

/** On a logarithmic axis an end of a band at or below zero lies at the lower edge of what the lines take. */
function aboveZero(lines) {
  const positive = lines.flatMap((line) => line.y).filter((y) => y > 0);
  const least = positive.reduce((low, y) => Math.min(low, y), Infinity) / 2;
  return (column) => column.map((y) => (y === null || y > 0 ? y : least));
}

/** With Shift a drag pans (chart-moves.js), so that uPlot does not begin to select. */
function unlessPanned(plot, target, handler) {
  return (event) => (event.button === 0 && !event.shiftKey ? handler(event) : null);
}
