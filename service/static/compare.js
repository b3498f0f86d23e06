// Two models held against each other on the file at hand.

import { askJson } from "./api.js";
import { fileLine } from "./athand.js";
import { fits, isBase, readyForecasters } from "./catalogue.js";
import { showComparison } from "./comparison.js";
import { announce, attempt, byId, fill, make } from "./dom.js";
import { get, onChange } from "./store.js";

let running = null;

/** Start the form. */
export function startCompare() {
  byId("compare-form").addEventListener("submit", (event) => {
    event.preventDefault();
    compare();
  });
  onChange(["models", "table"], offer);
  onChange(["table"], forget);
  for (const side of ["a", "b"]) byId(`compare-${side}`).addEventListener("change", offerHorizon);
  offer();
}

/** What is compared, or being compared, is about the file before. */
function forget() {
  running?.abort();
  for (const part of ["problem", "result"]) fill(byId(`compare-${part}`));
}

function offer() {
  const [table, models] = [get("table"), readyForecasters()];
  fileLine(byId("compare-file"), "They are asked what they would have said at earlier points of", "its first rows");
  const fitting = table?.series.length ? models.filter((model) => fits(model, table.found.freq)) : [];
  for (const element of byId("compare-form").elements) element.disabled = !fitting.length;
  if (!fitting.length) return;
  const own = fitting.find(({ name }) => name === get("options").model) ?? fitting.find((model) => !isBase(model));
  for (const [side, usual] of [["a", own], ["b", fitting.find(isBase)]]) {
    const field = byId(`compare-${side}`);
    const before = field.value;
    fill(field, ...fitting.map(({ name }) => make("option", { value: name }, name)));
    field.value = fitting.some(({ name }) => name === before) ? before : (usual ?? fitting[0])?.name;
  }
  const file = byId("compare-on").options[0];
  file.disabled = table.isHead;
  if (table.isHead) byId("compare-on").value = "series";
  file.textContent = table.isHead ? "the whole file (too large)" : "the whole file";
  offerHorizon();
}

function offerHorizon() {
  const field = byId("compare-h");
  if (field.value !== "" && field.value !== field.dataset.offered) return;
  const chosen = ["a", "b"].map((side) => modelOf(side)).filter(Boolean);
  const horizons = chosen.map(({ info }) => info.horizon).filter(Boolean);
  const h = horizons.length ? Math.min(...horizons) : Math.max(get("table")?.found.season ?? 1, 2);
  field.value = field.dataset.offered = String(h);
}

function modelOf(side) {
  return readyForecasters().find(({ name }) => name === byId(`compare-${side}`).value);
}

async function compare() {
  running?.abort();
  const signal = (running = new AbortController()).signal;
  const result = byId("compare-result");
  fill(result, make("p.hint", { role: "status" }, "Forecasting from each cutoff …"));
  const done = await attempt(byId("compare-problem"), async () => {
    const asked = askedFor();
    const both = [await backtests(asked, modelOf("a"), signal), await backtests(asked, modelOf("b"), signal)];
    const tooMuch = both.some(({ answer }) => answer === null);
    if (tooMuch) for (const each of both) each.answer = each.ofSeries;
    announce(showComparison(result, asked.series, tooMuch, ...both));
  });
  if (!done && !signal.aborted) fill(result);
}

function askedFor() {
  const table = get("table");
  return {
    table,
    series: table.at(get("chosen")),
    whole: byId("compare-on").value === "file" && table.series.length > 1,
    options: { h: Number(byId("compare-h").value), windows: Number(byId("compare-windows").value), level: [80, 95] },
  };
}

/** Ask for a model's forecasts of the series, and for its accuracy on the file: null if that is too much at once. */
async function backtests({ table, series, whole, options }, model, signal) {
  const all = { ...options, ...table.reading, model: model.name, season: isBase(model) ? get("options").season : null };
  const ofSeries = await askJson("POST", "/v1/backtest", { json: { ...given(all), series: [series], details: true }, signal });
  if (!whole) return { model, answer: ofSeries, ofSeries };
  const asked = { csv: table.source.blob, query: { ...all, ...table.columns }, signal };
  const answer = await askJson("POST", "/v1/backtest", asked).catch((problem) => {
    if (problem.tooLarge) return null;
    throw problem;
  });
  return { model, answer, ofSeries };
}

function given(options) {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== null && value !== undefined));
}
