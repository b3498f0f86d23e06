// The section about what the gates did: which series, model, network and layer.

import { askJson } from "./api.js";
import { offerFile } from "./athand.js";
import { cellOfModel, fits, isBase, readyForecasters, refreshModels, usualForecaster } from "./catalogue.js";
import { attempt, byId, fill, make } from "./dom.js";
import { GateView } from "./gateview.js";
import { Picker } from "./picker.js";
import { get, onChange, set } from "./store.js";
import { span } from "./wording.js";

const MOST_KEPT = 24;

const kept = new Map(); // answers, by what was asked
const now = { isSeen: false, asking: null, shown: "", wanted: undefined };
let [picker, view] = [null, null];

/** Start the section. */
export function startGates(section) {
  picker = new Picker(byId("gates-series"), { label: "Series", chosen: (chosen) => set({ chosen }) });
  onChange(["table"], offerSeries);
  onChange(["chosen"], () => picker.choose(get("chosen")));
  onChange(["models", "options", "table"], offerModels);
  onChange(["table", "chosen", "models", "options"], look);
  byId("gates-model").addEventListener("change", () => (begin(["network", "layer"]), look()));
  byId("gates-network").addEventListener("change", () => (begin(["layer"]), look()));
  byId("gates-layer").addEventListener("change", look);
  byId("gates-order").addEventListener("change", () => view?.setOrder(byId("gates-order").value));
  section.addEventListener("shown", arrive);
  section.addEventListener("left", () => (now.isSeen = false));
  offerSeries();
  offerModels();
  if (!section.hidden) arrive();
}

async function arrive() {
  now.isSeen = true;
  if (!get("models").length) await attempt(byId("gates-problem"), refreshModels);
  look();
}

/** Begin with the first network, or layer, of what is chosen now. */
function begin(names) {
  for (const name of names) fill(byId(`gates-${name}`), make("option", { value: 0 }, "0"));
}

function offerSeries() {
  const table = get("table");
  kept.clear();
  now.asking?.abort(); // what comes of it is of the file before
  const hasSeries = Boolean(table?.series.length);
  byId("gates-file").hidden = !hasSeries;
  byId("gates-empty").hidden = hasSeries;
  if (!hasSeries) return void offerFile(byId("gates-empty"), "Open a file, or a sample, to see what the gates do with one of its series.");
  picker.setItems(table.series);
  picker.choose(get("chosen"));
}

/** Offer the models that can read the file; the one that is chosen for forecasts, until another is chosen here. */
function offerModels() {
  const [table, field] = [get("table"), byId("gates-model")];
  if (!table?.series.length) return;
  const names = readyForecasters().filter((model) => fits(model, table.found.freq)).map(({ name }) => name);
  const wanted = get("options").model ?? usualForecaster()?.name;
  const before = wanted === now.wanted ? field.value : wanted;
  now.wanted = wanted;
  fill(field, ...names.map((name) => make("option", { value: name }, name)));
  field.value = names.includes(before) ? before : names[0];
  if (field.value !== before || !byId("gates-network").options.length) begin(["network", "layer"]);
}

/** Show what is chosen, if somebody looks and it is not shown yet. */
async function look() {
  const table = get("table");
  if (!now.isSeen || !table?.series.length || !byId("gates-model").value) return;
  const model = readyForecasters().find(({ name }) => name === byId("gates-model").value);
  if (cellOfModel(model) !== "lstm") return showNone(model);
  const asked = {
    model: model.name,
    network: Number(byId("gates-network").value),
    layer: Number(byId("gates-layer").value),
    season: isBase(model) ? get("options").season : null,
  };
  const key = JSON.stringify([asked, model.version, get("chosen")]);
  if (key === now.shown && kept.has(key)) return;
  now.shown = key;
  now.asking?.abort();
  now.asking = new AbortController();
  const { signal } = now.asking;
  byId("gates-view").classList.add("waiting");
  const done = await attempt(byId("gates-problem"), async () => show(await explained(key, table, asked, signal)));
  if (signal.aborted) return;
  byId("gates-view").classList.remove("waiting");
  byId("gates-view").hidden = !done;
  if (!done) now.shown = "";
}

/** Say why nothing is seen of a model whose cells have other gates, or none. */
function showNone(model) {
  now.asking?.abort();
  now.shown = "";
  byId("gates-view").hidden = true;
  fill(byId("gates-problem"));
  for (const name of ["network", "layer"]) byId(`gates-${name}`).disabled = true;
  byId("gates-says").textContent = `The networks of ${model.name} are of the kind ${cellOfModel(model).toUpperCase()}. What is shown here are the gates of LSTMs: choose a model of those, such as the base weights.`;
}

async function explained(key, table, asked, signal) {
  if (!kept.has(key)) {
    const options = Object.fromEntries(Object.entries({ ...table.reading, ...asked }).filter(([, value]) => value !== null));
    const answer = await askJson("POST", "/v1/explain", { json: { series: [table.at(get("chosen"))], ...options }, signal });
    if (kept.size >= MOST_KEPT) kept.delete(kept.keys().next().value);
    kept.set(key, answer);
  }
  return kept.get(key);
}

function show(answer) {
  const [network] = answer.explanations[0].networks;
  for (const name of ["network", "layer"]) byId(`gates-${name}`).disabled = false;
  offerPlaces("network", answer.networks, network.network);
  offerPlaces("layer", answer.layers[network.network], network.layers[0].layer);
  byId("gates-view").hidden = false; // before it is drawn: it has no width while it is hidden
  view ??= new GateView();
  view.show(answer, byId("gates-order").value);
  byId("gates-says").textContent = describe(answer, network, get("table").isHead);
}

function offerPlaces(name, amount, chosen) {
  const field = byId(`gates-${name}`);
  if (field.options.length !== amount) fill(field, ...Array.from({ length: amount }, (_, k) => make("option", { value: k }, String(k))));
  field.value = String(chosen);
}

function describe({ networks, freq, model }, { network, steps, season_removed: removed, horizon, layers }, isHead) {
  const sees = removed ? "without its season, which is put back later" : "as it is";
  const many = networks > 1 ? ` The forecast of ${model} is the mean of ${networks} networks.` : "";
  const head = isHead ? " The file is large: this is the series in its first rows." : "";
  return `Network ${network} reads the last ${span(steps, freq)} of the series ${sees}, and gives ${span(horizon, freq)} ahead. Layer ${layers[0].layer} has ${layers[0].units} units.${many}${head}`;
}
