// To be written.

/** Start the section. */
export function startModels(view) {}
