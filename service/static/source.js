// Where a table comes from: dropped, chosen, pasted, or one of the samples.

import { byId } from "./dom.js";

const NO_TEXT = {
  xls: "an Excel workbook. Save it as CSV, or copy its cells and paste them here",
  xlsx: "an Excel workbook. Save it as CSV, or copy its cells and paste them here",
  ods: "a workbook. Save it as CSV, or copy its cells and paste them here",
  parquet: "a Parquet file, which the command line reads (forecaster predict). Save it as CSV for this page",
  gz: "packed. Unpack it first",
  zip: "packed. Unpack it first",
};

/**
 * Listen for files.
 *
 * @param {HTMLElement} view  the section: what is dropped or pasted while it is seen is meant for it
 * @param {(source: import("./table.js").Source) => void} taken
 * @param {(problem: Error) => void} refused
 */
export function listenForSources(view, taken, refused) {
  const takeFile = (file) => {
    const reason = NO_TEXT[file.name.toLowerCase().split(".").pop()];
    if (reason) refused(new Error(`${file.name} is ${reason}.`));
    else taken({ name: file.name || "pasted.csv", blob: file, origin: "file", path: null });
  };
  const takeText = (text) => taken(pasted(text));
  listenForFiles(takeFile);
  listenForDrops(view, takeFile, takeText);
  listenForPastes(view, takeFile, takeText);
  listenForText(takeText);
  listenForSamples(taken, refused);
}

/**
 * Return the built-in samples; `open` fetches one.
 *
 * @returns {{name: string, title: string, open: () => Promise<import("./table.js").Source>}[]}
 */
export function samples() {
  return [...document.querySelectorAll(".sample")].map(({ dataset: { name, path }, firstChild }) => ({
    name,
    title: firstChild.textContent,
    open: () => fetchSample(name, path),
  }));
}

async function fetchSample(name, path) {
  const response = await fetch(path).catch(() => null);
  if (!response?.ok) throw new Error("The sample could not be loaded. Load the page again.");
  return { name, blob: await response.blob(), origin: "sample", path: `/static/current/${name}` };
}

function pasted(text) {
  let lines = text.replaceAll("\r\n", "\n").replaceAll("\r", "\n").trim();
  if (!/[",;]/.test(lines)) lines = lines.replaceAll("\t", ","); // a terminal would complete names at a tab that is pasted
  return { name: "pasted.csv", blob: new Blob([`${lines}\n`], { type: "text/csv" }), origin: "pasted", path: null };
}

function listenForFiles(takeFile) {
  const field = byId("source-file");
  byId("source-choose").addEventListener("click", () => field.click());
  field.addEventListener("change", () => {
    if (field.files.length) takeFile(field.files[0]);
    field.value = ""; // the same file may be chosen again
  });
}

/** A file is taken wherever it is dropped: a browser would leave the page for it. Text is, where it is no field's. */
function listenForDrops(view, takeFile, takeText) {
  const veil = byId("drop-veil");
  let [leaving, isOwn] = [0, false]; // isOwn: a link or a selection of the page itself is being dragged
  window.addEventListener("dragstart", () => (isOwn = true));
  window.addEventListener("dragend", () => (isOwn = false));
  const isOfUse = ({ target, dataTransfer: { types } }) => {
    const isText = types.includes("text/plain") && !view.hidden && !isInField(target);
    return !isOwn && (types.includes("Files") || isText);
  };
  const hide = () => (veil.hidden = true);
  window.addEventListener("dragover", (event) => {
    if (!isOfUse(event)) return;
    event.preventDefault();
    veil.hidden = false;
    clearTimeout(leaving);
    leaving = setTimeout(hide, 250); // dragover comes every few milliseconds as long as it is over the page
  });
  window.addEventListener("drop", (event) => {
    hide();
    if (!isOfUse(event)) return;
    event.preventDefault();
    const [file] = event.dataTransfer.files;
    const text = event.dataTransfer.getData("text/plain");
    if (file) takeFile(file);
    else if (isTable(text)) takeText(text);
    else return;
    if (view.hidden) location.hash = "#forecast";
  });
}

function isInField(element) {
  return Boolean(element.closest?.("input, textarea, select, dialog"));
}

function isTable(text) {
  return text.trim().includes("\n");
}

function listenForPastes(view, takeFile, takeText) {
  document.addEventListener("paste", (event) => {
    if (view.hidden || isInField(event.target)) return;
    const text = event.clipboardData.getData("text/plain");
    const [file] = event.clipboardData.files;
    if (isTable(text)) takeText(text);
    else if (file) takeFile(file);
    else return;
    event.preventDefault();
  });
}

function listenForText(takeText) {
  const [form, opener, text] = [byId("paste"), byId("source-paste"), byId("paste-text")];
  const show = (isOpen) => {
    form.hidden = !isOpen;
    opener.setAttribute("aria-expanded", String(isOpen));
    (isOpen ? text : opener).focus();
  };
  opener.addEventListener("click", () => show(form.hidden));
  byId("paste-cancel").addEventListener("click", () => show(false));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!text.value.trim()) return text.focus();
    show(false);
    takeText(text.value);
  });
}

function listenForSamples(taken, refused) {
  for (const button of document.querySelectorAll(".sample")) {
    const { name, path } = button.dataset;
    button.addEventListener("click", () => fetchSample(name, path).then(taken, refused));
  }
}
