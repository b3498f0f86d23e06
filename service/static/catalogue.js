// The models there are, asked for when they may have changed.

import { askJson } from "./api.js";
import { set } from "./store.js";

/** Ask which models there are, and tell every section. */
export async function refreshModels(signal) {
  const { models } = await askJson("GET", "/v1/models", { signal });
  set({ models });
  return models;
}
