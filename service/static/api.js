// The public API, as any program uses it; docs/http-api.md describes it.

import { askForKey, keyHeaders } from "./key.js";

const UNREADABLE = "The file cannot be read: it has changed since it was chosen, or it is a folder. Choose it again.";

/** What the service had to say against a request (RFC 9457), or why it could not be asked. */
export class Problem extends Error {
  constructor(message, { status = 0, kind = "", errors = [], requestId = "" } = {}) {
    super(message);
    this.name = "Problem";
    Object.assign(this, { status, kind, errors, requestId });
  }

  /** Whether the same request may be answered a little later, or by another key. */
  get mayPass() {
    if (this.kind === "unreadable") return false;
    return [0, 401, 403, 408, 429].includes(this.status) || this.status >= 500;
  }

  /** Whether the same file may still be worked on as a job. */
  get tooLarge() {
    return this.status === 413 || this.kind === "limit-exceeded";
  }
}

/**
 * Ask the service.
 *
 * @param {string} method
 * @param {string} path  such as "/v1/forecast"
 * @param {object} [asked]
 * @param {object} [asked.query]  options; null ones are left out, lists are joined by commas
 * @param {object} [asked.json]  body as JSON
 * @param {Blob|string} [asked.csv]  body as CSV
 * @param {string} [asked.accept]  media type of the answer
 * @param {object} [asked.headers]
 * @param {AbortSignal} [asked.signal]
 * @returns {Promise<Response>}
 * @throws {Problem}
 */
export async function ask(method, path, asked = {}) {
  for (;;) {
    const { Authorization: sent } = keyHeaders();
    const response = await send(method, path, asked);
    if (response.ok) return response;
    const problem = await problemOf(response);
    const needsKey = problem.status === 401 || problem.status === 403;
    const isOther = keyHeaders().Authorization !== sent; // a key was given while this was on its way
    if (!needsKey || !(isOther || (await askForKey(problem)))) throw problem;
  }
}

/** Ask the service; return what the JSON of its answer holds. */
export async function askJson(method, path, asked = {}) {
  return whole((await ask(method, path, asked)).json());
}

/** Ask the service; return what it answers as a file to keep, with the headers of the answer. */
export async function askFile(method, path, asked = {}) {
  const response = await ask(method, path, asked);
  return { headers: response.headers, blob: await whole(response.blob()) };
}

async function whole(body) {
  try {
    return await body;
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem("The answer of the service broke off. Try again in a moment.");
  }
}

async function send(method, path, { query = {}, json, csv, accept, headers = {}, signal } = {}) {
  const body = json === undefined ? csv : JSON.stringify(json);
  const type = json === undefined ? (csv === undefined ? {} : { "Content-Type": "text/csv" }) : { "Content-Type": "application/json" };
  try {
    return await fetch(path + queryOf(query), {
      method,
      body,
      signal,
      headers: { ...type, ...(accept ? { Accept: accept } : {}), ...keyHeaders(), ...headers },
      credentials: "omit",
      redirect: "error",
      cache: "no-store",
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    if (csv instanceof Blob && !(await isReadable(csv))) throw new Problem(UNREADABLE, { kind: "unreadable" });
    throw new Problem("The service does not answer. Is it still running? Try again in a moment.");
  }
}

/** Browsers read a file anew for each request, and no longer once it has changed; a folder they cannot read at all. */
function isReadable(file) {
  return file.slice(0, 1).arrayBuffer().then(() => true, () => false);
}

/** Return options as a query string, with its question mark where there are any. */
export function queryOf(options) {
  const given = Object.entries(options).filter(([, value]) => value !== null && value !== undefined);
  const text = given
    .map(([name, value]) => `${name}=${encodeURIComponent(Array.isArray(value) ? value.join(",") : value)}`)
    .join("&")
    .replaceAll("%2C", ",");
  return text && `?${text}`;
}

async function problemOf(response) {
  const requestId = response.headers.get("X-Request-ID") ?? "";
  const more = { status: response.status, requestId };
  try {
    const body = await response.json();
    const kind = String(body.type ?? "").split(/[:/#]/).pop();
    return new Problem(body.detail ?? body.title, { ...more, kind, errors: body.errors ?? [] });
  } catch {
    return new Problem(`The service answered with status ${response.status}. Try again in a moment.`, more);
  }
}

const MOST_SILENCES = 10; // looks in a row that the service does not answer, until a job is given up on

/**
 * Look at a job until it has ended; while the page is not seen, nobody looks.
 *
 * @param {string} id
 * @param {(job: object) => void} told  called with each description
 * @param {AbortSignal} [signal]
 * @returns {Promise<object>} the last description
 */
export async function watchJob(id, told, signal) {
  let silences = 0;
  for (let wait = 250; ; wait = Math.min(2 * wait, 2_000)) {
    try {
      const job = await askJson("GET", `/v1/jobs/${id}`, { signal });
      silences = 0;
      told(job);
      if (job.finished) return job;
    } catch (problem) {
      if (![0, 503].includes(problem.status) || ++silences > MOST_SILENCES) throw problem;
    }
    await new Promise((resolve) => setTimeout(resolve, wait));
    if (document.hidden) await new Promise((seen) => document.addEventListener("visibilitychange", seen, { once: true }));
  }
}
