// What uPlot does not draw: bands, where lines begin, single values between gaps, upright marks.

import { colour } from "./colours.js";

const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif';

/** Below the lines: bands. */
export function paintBelow(plot, spec, hidden) {
  clipped(plot, (ctx) => {
    for (const band of spec.bands) if (!hidden.has(band.label)) paintBand(plot, ctx, spec, band);
  });
}

/** Above the lines: where they begin, single values, marks. */
export function paintAbove(plot, spec, hidden) {
  clipped(plot, (ctx) => {
    for (const line of spec.lines) {
      if (hidden.has(line.label)) continue;
      if (line.from) paintBeginning(plot, ctx, spec, line);
      paintSingles(plot, ctx, spec, line);
    }
    for (const mark of spec.marks) paintMark(plot, ctx, mark);
  });
}

function clipped(plot, paint) {
  const { ctx } = plot;
  const { left, top, width, height } = plot.bbox;
  ctx.save();
  ctx.beginPath();
  ctx.rect(left, top, width, height);
  ctx.clip();
  paint(ctx);
  ctx.restore();
}

function onCanvas(plot, spec) {
  const lowest = plot.scales.y.min;
  const y = (value) => plot.valToPos(spec.log && !(value > 0) ? lowest : value, "y", true);
  return [(value) => plot.valToPos(value, "x", true), y];
}

/** A band in pieces, one between two gaps. */
function paintBand(plot, ctx, spec, band) {
  const [toX, toY] = onCanvas(plot, spec);
  ctx.fillStyle = colour(band.colour);
  let piece = band.from ? [[toX(band.from[0]), toY(band.from[1]), toY(band.from[1])]] : [];
  spec.x.forEach((x, place) => {
    const [low, high] = [band.low[place], band.high[place]];
    if (low !== null && high !== null) piece.push([toX(x), toY(low), toY(high)]);
    else if (piece.length > 1) piece = fillPiece(ctx, piece);
  });
  fillPiece(ctx, piece);
}

function fillPiece(ctx, piece) {
  if (piece.length < 2) return [];
  ctx.beginPath();
  for (const [x, low] of piece) ctx.lineTo(x, low);
  for (const [x, , high] of piece.toReversed()) ctx.lineTo(x, high);
  ctx.closePath();
  ctx.fill();
  return [];
}

function paintBeginning(plot, ctx, spec, { y, from, colour: name, width = 2, dash }) {
  const first = y.findIndex((value) => value !== null);
  if (first < 0) return;
  const [toX, toY] = onCanvas(plot, spec);
  pen(ctx, colour(name), width, dash);
  ctx.beginPath();
  ctx.moveTo(toX(from[0]), toY(from[1]));
  ctx.lineTo(toX(spec.x[first]), toY(y[first]));
  ctx.stroke();
}

/** A value between two gaps makes no line; it is a dot. */
function paintSingles(plot, ctx, spec, { y, colour: name, width = 2 }) {
  const [toX, toY] = onCanvas(plot, spec);
  ctx.fillStyle = colour(name);
  y.forEach((value, place) => {
    if (value === null || (y[place - 1] ?? null) !== null || (y[place + 1] ?? null) !== null) return;
    ctx.beginPath();
    ctx.arc(toX(spec.x[place]), toY(value), 1.4 * width * devicePixelRatio, 0, 2 * Math.PI);
    ctx.fill();
  });
}

function paintMark(plot, ctx, { x, label }) {
  const { left, top, width, height } = plot.bbox;
  const at = Math.round(plot.valToPos(x, "x", true)) + 0.5;
  if (at < left || at > left + width) return;
  pen(ctx, colour("--edge"), 1, [3, 3]);
  ctx.beginPath();
  ctx.moveTo(at, top);
  ctx.lineTo(at, top + height);
  ctx.stroke();
  writeMark(ctx, label, at, top, left + width);
}

function writeMark(ctx, label, at, top, end) {
  const size = 12 * devicePixelRatio;
  ctx.font = `600 ${size}px ${FONT}`;
  ctx.textBaseline = "top";
  const fits = at + ctx.measureText(label).width + size < end;
  ctx.textAlign = fits ? "left" : "right";
  const x = at + (fits ? 0.5 : -0.5) * size;
  ctx.lineWidth = size / 3;
  ctx.setLineDash([]);
  ctx.strokeStyle = colour("--card");
  ctx.strokeText(label, x, top + 2);
  ctx.fillStyle = colour("--soft");
  ctx.fillText(label, x, top + 2);
}

function pen(ctx, stroke, width, dash = []) {
  ctx.strokeStyle = stroke;
  ctx.lineWidth = width * devicePixelRatio;
  ctx.setLineDash(dash.map((length) => length * devicePixelRatio));
}
