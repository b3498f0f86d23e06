// The models there are, asked for when they may have changed.

import { askJson } from "./api.js";
import { get, set } from "./store.js";

const PATIENCE_SECONDS = 30; // other processes of the service take a new version up after some seconds

/** Ask which models there are, and tell every section. */
export async function refreshModels(signal) {
  const { models } = await askJson("GET", "/v1/models", { signal });
  set({ models });
  return models;
}

/** Whether a model forecasts series; one of symbols tells what comes next in a text, a classifier is not served. */
export function isForecaster({ info, fault }) {
  return (info.kind ?? "forecaster") === "forecaster" && !(fault === "not-served" && !info.frequency);
}

/** Return the models that answer with forecasts. */
export function readyForecasters() {
  return get("models").filter((model) => model.status === "ready" && isForecaster(model));
}

/** Return the model for those who choose none: the default one, or the base weights where it forecasts nothing. */
export function usualForecaster() {
  const models = get("models").filter(isForecaster);
  return models.find((model) => model.default) ?? models.find(isBase) ?? models.find(({ status }) => status === "ready") ?? null;
}

/** Return what the networks of a model are made of: lstm, gru or rnn. */
export function cellOfModel(model) {
  return model.info.architecture?.cell ?? "lstm"; // the base weights are LSTMs
}

/** Whether a model is the base weights, which come with the package. */
export function isBase(model) {
  return Boolean(model?.info?.kinds);
}

/** Whether a model can forecast series of a frequency; each can those of whole steps. */
export function fits(model, freq) {
  return isBase(model) || model.info.frequency === freq || /^\d+$/.test(freq);
}

/** Ask until a version answers, or for as long as that may take; return whether it does. */
export function untilAnswers(name, version) {
  return until((model) => model.name === name && model.version === version);
}

/** Ask until a model is listed, or for as long as that may take; return whether it is. */
export function untilListed(name) {
  return until((model) => model.name === name);
}

async function until(isIt) {
  for (let second = 0; second < PATIENCE_SECONDS; second++) {
    if ((await refreshModels()).some(isIt)) return true;
    await new Promise((resolve) => setTimeout(resolve, 1_000));
  }
  return false;
}
