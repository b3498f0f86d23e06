// A chart as a picture to keep: with its title, what it says and its legend, in the colours of the page.

import { colour } from "./colours.js";

const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif';
const MARGIN = 24;
const ENTRY = { font: `13px ${FONT}`, swatch: 30, gap: 22, height: 22 }; // of the legend

/**
 * Draw a chart as a picture.
 *
 * @param {import("./chart.js").Chart} chart
 * @param {string} title
 * @param {string} [subtitle]
 * @returns {Promise<Blob>} a PNG
 */
export function chartPicture(chart, title, subtitle = "") {
  const drawing = chart.plot.ctx.canvas;
  const scale = devicePixelRatio;
  const canvas = document.createElement("canvas");
  const ctx = canvas.getContext("2d");
  const lines = wrapped(ctx, subtitle, drawing.width / scale);
  const legend = legendOf(ctx, chart, drawing.width / scale);
  const top = MARGIN + 42 + 20 * lines.length; // of the legend
  const head = top + ENTRY.height * (1 + (legend.at(-1)?.row ?? 0)) + 2;
  canvas.width = drawing.width + 2 * MARGIN * scale;
  canvas.height = drawing.height + (head + MARGIN) * scale;
  ctx.scale(scale, scale);
  ctx.fillStyle = colour("--card");
  ctx.fillRect(0, 0, canvas.width, canvas.height);
  write(ctx, title, MARGIN, MARGIN, `600 20px ${FONT}`, "--text", drawing.width / scale);
  lines.forEach((line, k) => write(ctx, line, MARGIN, MARGIN + 30 + 20 * k, `14px ${FONT}`, "--soft"));
  for (const entry of legend) drawEntry(ctx, entry, top);
  ctx.drawImage(drawing, MARGIN, head, drawing.width / scale, drawing.height / scale);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

function write(ctx, text, x, y, font, name, most) {
  ctx.font = font;
  ctx.textBaseline = "top";
  ctx.fillStyle = colour(name);
  ctx.fillText(text, x, y, most);
}

function wrapped(ctx, text, most) {
  ctx.font = `14px ${FONT}`;
  const lines = [""];
  for (const word of text.split(" ")) {
    const longer = `${lines.at(-1)} ${word}`.trim();
    if (lines.at(-1) && ctx.measureText(longer).width > most) lines.push(word);
    else lines[lines.length - 1] = longer;
  }
  return lines.filter(Boolean);
}

/** Return what is seen in a chart, each with its place: in as many rows as it takes. */
function legendOf(ctx, { spec, hidden }, most) {
  ctx.font = ENTRY.font;
  let [x, row] = [0, 0];
  return [...spec.lines, ...spec.bands].filter(({ label }) => !hidden.has(label)).map((what) => {
    const width = ENTRY.swatch + ctx.measureText(what.label).width;
    if (x > 0 && x + width > most) [x, row] = [0, row + 1];
    const entry = { what, x, row };
    x += width + ENTRY.gap;
    return entry;
  });
}

function drawEntry(ctx, { what: { label, colour: name, dash, low }, x, row }, top) {
  const [left, y] = [MARGIN + x, top + ENTRY.height * row];
  if (low) {
    ctx.fillStyle = colour(name);
    ctx.fillRect(left, y + 1, 22, 12);
  } else drawStroke(ctx, colour(name), dash, left, y + 7);
  write(ctx, label, left + ENTRY.swatch, y, ENTRY.font, "--text");
}

function drawStroke(ctx, stroke, dash, x, y) {
  ctx.strokeStyle = stroke;
  ctx.lineWidth = 2.5;
  ctx.setLineDash(dash ?? []);
  ctx.beginPath();
  ctx.moveTo(x, y);
  ctx.lineTo(x + 22, y);
  ctx.stroke();
  ctx.setLineDash([]);
}
