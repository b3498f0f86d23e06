// Elements from data. Text is always set as text: nothing that comes from a file or the service is read as HTML.

/** Return the element with an id, which is there. */
export function byId(id) {
  return document.getElementById(id);
}

/**
 * Make an element.
 *
 * @param {string} tag  with classes after dots, such as "p.hint"
 * @param {object} [properties]  attributes; `onclick` and its like are listeners, `dataset` an object, and true or
 *   false sets or leaves out an attribute
 * @param {...(Node|string|null)} children
 * @returns {HTMLElement}
 */
export function make(tag, properties = {}, ...children) {
  const [name, ...classes] = tag.split(".");
  const element = document.createElement(name);
  element.classList.add(...classes);
  for (const [key, value] of Object.entries(properties)) setProperty(element, key, value);
  element.append(...children.filter((child) => child !== null));
  return element;
}

function setProperty(element, key, value) {
  if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
  else if (key === "dataset") Object.assign(element.dataset, value);
  else if (value === true) element.setAttribute(key, "");
  else if (value !== false && value !== null && value !== undefined) element.setAttribute(key, String(value));
}

/** Put `children` in the place of all that an element holds. */
export function fill(element, ...children) {
  element.replaceChildren(...children.filter((child) => child !== null));
  return element;
}

/**
 * Make a table.
 *
 * @param {string} caption
 * @param {string[]} head
 * @param {(string|Node)[][]} rows  the first cell of each is its heading
 * @param {object} [properties]
 */
export function makeTable(caption, head, rows, properties = {}) {
  const cell = (value, place) =>
    place === 0 ? make("th", { scope: "row" }, value) : make("td", {}, value);
  return make(
    "table",
    properties,
    make("caption", {}, caption),
    make("thead", {}, make("tr", {}, ...head.map((name) => make("th", { scope: "col" }, name)))),
    make("tbody", {}, ...rows.map((row) => make("tr", {}, ...row.map(cell)))),
  );
}

/** Have a screen reader say something. */
export function announce(text) {
  byId("announcer").textContent = text;
}

/** Show what went wrong at a place of the page; null takes it away. */
export function showProblem(place, problem) {
  if (problem === null || problem.name === "AbortError") return void fill(place);
  const errors = (problem.errors ?? []).slice(0, 10).map((error) => make("li", {}, describeError(error)));
  fill(
    place,
    make(
      "div.notice.error",
      { role: "alert" },
      make("p", {}, problem.message),
      errors.length > 1 ? make("ul", {}, ...errors) : null,
      problem.requestId ? make("p.hint", {}, `Request ${problem.requestId}`) : null,
    ),
  );
}

/** Offer a way out below a problem that is shown at a place. */
export function offerRemedy(place, text, onclick) {
  place.firstChild.append(make("p", {}, make("button", { type: "button", onclick: () => void onclick() }, text)));
}

function describeError(error) {
  const where = [error.series, error.line === undefined || error.line === null ? null : `line ${error.line}`, error.field];
  return `${where.filter(Boolean).join(", ")}: ${error.expected}`;
}

/**
 * Do something that the service may refuse; then its problem is shown at a place.
 *
 * @param {HTMLElement} place
 * @param {() => Promise<void>} action
 * @returns {Promise<boolean>} whether it was done
 */
export async function attempt(place, action) {
  showProblem(place, null);
  try {
    await action();
    return true;
  } catch (problem) {
    if (problem.name !== "Problem" && problem.name !== "AbortError") throw problem;
    showProblem(place, problem);
    return false;
  }
}

/** Offer a blob as a file to keep. */
export function download(blob, name) {
  const url = URL.createObjectURL(blob);
  const link = make("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
