// Colours for what is drawn on a canvas: those of the style sheet, which knows the theme.

const read = new Map();
window.addEventListener("theme", () => read.clear()); // heard before charts hear it: this module is loaded first

/** Return the value of a custom property such as "--forecast", as it is in this theme. */
export function colour(name) {
  if (!read.has(name)) read.set(name, getComputedStyle(document.documentElement).getPropertyValue(name).trim());
  return read.get(name);
}
