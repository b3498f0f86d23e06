// Training from the file at hand: the form, and the trainings that run.

import { askJson } from "./api.js";
import { attempt, byId } from "./dom.js";
import { handIn, isOver } from "./follow.js";
import { get, onChange } from "./store.js";
import { fileLine } from "./athand.js";
import { TrainingRun } from "./trainingrun.js";
import { span, unitOf } from "./wording.js";

const HORIZONS = { years: 6, quarters: 8, months: 12, weeks: 8, "business days": 10, hours: 24 };
const followed = new Map();
let offered = { name: "", h: "" };
let tell = () => {};

/**
 * Start the form, and follow the trainings that run already.
 *
 * @param {HTMLElement} view  the section
 * @param {(name: string) => void} trained  called when a model has another version
 */
export function startTraining(view, trained) {
  tell = trained;
  const form = byId("train-form");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (form.ariaBusy !== "true") handInOnce(form);
  });
  byId("train-cell").addEventListener("change", offerWeights);
  onChange(["table"], offer);
  offer();
  view.addEventListener("shown", findRunning);
  if (!view.hidden) findRunning();
}

/** Fill in what fits the file, where the user has not written something else. */
function offer() {
  const table = get("table");
  fileLine(byId("train-file"), "It learns from");
  for (const element of byId("train-form").elements) element.disabled = !table?.series.length;
  if (!table?.series.length) return;
  offerWeights();
  const next = { name: nameFrom(table.source.name), h: String(horizonFor(table.found)) };
  for (const key of ["name", "h"]) {
    const field = byId(`train-${key}`);
    if (field.value === offered[key]) field.value = next[key];
  }
  offered = next;
  byId("train-h-hint").textContent = `steps ahead, for example ${span(horizonFor(table.found), table.found.freq)}`;
}

/** The base weights are those of LSTMs: other cells can only begin with random ones. */
function offerWeights() {
  const [cell, { init }] = [byId("train-cell").value, byId("train-form").elements];
  const [base] = init;
  base.disabled = cell !== "lstm";
  if (base.disabled) init.value = "random";
}

function nameFrom(file) {
  return file.replace(/\.[^.]*$/, "").replace(/[^\p{L}\p{N}._-]+/gu, "-").replace(/^[.-]+|-+$/g, "").slice(0, 64) || "mine";
}

function horizonFor({ freq, series }) {
  const longest = series.reduce((most, one) => Math.max(most, one.length), 0);
  return Math.max(1, Math.min(HORIZONS[unitOf(freq).unit?.[0]] ?? 14, Math.floor(longest / 4)));
}

/** A file takes a while to be handed in, and pressing twice must not train twice. */
async function handInOnce(form) {
  form.ariaBusy = "true";
  await attempt(byId("train-problem"), train).finally(() => (form.ariaBusy = null));
}

async function train() {
  const table = get("table");
  const [name, steps] = [byId("train-name").value.trim(), byId("train-steps").value];
  const job = await handIn(table.source.blob, {
    kind: "train",
    name,
    h: byId("train-h").value,
    cell: byId("train-cell").value,
    init: byId("train-form").elements.init.value,
    steps: steps || null,
    seed: byId("train-seed").value || "0",
    publish: byId("train-publish").checked,
    ...table.columns,
    ...table.reading,
  });
  follow(job).element.scrollIntoView({ block: "nearest" });
}

/** Find the trainings that run, also those begun before the page was loaded. */
async function findRunning() {
  await attempt(byId("train-problem"), async () => {
    const { jobs } = await askJson("GET", "/v1/jobs", { query: { limit: 100 } });
    for (const job of jobs.filter((each) => each.kind === "train" && !isOver(each)).reverse()) follow(job);
  });
}

function follow(job) {
  if (followed.has(job.id)) return followed.get(job.id);
  const run = new TrainingRun(job, { trained: tell, gone: () => followed.delete(job.id) });
  followed.set(job.id, run);
  byId("trainings").prepend(run.element);
  run.follow();
  return run;
}
