// What the page knows: one object for all sections. Whoever cares about a name is told when it changes.

/**
 * @typedef {object} Known
 * @property {?import("./table.js").Source} source  the file at hand
 * @property {?import("./table.js").Table} table  what was found in it
 * @property {number} chosen  place of the chosen series in `table.series`
 * @property {object} options  how to forecast: h (null: as the model is trained), level, model, season
 * @property {object[]} models  as /v1/models lists them
 */

/** @type {Known} */
const known = {
  source: null,
  table: null,
  chosen: 0,
  options: { h: null, level: [80, 95], model: null, season: null },
  models: [],
};

const listeners = [];

/** Return what is known by a name. */
export function get(name) {
  return known[name];
}

/** Take over changes, and tell those who care. */
export function set(changes) {
  Object.assign(known, changes);
  const names = Object.keys(changes);
  for (const [cares, listener] of listeners) if (names.some((name) => cares.includes(name))) listener(changes);
}

/** Have `listener` called after one of `names` has changed. */
export function onChange(names, listener) {
  listeners.push([names, listener]);
}
