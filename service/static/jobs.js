// To be written.

/** Start the section. */
export function startJobs(view) {}
