// The section of models: joins the list, training and the comparison.

import { refreshModels } from "./catalogue.js";
import { startCompare } from "./compare.js";
import { attempt, byId } from "./dom.js";
import { ModelRow } from "./modelrow.js";
import { get, onChange, set } from "./store.js";
import { startTraining } from "./training.js";

const rows = new Map();

/** Start the section. */
export function startModels(view) {
  onChange(["models"], showList);
  startTraining(view, (name) => rows.get(name)?.versions.again());
  startCompare();
  view.addEventListener("shown", () => attempt(byId("models-problem"), refreshModels));
  if (!view.hidden) attempt(byId("models-problem"), refreshModels);
}

function showList() {
  const models = get("models");
  for (const name of [...rows.keys()]) if (!models.some((model) => model.name === name)) rows.delete(name);
  for (const model of models) {
    if (!rows.has(model.name)) rows.set(model.name, new ModelRow(model.name, forecastWith));
    rows.get(model.name).show(model);
  }
  const wanted = models.map((model) => rows.get(model.name).element);
  const list = byId("models-list");
  if (wanted.length !== list.children.length || wanted.some((element, k) => list.children[k] !== element)) list.replaceChildren(...wanted);
}

function forecastWith(model) {
  set({ options: { ...get("options"), model } });
}
