// The legend of a chart, beside it in the page: what is drawn, and the values at the cursor. Each entry is a switch.

import { colour } from "./colours.js";
import { fill, make } from "./dom.js";
import { number } from "./format.js";

export class ChartLegend {
  constructor(chart, hint) {
    this.chart = chart;
    this.hint = hint;
    this.when = make("span.chart-when");
    this.entries = make("div.chart-entries", { role: "group", "aria-label": "Shown in the chart" });
    this.element = make("div.chart-legend", {}, this.when, this.entries);
    this.values = [];
  }

  /** Show what there is. */
  show() {
    const { decimals, spec: { lines, bands } } = this.chart;
    const shown = [...lines.map((line) => [line, "line", (at) => value(line.y[at], decimals)]), ...bands.map((band) => [band, "band", (at) => between(band, at, decimals)])];
    this.values = shown.map(([, , read]) => ({ read, place: make("span.chart-value") }));
    fill(this.entries, ...shown.map(([what, kind], k) => this.#entry(what, kind, this.values[k].place)));
    this.tellValues();
  }

  #entry({ label, colour: name, dash }, kind, place) {
    const swatch = make(`span.swatch.${kind}`, { "aria-hidden": "true" });
    if (dash) swatch.classList.add("dashed");
    swatch.style.color = colour(name);
    const isShown = !this.chart.hidden.has(label);
    const toggle = { type: "button", "aria-pressed": String(isShown), title: isShown ? `Hide: ${label}` : `Show: ${label}` };
    return make("button.chart-entry", { ...toggle, onclick: () => this.#toggle(label) }, swatch, make("span", {}, label), place);
  }

  #toggle(label) {
    this.chart.toggle(label);
    const again = [...this.entries.children].find((entry) => entry.children[1].textContent === label);
    again?.focus();
  }

  /** Show the values at the cursor. */
  tellValues() {
    const { cursor, spec } = this.chart;
    this.element.classList.toggle("reading", cursor !== null);
    this.when.textContent = cursor === null ? this.hint : String(spec.labels[cursor]);
    for (const { read, place } of this.values) place.textContent = cursor === null ? "" : read(cursor);
  }

  /** Return what a screen reader is told at the cursor. */
  get sentence() {
    const { cursor, spec } = this.chart;
    if (cursor === null) return "";
    const parts = [...this.entries.children].map((entry, k) => [entry.children[1].textContent, this.values[k].read(cursor)]);
    const known = parts.filter(([, text]) => text).map(([label, text]) => `${label} ${text}`);
    return `${spec.labels[cursor]}: ${known.join(", ") || "no value"}`;
  }
}

function value(y, decimals) {
  return y === null || y === undefined ? "" : number(y, decimals);
}

function between({ low, high }, at, decimals) {
  return low[at] === null ? "" : `${number(low[at], decimals)} to ${number(high[at], decimals)}`;
}
