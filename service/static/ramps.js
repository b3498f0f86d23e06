// Colours for numbers. The style sheet has them for both themes, as lists of colours that lie evenly between the ends:
// --ramp-share from 0 to 1, getting stronger; --ramp-signed from minus to plus, strong at both ends, faint at zero. Both
// differ in lightness, so that they can be told apart without seeing red and green as different.

import { colour } from "./colours.js";

const SHADES = 256;

/**
 * Return the colours of a ramp, from one end to the other.
 *
 * @param {"share"|"signed"} name
 * @returns {string[]} 256 of them
 */
export function shades(name) {
  const stops = stopsOf(name).map((text) => [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16)));
  return Array.from({ length: SHADES }, (_, k) => {
    const place = (k / (SHADES - 1)) * (stops.length - 1);
    const [from, share] = [Math.min(Math.floor(place), stops.length - 2), place - Math.min(Math.floor(place), stops.length - 2)];
    return `rgb(${stops[from].map((part, c) => Math.round(part + share * (stops[from + 1][c] - part))).join(" ")})`;
  });
}

/** Return which of the shades stands for a value between two ends. */
export function shadeAt(value, low, high) {
  return Math.round(Math.min(1, Math.max(0, (value - low) / (high - low))) * (SHADES - 1));
}

/** Return a ramp as a background for the legend. */
export function gradient(name) {
  return `linear-gradient(to right, ${stopsOf(name).join(", ")})`;
}

function stopsOf(name) {
  return colour(`--ramp-${name}`).split(/\s+/);
}
