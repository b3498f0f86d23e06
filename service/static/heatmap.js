// One heat map: units over time, a colour for each number, drawn on a canvas below a chart whose time axis it shares.

import { fill, make } from "./dom.js";
import { gradient, shadeAt, shades } from "./ramps.js";

const ROW = 3; // pixels of a unit; fewer where there are many units
const [LOWEST, HIGHEST] = [120, 208];

/** A heat map with its title, its legend and the sentence about the cell at the cursor. */
export class HeatMap {
  /**
   * @param {object} what
   * @param {string} what.name  in the answer of /v1/explain
   * @param {string} what.title
   * @param {string} what.meaning  what it says, in a few words
   * @param {"share"|"signed"} what.ramp
   * @param {boolean} [what.open]  whether its range is that of its values; else 0 to 1, or -1 to 1
   */
  constructor(what) {
    this.what = what;
    this.canvas = make("canvas", { "aria-hidden": "true" });
    this.column = make("div.cross-column");
    this.row = make("div.cross-row");
    this.mark = make("div.cross-mark");
    this.board = make("div.heat-board", {}, this.canvas, this.column, this.row, this.mark);
    this.legend = make("div.heat-legend");
    this.sentence = make("p.heat-says");
    const title = make("h3", {}, what.title, make("span.hint", {}, ` ${what.meaning}`));
    this.element = make("div.heat", { dataset: { gate: what.name } }, make("div.heat-head", {}, title, this.legend), this.board, this.sentence);
  }

  /**
   * Show other numbers.
   *
   * @param {(number|null)[][]} values  a row for each unit, as the service sent them
   * @param {number[]} order  units from top to bottom
   */
  show(values, order) {
    Object.assign(this, { values, order });
    const most = values.flat().reduce((largest, value) => Math.max(largest, Math.abs(value ?? 0)), 0);
    const end = this.what.open ? most || 1 : 1;
    this.range = this.what.ramp === "share" ? [0, 1] : [-end, end];
    this.element.drawn = { values, order, range: this.range }; // for tests
    this.height = Math.round(Math.min(HIGHEST, Math.max(LOWEST, ROW * order.length)));
    this.board.style.height = `${this.height}px`;
    this.showLegend();
  }

  showLegend() {
    const [low, high] = this.range;
    const isShare = this.what.ramp === "share";
    const bar = make("span.heat-ramp");
    bar.style.backgroundImage = gradient(this.what.ramp);
    const end = (value) => make("span", {}, isShare ? `${100 * value} %` : value.toFixed(this.what.open ? 2 : 0).replace("-", "−"));
    fill(this.legend, end(low), bar, end(high));
  }

  /**
   * Draw all cells.
   *
   * @param {number[]} edges  left ends of the columns, and the right end of the last, in pixels from the left of the board
   * @param {[number, number]} area  where cells may lie
   */
  paint(edges, area) {
    const scale = window.devicePixelRatio;
    const [width, pixels] = [this.board.clientWidth, (value) => Math.round(value * scale)];
    Object.assign(this, { edges, area });
    this.canvas.width = pixels(width);
    this.canvas.height = pixels(this.height);
    const context = this.canvas.getContext("2d");
    context.beginPath();
    context.rect(pixels(area[0]), 0, pixels(area[1]) - pixels(area[0]), this.canvas.height);
    context.clip();
    const colours = shades(this.what.ramp);
    this.order.forEach((unit, place) => {
      const top = pixels(this.topOf(place));
      const tall = pixels(this.topOf(place + 1)) - top;
      this.values[unit].forEach((value, step) => {
        if (value === null) return;
        context.fillStyle = colours[shadeAt(value, ...this.range)];
        const left = pixels(edges[step]);
        context.fillRect(left, top, pixels(edges[step + 1]) - left, tall);
      });
    });
  }

  topOf(place) {
    return (place * this.height) / this.order.length;
  }

  /** Put the cross on a cell. */
  point(step, unit) {
    const place = this.order.indexOf(unit);
    const [left, right] = [Math.max(this.edges[step], this.area[0]), Math.min(this.edges[step + 1], this.area[1])];
    const top = this.topOf(place);
    this.column.hidden = right <= left; // it is not in view
    this.column.style.left = `${left}px`;
    this.column.style.width = `${right - left}px`;
    this.row.style.top = `${top - 1}px`;
    this.row.style.height = `${this.topOf(place + 1) - top + 2}px`;
    this.row.style.left = `${this.area[0]}px`;
    this.row.style.width = `${this.area[1] - this.area[0]}px`;
    this.mark.textContent = unit;
    this.mark.style.top = `${(top + this.topOf(place + 1)) / 2}px`;
    this.mark.style.width = `${this.area[0] - 6}px`;
  }

  /** Return the cell at a place of the screen: its step and its unit. */
  cellAt(clientX, clientY) {
    const box = this.board.getBoundingClientRect();
    const x = Math.min(Math.max(clientX - box.left, this.area[0]), this.area[1] - 0.01);
    const place = Math.floor(((clientY - box.top) / this.height) * this.order.length);
    const step = this.edges.findIndex((edge, k) => x >= edge && x < (this.edges[k + 1] ?? -Infinity));
    return { step: Math.max(0, step), unit: this.order[Math.min(Math.max(place, 0), this.order.length - 1)] };
  }
}
