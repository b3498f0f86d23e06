// The key of a service that has keys. It lives in this variable and nowhere else: not in storage, not in a URL.

import { byId } from "./dom.js";

let key = "";
let asking = null;

/** Return the headers that carry the key, if there is one. */
export function keyHeaders() {
  return key ? { Authorization: `Bearer ${key}` } : {};
}

/** Whether the service has asked for a key, so that snippets must name one. */
export function hasKey() {
  return key !== "";
}

/**
 * Ask for a key because a request was refused.
 *
 * @param {{status: number, message: string}} problem
 * @returns {Promise<boolean>} whether another was given; requests refused meanwhile share one dialog
 */
export function askForKey(problem) {
  asking ??= dialog(problem).finally(() => (asking = null));
  return asking;
}

function dialog(problem) {
  const box = byId("key-dialog");
  const field = byId("key");
  byId("key-reason").textContent = problem.message;
  field.value = "";
  box.returnValue = "cancel"; // what Escape leaves
  box.showModal();
  return new Promise((resolve) => {
    box.addEventListener(
      "close",
      () => {
        const given = box.returnValue === "use" ? field.value.trim() : "";
        field.value = "";
        if (given) key = given;
        resolve(given !== "");
      },
      { once: true },
    );
  });
}
