// Buttons for what wheel, fingers and keys do with a chart.

import { make } from "./dom.js";

const ZOOM = 0.6;
const PAN = 0.5;

/**
 * Return a bar of buttons for a chart.
 *
 * @param {import("./chart.js").Chart} chart
 * @param {{log?: boolean}} [options]  log: also a switch between a linear and a logarithmic axis
 * @returns {HTMLElement}  with a method `setLogReason(reason)`: a text says why a logarithmic axis is not offered, null offers
 *   it; it returns whether the axis is to be one
 */
export function chartTools(chart, { log = true } = {}) {
  const bar = make("div.chart-tools", { role: "group", "aria-label": "View of the chart" });
  bar.append(
    tool("←", "Earlier", () => chart.pan(-PAN)),
    tool("→", "Later", () => chart.pan(PAN)),
    tool("−", "Zoom out", () => chart.zoom(1 / ZOOM)),
    tool("+", "Zoom in", () => chart.zoom(ZOOM)),
    tool("Reset", "Reset the view", () => chart.reset()),
    tool("All", "See all times", () => chart.seeAll()),
  );
  const axis = logSwitch(chart);
  if (log) bar.append(axis);
  bar.setLogReason = (reason) => {
    axis.disabled = reason !== null;
    axis.title = reason ?? "Logarithmic axis: equal ratios have equal height";
    return !axis.disabled && axis.getAttribute("aria-pressed") === "true";
  };
  return bar;
}

function tool(text, label, onclick) {
  return make("button.tool", { type: "button", "aria-label": label, title: label, onclick: () => void onclick() }, text);
}

function logSwitch(chart) {
  const press = () => {
    const isOn = axis.getAttribute("aria-pressed") !== "true";
    axis.setAttribute("aria-pressed", String(isOn));
    chart.setLog(isOn);
  };
  const axis = make("button.tool", { type: "button", "aria-pressed": "false", onclick: press }, "Log");
  return axis;
}
