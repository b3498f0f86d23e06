// A job, followed to its end at the place where the user is.

import { askFile, askJson, watchJob } from "./api.js";
import { announce, attempt, download, fill, make, showProblem } from "./dom.js";
import { count, number } from "./format.js";
import { lasting } from "./wording.js";

const LEFT_ALONE_MS = 15_000;

/** Whether nothing happens to a job any more. */
export const isOver = (job) => job.finished !== null;

/**
 * Hand a file in as a job.
 *
 * @param {Blob} blob
 * @param {object} query  kind, and the options of that kind
 * @param {AbortSignal} [signal]
 * @returns {Promise<object>} the job, as /v1/jobs describes it
 */
export function handIn(blob, query, signal) {
  return askJson("POST", "/v1/jobs", { csv: blob, query, signal });
}

/** End a job that waits or runs; return its description. */
export function cancelJob(id) {
  return askJson("POST", `/v1/jobs/${id}/cancel`);
}

/**
 * Fetch a file of a job and offer it; the name is the service's.
 *
 * @param {string} id
 * @param {"result"|"skipped"} [which]
 */
export async function downloadOf(id, which = "result") {
  const { headers, blob } = await askFile("GET", `/v1/jobs/${id}/${which}`);
  const name = /filename="([^"]+)"/.exec(headers.get("Content-Disposition") ?? "")?.[1];
  download(blob, name ?? `${which}-${id.slice(0, 8)}`);
}

/** Return how far a job is, in words. */
export function farness(job) {
  const { rows, rows_total, series, series_total, step, steps, percent } = job.progress;
  if (job.status === "queued") return "Waiting for its turn";
  if (step) return `Step ${number(step)} of ${number(steps)}`;
  if (rows_total === null) return "Reading the file";
  if (job.kind === "train") return `${count(rows_total, "values")} of ${count(series_total, "series")} read`;
  if (isOver(job)) return `${count(rows_total, "values")} of ${count(series_total, "series")}`;
  return `${number(rows)} of ${count(rows_total, "values")}, ${number(series)} of ${count(series_total, "series")}, ${number(percent)} %`;
}

/** Guesses how long a job will still take, from what has been seen of it by this clock. */
export class Pace {
  /** Take note of a description; return the seconds left, or null where nothing can be said. */
  left(job) {
    const { percent } = job.progress;
    if (job.status !== "running" || percent <= 0) return null;
    this.first ??= { at: Date.now(), percent };
    const gone = percent - this.first.percent;
    return gone < 2 ? null : ((Date.now() - this.first.at) / 1000 / gone) * (100 - percent);
  }
}

/** Whether a job has waited for longer than workers that are there let one wait who is first. */
function isLeftAlone(job, since) {
  return job.status === "queued" && job.attempts === 0 && Date.now() - since > LEFT_ALONE_MS;
}

/** Make a progress bar with its text; `show(job)` brings both up to date. */
export function progressBar(label) {
  const bar = make("progress", { max: 100, "aria-label": label });
  const text = make("p.hint.number");
  const pace = new Pace();
  const since = Date.now();
  const show = (job) => {
    const { percent, step } = job.progress;
    if (job.status === "running" && (percent > 0 || step)) bar.value = percent;
    else bar.removeAttribute("value");
    const left = pace.left(job);
    text.textContent = [farness(job), isLeftAlone(job, since) ? "and no job worker has taken it yet: one must run (FORECASTER_JOB_WORKERS)" : null, left === null ? null : `about ${lasting(left)} left`].filter(Boolean).join(", ");
  };
  return { element: make("div.progress", {}, bar, text), show };
}

/**
 * Show how far a job is at a place of the page, with a button to cancel it, and at its end what came of it.
 *
 * @param {object} job  as /v1/jobs describes it
 * @param {HTMLElement} place  is filled
 * @param {object} [how]
 * @param {string} [how.name]  what the job is about, such as the name of the file
 * @param {AbortSignal} [how.signal]  ends the looking, not the job
 * @returns {Promise<object>} the job at its end
 */
export async function followJob(job, place, { name = "the file", signal } = {}) {
  const title = `Forecasting ${name} as a job`;
  const bar = progressBar(title);
  const problem = make("div");
  const cancel = make("button", { type: "button", onclick: () => attempt(problem, () => cancelJob(job.id)) }, "Cancel");
  bar.show(job);
  const box = make("div.notice.job", { role: "group", "aria-label": title }, make("p", {}, make("strong", {}, title)), bar.element, problem);
  box.append(make("p.actions", {}, cancel, make("a.button.quiet", { href: "#jobs" }, "All jobs")));
  fill(place, box);
  const ended = await watchJob(job.id, bar.show, signal);
  const held = box.contains(document.activeElement);
  fill(place, outcomeOf(ended, name));
  if (held) place.querySelector("button, a")?.focus(); // the button that had it is gone
  return ended;
}

function outcomeOf(job, name) {
  const text = `The forecast of ${name} ${{ succeeded: "is ready", failed: "has failed", cancelled: "was cancelled" }[job.status]}.`;
  announce(text);
  const problem = make("div");
  if (job.status === "failed") showProblem(problem, { ...job.error, message: `${text} ${job.error.detail}` });
  if (job.status !== "succeeded") return job.status === "failed" ? problem : make("div.notice", {}, make("p", {}, text));
  return make("div.notice", {}, make("p", {}, make("strong", {}, text), ` ${rowsOf(job)}`), filesOf(job, problem), problem);
}

function rowsOf(job) {
  const { rows, skipped } = job.result;
  return `${count(rows, "rows")}${skipped ? `; ${count(skipped, "series")} could not be forecast` : ""}.`;
}

/** Return buttons for the files of a job that has succeeded. */
export function filesOf(job, problem) {
  const button = (text, which) =>
    make("button", { type: "button", onclick: () => attempt(problem, () => downloadOf(job.id, which)) }, text);
  const isTable = job.kind === "forecast";
  return make(
    "p.actions",
    {},
    button(isTable ? "Download the forecast" : "Download its description", "result"),
    job.result.skipped ? button(`Skipped series (${number(job.result.skipped)})`, "skipped") : null,
  );
}
