// To be written.

/** Start the section. */
export function startForecast(view) {}
