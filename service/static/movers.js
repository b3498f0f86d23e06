// Which units moved most before the forecast.

import { colour } from "./colours.js";
import { fill, make } from "./dom.js";
import { decimal } from "./sentences.js";

const [WIDTH, HEIGHT] = [96, 30];

/**
 * Return the units of a layer, those first whose cell state moved most over its newest steps.
 *
 * @param {object} layer  of /v1/explain
 * @param {number} padding  steps that the network ran over before the first
 */
export function byMovement({ cell_state: cells, movers, movers_steps: steps }, padding) {
  const moved = cells.map((cell) => movement(cell, steps, padding));
  const units = [...cells.keys()].sort((a, b) => moved[b] - moved[a] || a - b);
  const told = movers.map(({ unit }) => unit); // the service knows the first ones to more digits
  return [...told, ...units.filter((unit) => !told.includes(unit))];
}

function movement(cell, steps, padding) {
  const begin = Math.max(0, cell.length - steps);
  let sum = 0;
  for (let k = begin; k < cell.length; k++) {
    const before = k > 0 ? cell[k - 1] : padding === 0 ? 0 : cell[0];
    sum += Math.abs(cell[k] - before);
  }
  return sum;
}

/**
 * List the movers of a layer.
 *
 * @param {HTMLElement} list
 * @param {object} layer  of /v1/explain
 * @param {(unit: number) => void} choose  called when the user chooses one
 */
export function listMovers(list, layer, choose) {
  const line = ({ unit, change, cell_state_before: before, cell_state: after }) =>
    make(
      "li",
      {},
      make(
        "button.mover",
        { type: "button", "aria-pressed": "false", dataset: { unit }, onclick: () => choose(unit) },
        make("span.mover-name", {}, `Unit ${unit}`),
        sparkline(layer.cell_state[unit], layer.movers_steps),
        make("span.mover-says", {}, `${decimal(before)} → ${decimal(after)}, moved ${decimal(change)} in all`),
      ),
    );
  fill(list, ...layer.movers.map(line));
}

/** Mark the mover that is a unit, if one is. */
export function markMover(list, unit) {
  for (const button of list.querySelectorAll("button")) button.setAttribute("aria-pressed", String(Number(button.dataset.unit) === unit));
}

/** Draw a cell state as a small line, its newest steps stronger, with a line at zero. */
function sparkline(values, steps) {
  const scale = window.devicePixelRatio;
  const canvas = make("canvas.spark", { width: WIDTH * scale, height: HEIGHT * scale, "aria-hidden": "true" });
  const context = canvas.getContext("2d");
  context.scale(scale, scale);
  const [low, high] = [Math.min(0, ...values), Math.max(0, ...values)];
  const x = (k) => 2 + (k * (WIDTH - 4)) / Math.max(1, values.length - 1);
  const y = (value) => HEIGHT - 3 - ((value - low) / (high - low || 1)) * (HEIGHT - 6);
  const draw = (from, to, at, stroke, width) => {
    context.beginPath();
    for (let k = from; k < to; k++) context.lineTo(x(k), y(at(k)));
    Object.assign(context, { strokeStyle: colour(stroke), lineWidth: width, lineJoin: "round" });
    context.stroke();
  };
  const begin = Math.max(0, values.length - steps - 1);
  draw(0, values.length, () => 0, "--line", 1);
  draw(0, begin + 1, (k) => values[k], "--edge", 1.25);
  draw(begin, values.length, (k) => values[k], "--forecast", 2);
  return canvas;
}
