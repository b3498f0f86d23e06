// The section of jobs: a list that keeps itself up to date while somebody looks at it.

import { askJson } from "./api.js";
import { attempt, byId } from "./dom.js";
import { isOver } from "./follow.js";
import { JobRow } from "./jobrow.js";

const PAGE = 20;
const BUSY_MS = 2_000;
const CALM_MS = 10_000;

const rows = new Map(); // by id, the newest job first
const deleted = new Set(); // here, by id: an answer that was asked for before may still list them
let hasMore = false; // whether there are jobs older than those of the list
let timer = null;

/** Start the section. */
export function startJobs(view) {
  view.addEventListener("shown", look);
  view.addEventListener("left", () => clearTimeout(timer));
  document.addEventListener("visibilitychange", () => isSeen(view) && look());
  byId("jobs-older").addEventListener("click", showOlder);
  if (!view.hidden) look();

  async function look() {
    clearTimeout(timer);
    await attempt(byId("jobs-problem"), refresh);
    if (!isSeen(view)) return;
    clearTimeout(timer);
    timer = setTimeout(look, [...rows.values()].some((row) => !isOver(row.job)) ? BUSY_MS : CALM_MS);
  }
}

function isSeen(view) {
  return !view.hidden && !document.hidden;
}

async function refresh() {
  const { jobs, next } = await askJson("GET", "/v1/jobs", { query: { limit: PAGE } });
  const newest = new Set(jobs.map(({ id }) => id));
  const last = jobs.at(-1);
  const reaches = last !== undefined && next !== null; // what is older than the page stays as it was seen
  for (const [id, row] of rows) if (!newest.has(id) && !(reaches && row.job.created <= last.created)) drop(id);
  for (const [id, row] of rows) if (!newest.has(id) && !isOver(row.job)) jobs.push(await askJson("GET", `/v1/jobs/${id}`));
  if (rows.size <= PAGE) hasMore = next !== null;
  show(jobs);
}

async function showOlder() {
  await attempt(byId("jobs-problem"), async () => {
    const before = byId("jobs-list").lastElementChild.dataset.job;
    const { jobs, next } = await askJson("GET", "/v1/jobs", { query: { limit: PAGE, before } });
    hasMore = next !== null;
    show(jobs);
    rows.get(jobs[0]?.id)?.element.querySelector("summary").focus();
  });
}

function show(jobs) {
  for (const job of jobs.filter(({ id }) => !deleted.has(id))) {
    if (!rows.has(job.id)) rows.set(job.id, new JobRow(job, () => (deleted.add(job.id), drop(job.id))));
    rows.get(job.id).show(job);
  }
  const wanted = [...rows.values()].sort((a, b) => (a.job.created < b.job.created ? 1 : -1)).map((row) => row.element);
  const list = byId("jobs-list");
  wanted.forEach((element, place) => list.children[place] !== element && list.insertBefore(element, list.children[place] ?? null));
  byId("jobs-empty").hidden = rows.size > 0;
  byId("jobs-older").hidden = !hasMore;
}

function drop(id) {
  const row = rows.get(id);
  if (!rows.delete(id)) return; // the list said so first
  const held = row.element.contains(document.activeElement);
  const next = row.element.nextElementSibling ?? row.element.previousElementSibling;
  row.element.remove();
  byId("jobs-empty").hidden = rows.size > 0;
  if (held) (next?.querySelector("summary") ?? byId("main")).focus();
}
