// How a chart is moved: wheel, fingers, Shift and drag, keys. A drag alone selects what to zoom to, which uPlot does.

import { announce } from "./dom.js";

const WHEEL = 1.0015; // factor for each pixel of the wheel
const ZOOM = 0.7;
const JUMP = 10; // places that Shift and an arrow go

/** Listen on a chart's board. */
export function listenToMoves(chart) {
  const { board } = chart;
  board.addEventListener("wheel", (event) => wheel(chart, event), { passive: false });
  board.addEventListener("keydown", (event) => key(chart, event));
  board.addEventListener("pointerdown", () => board.focus({ preventScroll: true }));
  board.addEventListener("blur", () => chart.plot && chart.cursorTo(null));
  listenToFingers(chart);
}

/** Beside the chart the wheel scrolls the page; in a chart that was clicked, and with Ctrl in any, it zooms. */
function wheel(chart, event) {
  const sideways = event.shiftKey ? event.deltaY || event.deltaX : Math.abs(event.deltaX) > Math.abs(event.deltaY) ? event.deltaX : 0;
  const isMeant = event.ctrlKey || event.metaKey || sideways || document.activeElement === chart.board;
  if (!chart.plot || !isMeant) return;
  event.preventDefault();
  const pixels = event.deltaMode === 0 ? 1 : 24;
  if (sideways) chart.pan((pixels * sideways) / chart.area.width);
  else chart.zoom(WHEEL ** (pixels * event.deltaY * (event.ctrlKey ? 4 : 1)), placeOf(chart, event));
}

function placeOf(chart, event) {
  return chart.plot.posToVal(event.clientX - chart.plot.over.getBoundingClientRect().left, "x");
}

const KEYS = {
  ArrowLeft: (chart, event) => step(chart, event.shiftKey ? -JUMP : -1),
  ArrowRight: (chart, event) => step(chart, event.shiftKey ? JUMP : 1),
  Home: (chart) => step(chart, -Infinity),
  End: (chart) => step(chart, Infinity),
  PageUp: (chart) => chart.pan(-0.5),
  PageDown: (chart) => chart.pan(0.5),
  "+": (chart) => chart.zoom(ZOOM),
  "=": (chart) => chart.zoom(ZOOM),
  "-": (chart) => chart.zoom(1 / ZOOM),
  0: (chart) => chart.reset(),
  Escape: (chart) => chart.cursorTo(null),
};

function key(chart, event) {
  if (!chart.plot || event.ctrlKey || event.metaKey || event.altKey || !(event.key in KEYS)) return;
  event.preventDefault();
  KEYS[event.key](chart, event);
}

/** Go to another place; from nowhere to the last that is seen. What is there is said aloud. */
function step(chart, by) {
  const { x } = chart.spec;
  const [low, high] = chart.view;
  const [first, last] = [x.findIndex((at) => at >= low), x.findLastIndex((at) => at <= high)];
  const to = Number.isFinite(by) ? (chart.cursor ?? last - by) + by : by < 0 ? first : last;
  const place = Math.min(Math.max(to, 0), x.length - 1);
  const beyond = x[place] < low ? x[place] - low : Math.max(0, x[place] - high);
  if (beyond) chart.setView(low + beyond, high + beyond);
  queueMicrotask(() => {
    // once the view is another
    chart.cursorTo(place);
    announce(chart.legend.sentence);
  });
}

/** One finger goes along, two zoom; up and down still scroll the page. A mouse pans with Shift. */
function listenToFingers(chart) {
  const down = new Map(); // where each finger is
  const { board } = chart;
  const end = (event) => down.delete(event.pointerId);
  board.addEventListener("pointerdown", (event) => {
    if (chart.plot && (event.pointerType !== "mouse" || event.shiftKey)) down.set(event.pointerId, event.clientX);
  });
  window.addEventListener("pointermove", (event) => {
    if (!down.has(event.pointerId) || !chart.plot) return;
    const before = [...down.values()];
    down.set(event.pointerId, event.clientX);
    follow(chart, before, [...down.values()]);
  });
  for (const kind of ["pointerup", "pointercancel"]) window.addEventListener(kind, end);
}

function follow(chart, before, after) {
  const { left, width } = chart.plot.over.getBoundingClientRect();
  const [low, high] = chart.view;
  const toX = (pixel) => low + ((pixel - left) / width) * (high - low);
  if (after.length === 1) return chart.pan((before[0] - after[0]) / width);
  const [was, is] = [Math.abs(before[0] - before[1]), Math.abs(after[0] - after[1])];
  if (is > 0) chart.zoom(was / is, toX((after[0] + after[1]) / 2));
}
