// The table behind a chart: every value that is seen in it, for those who would rather read, or cannot see it.

import { fill, make, makeTable } from "./dom.js";
import { count, number } from "./format.js";

const MOST_ROWS = 2_000;

/**
 * Return a table of what is seen in a chart, made when it is opened and kept in step with the chart from then on.
 *
 * @param {import("./chart.js").Chart} chart
 * @param {string} summary  what it is opened by
 * @returns {HTMLDetailsElement}
 */
export function chartTable(chart, summary) {
  const place = make("div.wide.chart-rows", { tabindex: "0", role: "region", "aria-label": summary });
  const box = make("details.chart-table", {}, make("summary", {}, summary), place);
  let waiting = 0;
  const write = () => {
    cancelAnimationFrame(waiting);
    if (box.open && chart.plot) waiting = requestAnimationFrame(() => fill(place, ...tableOf(chart)));
  };
  box.addEventListener("toggle", write);
  for (const event of ["chart-view", "chart-shown"]) chart.element.addEventListener(event, write);
  return box;
}

function tableOf(chart) {
  const { x, labels, name } = chart.spec;
  const [low, high] = chart.view;
  const places = [...x.keys()].filter((place) => x[place] >= low && x[place] <= high);
  const kept = places.slice(-MOST_ROWS);
  const columns = columnsOf(chart.spec);
  const rows = kept.map((place) => [String(labels[place]), ...columns.map(([, y]) => number(y[place], chart.decimals))]);
  const more = kept.length < places.length ? ` These are the last ${count(kept.length, "rows")}; zoom in to read earlier ones.` : "";
  return [makeTable(`${name}: ${count(places.length, "steps")} that the chart shows.${more}`, ["Time", ...columns.map(([label]) => label)], rows)];
}

function columnsOf({ lines, bands }) {
  return [
    ...lines.map(({ label, y }) => [label, y]),
    ...bands.flatMap(({ label, low, high }) => [
      [`${label}, from`, low],
      [`${label}, to`, high],
    ]),
  ];
}
