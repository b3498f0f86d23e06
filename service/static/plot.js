// A plain uPlot chart that keeps to the width of its place and to the colours of the theme.

import { numberTicks, valueLabel } from "./axes.js";
import { colour } from "./colours.js";

/* global uPlot */

/** One chart; `options(width)` gives those of uPlot anew where colours or width change. */
export class Plot {
  /**
   * @param {HTMLElement} place
   * @param {() => object} options  of uPlot, without size
   * @param {number} height
   */
  constructor(place, options, height) {
    Object.assign(this, { place, options, height, data: null, chart: null });
    this.watch = new ResizeObserver(() => this.resize());
    this.watch.observe(place);
    this.themed = () => this.draw();
    window.addEventListener("theme", this.themed);
  }

  /** Show data, columns as uPlot takes them. */
  show(data) {
    this.data = data;
    if (this.chart === null) this.draw();
    else this.chart.setData(data);
  }

  draw() {
    const width = this.place.clientWidth;
    if (this.data === null || width === 0) return; // hidden: drawn when it has a width
    this.chart?.destroy();
    this.chart = new uPlot({ width, height: this.height, legend: { show: false }, ...this.options() }, this.data, this.place);
  }

  resize() {
    if (this.chart === null) this.draw();
    else if (this.place.clientWidth > 0) this.chart.setSize({ width: this.place.clientWidth, height: this.height });
  }

  /** Take it away. */
  end() {
    this.watch.disconnect();
    window.removeEventListener("theme", this.themed);
    this.chart?.destroy();
  }
}

/** Return an axis of numbers for uPlot, with its label. */
export function numberAxis(label, more = {}) {
  const [text, line] = [colour("--soft"), colour("--grid")];
  return {
    label,
    labelSize: 20,
    labelFont: "12px system-ui, sans-serif",
    font: "12px system-ui, sans-serif",
    stroke: text,
    grid: { stroke: line, width: 1 },
    ticks: { show: false },
    splits: (chart, side, low, high, _, space) => numberTicks(low, high, 5, more),
    values: (chart, at) => at.map(valueLabel),
    ...more.axis,
  };
}
