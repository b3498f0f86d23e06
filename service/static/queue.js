// Files that are too large for one request become jobs, which are followed where the user is.

import { announce, fill, make, showProblem } from "./dom.js";
import { onChange } from "./store.js";
import { size } from "./wording.js";

/**
 * Have a whole file forecast as a job, and show at a place how far it is and what came of it.
 *
 * @param {import("./table.js").Table} table
 * @param {object} options  of the forecast
 * @param {HTMLElement} place
 * @param {AbortSignal} [signal]  ends the looking, not the job
 */
export async function forecastInQueue(table, options, place, signal) {
  const { name, blob } = table.source;
  try {
    const { followJob, handIn } = await import("./follow.js"); // few need it: not part of the first view
    const job = await handIn(blob, { kind: "forecast", ...table.columns, ...table.reading, ...options }, signal);
    await followJob(job, place, { name, signal });
  } catch (problem) {
    if (problem.name === "AbortError") return; // the place may be another job's by now
    if (problem.status === 503) problem.message = `The queue for large files does not work here now: ${problem.message}`;
    showProblem(place, problem);
  }
}

/** Forecasts a file that is too large for one request, all of it, while its first lines are looked at. */
export class WholeFile {
  #following = new AbortController();
  #sent = null; // options of the job that runs, or has run

  /** `options` returns those of a forecast as they are now. */
  constructor(place, options) {
    this.place = place;
    this.table = null;
    this.options = options;
    this.job = make("div");
    this.again = make("button", { type: "button", onclick: () => this.#send() }, "Forecast the whole file again");
    onChange(["options"], () => this.#offer());
  }

  /** Turn to another table: hand its file in if it is too large, and leave the one before to itself. */
  turnTo(table) {
    if (table?.isHead && table.source === this.table?.source) return this.#reread(table);
    this.#following.abort();
    this.table = table?.isHead ? table : null;
    fill(this.place);
    if (this.table === null) return;
    fill(this.place, explanation(table.source), this.job, make("p.actions", {}, this.again));
    announce("The file is too large for one request. It is forecast as a job; what is shown is a preview.");
    this.#send();
  }

  /** The same file with other columns is not handed in by itself: they may be others still. */
  #reread(table) {
    this.table = table;
    this.#offer();
  }

  #send() {
    this.#following.abort();
    this.#following = new AbortController();
    this.#sent = this.#wish();
    this.#offer();
    forecastInQueue(this.table, this.options(), fill(this.job), this.#following.signal);
  }

  /** With other options, or other columns, all of it can be forecast again. */
  #offer() {
    this.again.hidden = this.table === null || this.#wish() === this.#sent;
  }

  #wish() {
    return JSON.stringify([this.options(), this.table.columns, this.table.reading]);
  }
}

function explanation({ name, blob }) {
  const most = size(Number(document.body.dataset.maxBytes));
  return make(
    "p",
    {},
    make("strong", {}, `${name} is forecast as a job: `),
    `with ${size(blob.size)} it is too large for one request (${most}). Meanwhile you see a preview made from its first lines, in which series may end early.`,
  );
}
