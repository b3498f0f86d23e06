// What a section says of the file at hand, and what it offers where there is none.

import { fill, make, showProblem } from "./dom.js";
import { openSource } from "./forecast.js";
import { count } from "./format.js";
import { samples } from "./source.js";
import { get } from "./store.js";

/**
 * Say at a place which file is at hand, or where to get one.
 *
 * @param {HTMLElement} place
 * @param {string} verb  such as "It learns from"
 * @param {string} [head]  what is meant of a file of which the page knows the first rows alone
 */
export function fileLine(place, verb, head = "the whole file") {
  const table = get("table");
  if (!table?.series.length) return fill(place, "First ", make("a", { href: "#forecast" }, "open a file"), ".");
  const { found, source, isHead } = table;
  const many = isHead ? head : count(found.series.length, "series");
  return fill(place, `${verb} `, make("strong", {}, source.name), ` (${many}).`);
}

/**
 * Offer what there can be done where no file is at hand.
 *
 * @param {HTMLElement} place
 * @param {string} text  what it is for
 */
export function offerFile(place, text) {
  const problem = make("div");
  const button = (sample) => make("button", { type: "button", onclick: () => open(sample, problem) }, sample.title);
  const actions = make("p.actions", {}, make("a.button.primary", { href: "#forecast" }, "Open a file"), ...samples().map(button));
  return fill(place, make("p", {}, text), actions, problem);
}

async function open(sample, place) {
  try {
    openSource(await sample.open());
  } catch (problem) {
    showProblem(place, problem);
  }
}
