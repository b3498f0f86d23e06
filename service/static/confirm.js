// A question before something that cannot be taken back, or that others will notice.

import { make } from "./dom.js";

/**
 * Ask whether something is to be done.
 *
 * @param {object} question
 * @param {string} question.title  what is to be done, as a question
 * @param {string[]} question.says  what will happen, a paragraph each
 * @param {string} question.action  word of the button that does it
 * @param {boolean} [question.danger]  whether something is lost
 * @returns {Promise<boolean>}
 */
export function confirmed({ title, says, action, danger = false }) {
  const box = make(
    "dialog",
    { "aria-labelledby": "confirm-title" },
    make(
      "form",
      { method: "dialog" },
      make("h2", { id: "confirm-title" }, title),
      ...says.map((text) => make("p", {}, text)),
      make(
        "p.actions",
        {},
        make(danger ? "button.danger" : "button.primary", { type: "submit", value: "do" }, action),
        make("button.quiet", { type: "submit", value: "cancel", autofocus: danger }, "Cancel"),
      ),
    ),
  );
  document.body.append(box);
  box.showModal();
  return new Promise((resolve) => {
    box.addEventListener(
      "close",
      () => {
        box.remove();
        resolve(box.returnValue === "do");
      },
      { once: true },
    );
  });
}
