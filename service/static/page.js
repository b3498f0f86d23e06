// Joins the sections: which one is seen, the colours, and what all of them need from the start.

import { byId, make, showProblem } from "./dom.js";
import { startForecast } from "./forecast.js";

/** What starts the sections that are no part of the first view: they are loaded when they are first seen. */
const LATER = { models: "startModels", jobs: "startJobs", gates: "startGates" };
const VIEWS = ["forecast", ...Object.keys(LATER)];
const begun = new Set(["forecast"]);
let failed = 0; // how often a section could not be loaded
const THEMES = {
  auto: ["Auto", "Auto: colours as the system has them"],
  light: ["Light", "Light colours"],
  dark: ["Dark", "Dark colours"],
};

/** Show the section that the address names, and tell it: each may listen for "shown" and "left" on its element. */
function route() {
  const asked = location.hash.slice(1);
  const name = VIEWS.includes(asked) ? asked : "forecast";
  for (const view of document.querySelectorAll(".view")) {
    const isIt = view.dataset.view === name;
    if (view.hidden === isIt) {
      view.hidden = !isIt;
      view.dispatchEvent(new CustomEvent(isIt ? "shown" : "left"));
    }
  }
  for (const link of document.querySelectorAll(".top nav a")) {
    if (link.hash === `#${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${byId(`${name}-title`).textContent}: Forecaster`;
  if (!begun.has(name)) begin(name);
}

/** Start a section; it shows by itself what is known by then. */
async function begin(name) {
  begun.add(name);
  const view = document.querySelector(`[data-view=${name}]`);
  const module = await import(`./${name}.js${failed ? `?${failed}` : ""}`).catch(() => null); // browsers ask once for each address
  view.querySelector(".unbegun")?.remove();
  if (module !== null) return module[LATER[name]](view);
  begun.delete(name);
  failed += 1;
  view.prepend(make("div.unbegun"));
  showProblem(view.firstChild, new Error("This section cannot be loaded: the service does not answer, or is of another version now. Load the page again."));
}

function setTheme(name) {
  const root = document.documentElement;
  if (name === "auto") delete root.dataset.theme;
  else root.dataset.theme = name;
  try {
    if (name === "auto") localStorage.removeItem("theme");
    else localStorage.setItem("theme", name);
  } catch {
    // A browser may refuse storage; the choice then lasts as long as the page.
  }
  showTheme();
  window.dispatchEvent(new CustomEvent("theme")); // what is drawn on a canvas has to be drawn again
}

function showTheme() {
  const [text, label] = THEMES[document.documentElement.dataset.theme ?? "auto"];
  byId("theme").textContent = text;
  byId("theme").setAttribute("aria-label", label);
}

function nextTheme() {
  const names = Object.keys(THEMES);
  const now = document.documentElement.dataset.theme ?? "auto";
  setTheme(names[(names.indexOf(now) + 1) % names.length]);
}

byId("theme").addEventListener("click", nextTheme);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => window.dispatchEvent(new CustomEvent("theme")));
window.addEventListener("hashchange", route);
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault(); // the address names the section that is seen
  byId("main").focus();
});
showTheme();
startForecast(document.querySelector("[data-view=forecast]"));
route();
