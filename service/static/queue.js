// Files that are too large for one request become jobs.

import { ask } from "./api.js";
import * as jobs from "./jobs.js";

/**
 * Hand a file to the queue, and go where it can be watched.
 *
 * @param {import("./table.js").Table} table
 * @param {object} options  of the forecast
 */
export async function submitForecast(table, options) {
  const query = { kind: "forecast", ...table.columns, ...table.reading, ...options };
  const response = await ask("POST", "/v1/jobs", { csv: table.source.blob, query }).catch(explain);
  const job = await response.json();
  jobs.followJob?.(job, table.source.name);
  location.hash = "#jobs";
}

function explain(problem) {
  if (problem.status === 503) problem.message = `The queue for large files does not work here now: ${problem.message}`;
  throw problem;
}
