// Text for the clipboard, also where the browser has no clipboard API: it is there only on https and on localhost.

import { announce, make } from "./dom.js";

const SAID = 2_000; // milliseconds

/**
 * Copy a text, and say on the button that was pressed whether it was copied.
 *
 * @param {string} text
 * @param {HTMLButtonElement} button
 */
export async function copy(text, button) {
  const copied = await written(text);
  const said = copied ? "Copied" : "Not copied: select the text below";
  announce(said);
  button.dataset.says ??= button.textContent;
  button.textContent = said;
  button.classList.toggle("copied", copied);
  clearTimeout(Number(button.dataset.timer));
  button.dataset.timer = setTimeout(() => {
    button.textContent = button.dataset.says;
    button.classList.remove("copied");
  }, SAID);
  return copied;
}

async function written(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return selected(text);
  }
}

/** The older way: a field that is selected and copied. */
function selected(text) {
  const before = document.activeElement;
  const field = make("textarea.unseen", { readonly: true, "aria-hidden": "true" });
  field.value = text;
  field.style.whiteSpace = "pre"; // else the spaces that lines begin with are not copied
  document.body.append(field);
  field.select();
  const copied = document.execCommand("copy");
  field.remove();
  before?.focus();
  return copied;
}
