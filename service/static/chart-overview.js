// All of a chart in a strip below it: where what is seen lies in the whole, to be moved with mouse or finger. The
// buttons and keys of the chart do the same, so that for them alone it is not there.

import { rangeOf } from "./chart-frame.js";
import { colour } from "./colours.js";
import { make } from "./dom.js";

const HEIGHT = 44;
const GRIP = 12; // pixels around an end of the window that take hold of that end

/**
 * Return the strip of a chart.
 *
 * @param {import("./chart.js").Chart} chart
 */
export function chartOverview(chart) {
  const canvas = make("canvas.chart-overview", { "aria-hidden": "true" });
  const draw = () => chart.spec && drawOverview(canvas, chart);
  for (const event of ["chart-shown", "chart-view"]) chart.element.addEventListener(event, draw);
  window.addEventListener("theme", draw);
  new ResizeObserver(draw).observe(canvas);
  listen(canvas, chart);
  return canvas;
}

function drawOverview(canvas, chart) {
  const width = canvas.clientWidth;
  canvas.hidden = isAllSeen(chart);
  if (!width) return;
  canvas.width = width * devicePixelRatio;
  canvas.height = HEIGHT * devicePixelRatio;
  const ctx = canvas.getContext("2d");
  ctx.scale(devicePixelRatio, devicePixelRatio);
  const [first, last] = chart.whole;
  const toX = (x) => ((x - first) / (last - first)) * width;
  drawWindow(ctx, chart.view.map(toX));
  const { lines, x } = chart.spec;
  const [low, high] = rangeOf(lines);
  const toY = (y) => HEIGHT - 4 - ((y - low) / (high - low || 1)) * (HEIGHT - 8);
  for (const line of lines.filter((one) => !one.dash)) drawLine(ctx, x.map(toX), line.y.map((y) => (y === null ? null : toY(y))), colour(line.colour));
}

function isAllSeen({ first, whole }) {
  return first[0] <= whole[0] && first[1] >= whole[1];
}

function drawWindow(ctx, [left, right]) {
  ctx.fillStyle = colour("--wash");
  ctx.fillRect(left, 0, right - left, HEIGHT);
  ctx.fillStyle = colour("--accent");
  for (const end of [left, right - 2]) ctx.fillRect(end, 0, 2, HEIGHT);
}

function drawLine(ctx, xs, ys, stroke) {
  ctx.strokeStyle = stroke;
  ctx.lineWidth = 1;
  ctx.beginPath();
  let isDown = false;
  ys.forEach((y, place) => {
    if (y !== null) (isDown ? ctx.lineTo : ctx.moveTo).call(ctx, xs[place], y);
    isDown = y !== null;
  });
  ctx.stroke();
}

/** Take hold of the window, or of one of its ends; elsewhere the window comes to where it is pressed. */
function listen(canvas, chart) {
  let held = null;
  const toX = (event) => {
    const [first, last] = chart.whole;
    return first + ((event.clientX - canvas.getBoundingClientRect().left) / canvas.clientWidth) * (last - first);
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    held = holdAt(canvas, chart, toX(event));
  });
  canvas.addEventListener("pointermove", (event) => held && chart.setView(...held(toX(event))));
  for (const kind of ["pointerup", "pointercancel"]) canvas.addEventListener(kind, () => (held = null));
}

function holdAt(canvas, chart, at) {
  const [low, high] = chart.view;
  const grip = (GRIP * (chart.whole[1] - chart.whole[0])) / canvas.clientWidth;
  if (Math.abs(at - low) < grip / 2) return (x) => [Math.min(x, high), high];
  if (Math.abs(at - high) < grip / 2) return (x) => [low, Math.max(x, low)];
  const isInside = at > low && at < high;
  const half = (high - low) / 2;
  const shift = isInside ? at - low : half;
  if (!isInside) chart.setView(at - half, at + half);
  return (x) => [x - shift, x - shift + high - low];
}
