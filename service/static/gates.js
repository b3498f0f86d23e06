// To be written.

/** Start the section. */
export function startGates(view) {}
