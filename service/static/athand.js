// What a section says of the file at hand, and what it offers where there is none.

import { fill, make } from "./dom.js";
import { count } from "./format.js";
import { get } from "./store.js";

/**
 * Say at a place which file is at hand, or where to get one.
 *
 * @param {HTMLElement} place
 * @param {string} verb  such as "It learns from"
 */
export function fileLine(place, verb) {
  const table = get("table");
  if (table === null) return fill(place, "First ", make("a", { href: "#forecast" }, "open a file"), ".");
  const { found, source, isHead } = table;
  const many = isHead ? "the whole file" : count(found.series.length, "series");
  return fill(place, `${verb} `, make("strong", {}, source.name), ` (${many}).`);
}

/** Offer what there can be done where no file is at hand. */
export function offerFile(place, text) {
  return fill(place, make("p", {}, text), make("p.actions", {}, make("a.button.primary", { href: "#forecast" }, "Open a file")));
}
